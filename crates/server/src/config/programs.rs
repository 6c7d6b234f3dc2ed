//! The programs that are offered unless somebody says otherwise, and what any of them must be.

use std::collections::BTreeSet;

use rollcall_domain::program::ProgramName;

use super::value::{FieldKind, ProgramConfig, ProgramField, ProgramTier};

/// Names of fields that the page's own form uses.
const RESERVED: [&str; 3] = ["step", "program", "tiers"];

impl ProgramConfig {
    /// The built-in program for security work.
    pub fn cyber() -> Self {
        let tier = |name: &str, title: &str, description: &str| ProgramTier {
            name: name.to_owned(),
            title: title.to_owned(),
            description: description.to_owned(),
        };
        Self {
            name: "cyber".to_owned(),
            title: "Cybersecurity".to_owned(),
            description:
                "For people who defend and test systems for a living. Once admitted, you can \
                          use capabilities for security work that are otherwise held back."
                    .to_owned(),
            tiers: vec![
                tier(
                    "a",
                    "Defense",
                    "Analyzing malware, triaging vulnerabilities, writing detections.",
                ),
                tier(
                    "b",
                    "Testing",
                    "Penetration tests and exercises on systems you are authorized to test.",
                ),
                tier(
                    "c",
                    "Research",
                    "Developing exploits and offensive techniques under controlled conditions.",
                ),
            ],
            fields: Self::usual_fields(),
        }
    }

    /// What is asked where nobody says otherwise.
    pub(super) fn usual_fields() -> Vec<ProgramField> {
        let field = |name: &str, label: &str, hint: &str, kind| ProgramField {
            name: name.to_owned(),
            label: label.to_owned(),
            hint: hint.to_owned(),
            kind,
            options: Vec::new(),
            required: true,
        };
        vec![
            field("full_name", "Full name", "", FieldKind::Text),
            field(
                "organization",
                "Organization",
                "The company or institution you work for, or \"independent\".",
                FieldKind::Text,
            ),
            field("role", "Role", "What you do there.", FieldKind::Text),
            field(
                "intended_use",
                "Intended use",
                "What you want to do, on whose systems, and who has authorized it.",
                FieldKind::LongText,
            ),
            field(
                "agreement",
                "I will use this access only for work I am authorized to do, and what I have written \
                 is true.",
                "",
                FieldKind::Agreement,
            ),
        ]
    }
}

/// What is wrong with these programs, if anything is.
pub(super) fn check(programs: &[ProgramConfig]) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for program in programs {
        let name = &program.name;
        ProgramName::parse(name).map_err(|error| format!("{name}: name {error}"))?;
        if !names.insert(name) {
            return Err(format!("{name}: is there twice"));
        }
        if program.title.trim().is_empty() {
            return Err(format!("{name}: title must not be empty"));
        }
        check_tiers(program)?;
        check_fields(program)?;
    }
    Ok(())
}

fn check_tiers(program: &ProgramConfig) -> Result<(), String> {
    let name = &program.name;
    if name != "cyber" && !program.tiers.is_empty() {
        return Err(format!("{name}: only cyber has tiers"));
    }
    let mut names = BTreeSet::new();
    for tier in &program.tiers {
        if !matches!(tier.name.as_str(), "a" | "b" | "c") || !names.insert(&tier.name) {
            return Err(format!("{name}: tiers are called a, b and c, each once"));
        }
    }
    Ok(())
}

fn check_fields(program: &ProgramConfig) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for field in &program.fields {
        let place = format!("{}.{}", program.name, field.name);
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if field.name.is_empty() || field.name.len() > 64 || !field.name.bytes().all(plain) {
            return Err(format!(
                "{place}: name must be 1 to 64 characters from a-z, 0-9 and _"
            ));
        }
        if RESERVED.contains(&field.name.as_str()) || !names.insert(&field.name) {
            return Err(format!("{place}: name is taken; choose another"));
        }
        if field.label.trim().is_empty() {
            return Err(format!("{place}: label must not be empty"));
        }
        if (field.kind == FieldKind::Choice) == field.options.is_empty() {
            return Err(format!(
                "{place}: options belong to kind = \"choice\", which needs some"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_program_is_sound() {
        assert_eq!(check(&[ProgramConfig::cyber()]), Ok(()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let broken = |change: fn(&mut ProgramConfig)| {
            let mut program = ProgramConfig::cyber();
            change(&mut program);
            check(&[program]).unwrap_err()
        };
        for (message, expected) in [
            (
                broken(|it| it.name = "Cyber".into()),
                "must be a program name",
            ),
            (broken(|it| it.name = "lab".into()), "only cyber has tiers"),
            (broken(|it| it.tiers[1].name = "a".into()), "each once"),
            (
                broken(|it| it.title = " ".into()),
                "title must not be empty",
            ),
            (
                broken(|it| it.fields[0].name = "step".into()),
                "choose another",
            ),
            (
                broken(|it| it.fields[0].name = "role".into()),
                "choose another",
            ),
            (
                broken(|it| it.fields[0].name = "Full name".into()),
                "1 to 64",
            ),
            (
                broken(|it| it.fields[0].kind = FieldKind::Choice),
                "needs some",
            ),
        ] {
            assert!(message.contains(expected), "{message}");
        }
        let twice = [ProgramConfig::cyber(), ProgramConfig::cyber()];
        assert!(check(&twice).unwrap_err().contains("twice"));
    }
}
