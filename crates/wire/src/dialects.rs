//! The dialects that are served, each in a file that can be read beside the contract.

use crate::dialect::Dialect;
use crate::error::ApiError;

mod ga;
mod v2026_03_24;
mod v2026_08_18;
mod v2026_09_04;

/// The dialect of a request that names none, whichever is the newest.
pub static DEFAULT: &Dialect = &ga::DIALECT;

/// Every dialect, newest first. Order decides which one a request gets that names several.
pub static ALL: &[&Dialect] = &[
    &ga::DIALECT,
    &v2026_09_04::DIALECT,
    &v2026_08_18::DIALECT,
    &v2026_03_24::DIALECT,
];

/// What the contract calls them, newest first.
pub fn names() -> impl DoubleEndedIterator<Item = &'static str> {
    ALL.iter().map(|dialect| dialect.short_name())
}

/// The dialect that the contract calls `name`: `2026-03-24`, …, `ga`.
pub fn by_short_name(name: &str) -> Option<&'static Dialect> {
    let mut all = ALL.iter().copied();
    all.find(|dialect| dialect.short_name() == name)
}

/// Refuses the enrollment URL endpoint in a dialect that does not have it, naming those that do.
pub fn require_enrollment_url(dialect: &Dialect) -> Result<(), ApiError> {
    if dialect.has_enrollment_url() {
        return Ok(());
    }
    let having = ALL.iter().filter(|dialect| dialect.has_enrollment_url());
    let betas = either(having.filter_map(|dialect| dialect.beta()));
    Err(ApiError::at(
        "enrollment_url",
        format!("requires the anthropic-beta header ({betas}); without it use action_urls"),
    ))
}

/// `a, b or c`
pub fn either<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialects_are_found_by_name_and_one_is_for_requests_that_name_none() {
        for name in names() {
            assert_eq!(by_short_name(name).map(Dialect::short_name), Some(name));
        }
        assert!(by_short_name("2026-01-01").is_none());
        let without_beta = names().filter(|name| by_short_name(name).unwrap().beta().is_none());
        assert_eq!(
            without_beta.collect::<Vec<_>>(),
            [DEFAULT.short_name()],
            "one dialect is chosen by no beta"
        );
    }

    #[test]
    fn dated_dialects_stand_newest_first() {
        let dated: Vec<_> = ALL.iter().filter_map(|dialect| dialect.beta()).collect();
        assert!(dated.is_sorted_by(|one, next| one > next), "{dated:?}");
    }
}
