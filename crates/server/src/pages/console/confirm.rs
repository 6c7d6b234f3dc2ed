//! Asking first: what cannot be taken back says what it will do, and is sent a second time to be done.

use askama::Template;

use super::{ConsoleCall, Frame, Told, shown};
use crate::http::error::Outcome;
use crate::pages::form::Form;

#[derive(Template)]
#[template(path = "console/confirm.html")]
struct ConfirmPage {
    frame: Frame,
    question: Question,
    /// What was sent, to be sent again.
    fields: Vec<(String, String)>,
    /// What is to be typed, where a click is too little.
    to_type: Option<String>,
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

/// Whether the form was sent from the page that asks, with this text typed.
pub(super) fn is_typed(form: &Form, text: &str) -> bool {
    is_confirmed(form) && form.filled("typed") == Some(text)
}

/// Asks. The answer goes to the same address with the same fields.
pub(super) fn ask(
    call: &ConsoleCall<'_>,
    here: &'static str,
    question: Question,
    form: &Form,
) -> Outcome {
    asked(Frame::new(call, here), question, form, None)
}

/// Asks for a text to be typed, as often as it is not the right one.
pub(super) fn ask_to_type(
    call: &ConsoleCall<'_>,
    here: &'static str,
    question: Question,
    form: &Form,
    text: &str,
) -> Outcome {
    let wrong = is_confirmed(form)
        .then(|| Told::bad("That is not what was to be typed. Nothing was done."));
    let frame = Frame::new(call, here).telling(wrong);
    asked(frame, question, form, Some(text.to_owned()))
}

fn asked(frame: Frame, question: Question, form: &Form, to_type: Option<String>) -> Outcome {
    let fields = form.pairs().iter();
    let fields = fields.filter(|(name, _)| !["confirmed", "typed"].contains(&name.as_str()));
    shown(&ConfirmPage {
        frame,
        question,
        fields: fields.cloned().collect(),
        to_type,
    })
}
