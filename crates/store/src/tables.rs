//! Every table, and whose its rows are: the one list that every backend walks when an organization or a
//! profile goes, and when everything does.
//!
//! Each backend has a test that fails on a table of its schema that is not in here, so that nobody's data
//! stays behind because it was forgotten.

/// What becomes of a table's rows when a profile goes. The text is the column that holds the profile's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WithProfile {
    /// Nothing: they are no profile's, or say nothing of one but its id.
    Stay,
    /// They repeat its document, and are written and removed with that.
    Repeat(&'static str),
    /// They are removed.
    Removed(&'static str),
    /// They end with it, and are removed when it is erased.
    Erased(&'static str),
    /// They stay, and are emptied when it is erased.
    Emptied,
}

impl WithProfile {
    /// The column of rows that go whenever a profile does.
    pub(crate) fn goes(self) -> Option<&'static str> {
        match self {
            Self::Repeat(column) | Self::Removed(column) => Some(column),
            Self::Stay | Self::Erased(_) | Self::Emptied => None,
        }
    }

    /// The column of rows that go when one is erased.
    pub(crate) fn goes_at_erasure(self) -> Option<&'static str> {
        match self {
            Self::Erased(column) => Some(column),
            Self::Stay | Self::Repeat(_) | Self::Removed(_) | Self::Emptied => None,
        }
    }
}

/// A table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// Whether each row is one organization's, which its column `organization` names.
    pub(crate) of_organization: bool,
    /// What its rows are called where it is told how many of them went with their organization.
    pub(crate) told_as: Option<&'static str>,
    pub(crate) with_profile: WithProfile,
}

impl Table {
    /// A table whose rows are an organization's.
    pub(crate) const fn of_organization(name: &'static str, with_profile: WithProfile) -> Self {
        Self {
            name,
            of_organization: true,
            told_as: None,
            with_profile,
        }
    }

    /// The same table, whose rows are called so.
    const fn told_as(self, name: &'static str) -> Self {
        Self {
            told_as: Some(name),
            ..self
        }
    }
}

/// Every table that every backend has, but the organizations themselves, which go last. The end of a tenancy takes them
/// in this order: first nobody is told anything any more.
pub(crate) const TABLES: [Table; 14] = [
    Table::of_organization("webhook_endpoints", WithProfile::Stay).told_as("webhook_endpoints"),
    Table::of_organization("webhook_deliveries", WithProfile::Emptied)
        .told_as("webhook_deliveries"),
    Table::of_organization("events", WithProfile::Emptied).told_as("events"),
    Table::of_organization("profiles", WithProfile::Repeat("id")).told_as("user_profiles"),
    Table::of_organization("profile_programs", WithProfile::Repeat("profile_id")),
    Table::of_organization("enforcement_actions", WithProfile::Repeat("profile_id"))
        .told_as("enforcement_actions"),
    Table::of_organization("profile_counts", WithProfile::Stay),
    Table::of_organization("enrollment_urls", WithProfile::Erased("profile_id"))
        .told_as("enrollment_urls"),
    Table::of_organization("enrollments", WithProfile::Removed("profile_id"))
        .told_as("enrollments"),
    Table::of_organization("organization_figures", WithProfile::Stay),
    Table {
        name: "console_sessions",
        of_organization: false,
        told_as: None,
        with_profile: WithProfile::Stay,
    },
    Table::of_organization("audit_events", WithProfile::Stay).told_as("audit_events"),
    Table::of_organization("api_keys", WithProfile::Stay).told_as("api_keys"),
    Table::of_organization("workspaces", WithProfile::Stay).told_as("workspaces"),
];

/// Fails on a table of a schema that is not known here, or not as what it is. `found` are the names and
/// columns of the schema's, `own` the backend's own tables, `bookkeeping` those that hold nobody's data.
#[cfg(test)]
pub(crate) fn assert_known(
    found: &std::collections::BTreeMap<String, Vec<String>>,
    own: &[Table],
    bookkeeping: &[&str],
) {
    let known: Vec<_> = TABLES.iter().chain(own).collect();
    for name in known.iter().map(|table| table.name) {
        assert!(found.contains_key(name), "there is no table {name}");
    }
    for (name, columns) in found {
        if name == "organizations" || bookkeeping.contains(&name.as_str()) {
            continue;
        }
        let Some(table) = known.iter().find(|table| table.name == name) else {
            panic!("say in tables.rs with what the rows of {name} go");
        };
        let has = |column: &str| columns.iter().any(|it| it == column);
        assert_eq!(table.of_organization, has("organization"), "{name}");
        match table.with_profile {
            WithProfile::Stay => assert!(!has("profile_id"), "{name} holds data of a profile"),
            WithProfile::Repeat(column)
            | WithProfile::Removed(column)
            | WithProfile::Erased(column) => assert!(has(column), "{name} has no {column}"),
            WithProfile::Emptied => {}
        }
    }
}
