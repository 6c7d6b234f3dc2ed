//! Applications for programs: what the form of a program asks, and whether what was sent answers it.

use rollcall_domain::enrollment::{Application, Enrollment};
use rollcall_domain::program::ProgramName;

use super::form::Form;
use super::shown::words;
use super::texts::{ENGLISH, Texts};
use crate::config::{FieldKind, ProgramConfig, ProgramField, ProgramTier};

/// The name in a submission of the tiers that were asked for.
pub(crate) const TIERS: &str = "tiers";

/// Most characters of a line of text.
const LINE_LIMIT: usize = 200;
/// Most characters of a long text.
const TEXT_LIMIT: usize = 4_000;

/// The offered program that is called `name`.
pub(crate) fn find<'a>(programs: &'a [ProgramConfig], name: &str) -> Option<&'a ProgramConfig> {
    programs.iter().find(|program| program.name == name)
}

/// What people call the program: its title where it is offered, else its name.
pub(crate) fn title(programs: &[ProgramConfig], name: &str) -> String {
    let found = find(programs, name);
    found.map_or_else(|| name.to_owned(), |program| program.title.clone())
}

/// What was submitted, in the order and the words of the form: each question as the applicant read it, with the answer. What the
/// form does not ask any more goes by its name.
pub(crate) fn as_asked(
    programs: &[ProgramConfig],
    application: &Enrollment,
) -> Vec<(String, String)> {
    let program = find(programs, application.program.as_str());
    let submitted = application.submitted.iter();
    let asked = submitted.map(|(name, answer)| {
        if name == TIERS {
            let tiers = program.map_or(&[][..], |it| &it.tiers);
            return (ENGLISH.tiers.to_owned(), tier_titles(tiers, answer));
        }
        let field = program.and_then(|it| it.fields.iter().find(|field| field.name == *name));
        let label = field.map_or_else(|| words(name), |field| field.label.clone());
        let agrees = field.is_some_and(|field| field.kind == FieldKind::Agreement);
        let answer = match answer.as_str() {
            "yes" if agrees => "Agreed".to_owned(),
            answer => answer.to_owned(),
        };
        (label, answer)
    });
    asked.collect()
}

/// Whether this tier was asked for.
pub(crate) fn asks_for(application: &Enrollment, tier: &str) -> bool {
    let mut submitted = application.submitted.iter();
    let asked = submitted.find(|(name, _)| name == TIERS);
    asked.is_some_and(|(_, asked)| asked.split(", ").any(|it| it == tier))
}

/// The tiers that were asked for, by their titles.
fn tier_titles(tiers: &[ProgramTier], asked: &str) -> String {
    let titles = asked.split(", ").map(|name| {
        let tier = tiers.iter().find(|tier| tier.name == name);
        tier.map_or(name, |tier| &tier.title)
    });
    titles.collect::<Vec<_>>().join(", ")
}

/// A question with what was answered, as the form shows it.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) field: &'a ProgramField,
    pub(super) value: String,
    pub(super) error: Option<String>,
}

impl Question<'_> {
    pub(super) fn is_long(&self) -> bool {
        self.field.kind == FieldKind::LongText
    }

    pub(super) fn is_choice(&self) -> bool {
        self.field.kind == FieldKind::Choice
    }

    pub(super) fn is_agreement(&self) -> bool {
        self.field.kind == FieldKind::Agreement
    }

    /// What a browser may fill in by itself.
    pub(super) fn autocomplete(&self) -> &'static str {
        match self.field.name.as_str() {
            "full_name" => "name",
            "organization" => "organization",
            "role" => "organization-title",
            "email" => "email",
            "country" => "country-name",
            _ => "off",
        }
    }

    pub(super) fn limit(&self) -> usize {
        if self.is_long() {
            TEXT_LIMIT
        } else {
            LINE_LIMIT
        }
    }

    /// The parts of the description that this question has, for a screen reader.
    pub(super) fn described_by(&self) -> String {
        let name = &self.field.name;
        let mut parts = Vec::new();
        if !self.field.hint.is_empty() {
            parts.push(format!("hint-{name}"));
        }
        if self.error.is_some() {
            parts.push(format!("error-{name}"));
        }
        parts.join(" ")
    }
}

/// A tier with whether it is asked for.
#[derive(Debug)]
pub(super) struct TierChoice<'a> {
    pub(super) name: &'a str,
    pub(super) title: &'a str,
    pub(super) description: &'a str,
    pub(super) chosen: bool,
}

/// A program's form with what was filled in.
#[derive(Debug)]
pub(super) struct Filled<'a> {
    pub(super) program: &'a ProgramConfig,
    pub(super) tiers: Vec<TierChoice<'a>>,
    pub(super) tiers_error: Option<String>,
    pub(super) questions: Vec<Question<'a>>,
}

impl<'a> Filled<'a> {
    /// The form before anything was filled in.
    pub(super) fn empty(program: &'a ProgramConfig) -> Self {
        Self::read(program, &Form::default())
    }

    /// The form with what was sent, which is not judged yet.
    pub(super) fn read(program: &'a ProgramConfig, form: &Form) -> Self {
        let tiers = program.tiers.iter().map(|tier| TierChoice {
            name: &tier.name,
            title: &tier.title,
            description: &tier.description,
            chosen: form.all(TIERS).any(|sent| sent == tier.name),
        });
        let questions = program.fields.iter().map(|field| {
            let sent = form.get(&field.name).unwrap_or_default();
            // Browsers send line breaks as CR LF; one character is enough.
            let value = sent.replace("\r\n", "\n");
            Question {
                field,
                value: value.trim().to_owned(),
                error: None,
            }
        });
        Self {
            program,
            tiers: tiers.collect(),
            tiers_error: None,
            questions: questions.collect(),
        }
    }

    /// Judges what was filled in; whether all of it can be sent.
    pub(super) fn judge(&mut self, texts: &Texts) -> bool {
        if !self.tiers.is_empty() && !self.tiers.iter().any(|tier| tier.chosen) {
            self.tiers_error = Some(texts.choose_a_tier.to_owned());
        }
        for question in &mut self.questions {
            question.error = error_of(question, texts);
        }
        !self.has_errors()
    }

    pub(super) fn has_errors(&self) -> bool {
        self.tiers_error.is_some() || self.questions.iter().any(|it| it.error.is_some())
    }

    /// What is to be submitted.
    pub(super) fn application(&self) -> Option<Application> {
        let mut submitted = Vec::new();
        if !self.tiers.is_empty() {
            let chosen = self.tiers.iter().filter(|tier| tier.chosen);
            let names: Vec<_> = chosen.map(|tier| tier.name).collect();
            submitted.push((TIERS.to_owned(), names.join(", ")));
        }
        for question in &self.questions {
            submitted.push((question.field.name.clone(), question.value.clone()));
        }
        let program = ProgramName::parse(&self.program.name).ok()?;
        Some(Application { program, submitted })
    }
}

fn error_of(question: &Question<'_>, texts: &Texts) -> Option<String> {
    let (field, value) = (question.field, question.value.as_str());
    match field.kind {
        FieldKind::Agreement if field.required && value != "yes" => {
            return Some(texts.must_agree.to_owned());
        }
        FieldKind::Agreement if !matches!(value, "" | "yes") => {
            return Some(texts.must_agree.to_owned());
        }
        FieldKind::Choice if !value.is_empty() && !field.options.iter().any(|it| it == value) => {
            return Some(texts.choose_one.to_owned());
        }
        FieldKind::Agreement | FieldKind::Choice | FieldKind::Text | FieldKind::LongText => {}
    }
    if field.required && value.is_empty() {
        return Some(match field.kind {
            FieldKind::Choice => texts.choose_one.to_owned(),
            FieldKind::Text | FieldKind::LongText | FieldKind::Agreement => {
                texts.fill_in.to_owned()
            }
        });
    }
    let limit = question.limit();
    if value.chars().nth(limit).is_some() {
        return Some(texts.too_long.replace("{limit}", &limit.to_string()));
    }
    let allowed = |character: char| {
        !character.is_control() || (question.is_long() && matches!(character, '\n' | '\t'))
    };
    if !value.chars().all(allowed) {
        return Some(texts.no_controls.to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(query: &str) -> Form {
        Form::of_query(Some(query))
    }

    const GOOD: &str = "tiers=b&tiers=a&full_name=Ana&organization=CERT&role=Analyst\
                        &intended_use=One%0D%0ATwo&agreement=yes";

    #[test]
    fn a_whole_form_becomes_an_application() {
        let program = ProgramConfig::cyber();
        let mut filled = Filled::read(&program, &sent(GOOD));
        assert!(filled.judge(&ENGLISH));
        let application = filled.application().unwrap();
        let submitted: Vec<_> = application
            .submitted
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            submitted,
            [
                ("tiers", "a, b"),
                ("full_name", "Ana"),
                ("organization", "CERT"),
                ("role", "Analyst"),
                ("intended_use", "One\nTwo"),
                ("agreement", "yes"),
            ]
        );
    }

    #[test]
    fn what_is_missing_or_too_much_is_said_at_its_field() {
        let program = ProgramConfig::cyber();
        let long = "x".repeat(LINE_LIMIT + 1);
        let query = format!("full_name={long}&role=a%07b&intended_use=%20&agreement=no");
        let mut filled = Filled::read(&program, &sent(&query));
        assert!(!filled.judge(&ENGLISH));
        assert!(filled.tiers_error.is_some());
        let errors: Vec<_> = filled
            .questions
            .iter()
            .map(|it| it.error.as_deref())
            .collect();
        assert_eq!(
            errors,
            [
                Some("Use at most 200 characters."),
                Some(ENGLISH.fill_in),
                Some(ENGLISH.no_controls),
                Some(ENGLISH.fill_in),
                Some(ENGLISH.must_agree),
            ]
        );
    }

    #[test]
    fn a_choice_is_one_of_its_options() {
        let program = ProgramConfig {
            tiers: Vec::new(),
            fields: vec![ProgramField {
                name: "where".into(),
                label: "Where?".into(),
                kind: FieldKind::Choice,
                options: vec!["Here".into(), "There".into()],
                ..ProgramField::default()
            }],
            ..ProgramConfig::cyber()
        };
        for (query, good) in [("where=Here", true), ("", true), ("where=Elsewhere", false)] {
            assert_eq!(
                Filled::read(&program, &sent(query)).judge(&ENGLISH),
                good,
                "{query}"
            );
        }
    }
}
