//! Asking first: what cannot be taken back says what it will do, and is sent a second time to be done.

use askama::Template;

use super::{ConsoleCall, Frame, shown};
use crate::http::error::Outcome;
use crate::pages::form::Form;

#[derive(Template)]
#[template(path = "console/confirm.html")]
struct ConfirmPage {
    frame: Frame,
    question: Question,
    /// What was sent, to be sent again.
    fields: Vec<(String, String)>,
}

/// What is asked.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) title: String,
    /// What will happen, a sentence each.
    pub(super) effects: Vec<String>,
    /// What the button says that does it.
    pub(super) yes: &'static str,
    /// The page to go back to.
    pub(super) back: String,
}

/// Whether the form was sent from the page that asks.
pub(super) fn is_confirmed(form: &Form) -> bool {
    form.get("confirmed") == Some("yes")
}

/// Asks. The answer goes to the same address with the same fields.
pub(super) fn ask(
    call: &ConsoleCall<'_>,
    here: &'static str,
    question: Question,
    form: &Form,
) -> Outcome {
    let fields = form.pairs().iter().filter(|(name, _)| name != "confirmed");
    shown(&ConfirmPage {
        frame: Frame::new(call, here),
        question,
        fields: fields.cloned().collect(),
    })
}
