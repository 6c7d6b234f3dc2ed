//! What the pages of the portal show.

use askama::Template;
use http::StatusCode;
use rollcall_domain::clock::Timestamp;

use crate::http::error::Outcome;
use crate::pages::programs::Filled;
use crate::pages::texts::{ENGLISH, Texts};
use crate::pages::{Room, assets, page, shown};

pub(super) const TEXTS: &Texts = &ENGLISH;

/// What every page of the portal has around it.
#[derive(Debug)]
pub(super) struct Frame {
    texts: &'static Texts,
    style: &'static str,
    icon: &'static str,
    script: &'static str,
    platform: String,
}

impl Frame {
    pub(super) fn new(platform: &str) -> Self {
        Self {
            texts: TEXTS,
            style: &assets::STYLE,
            icon: &assets::ICON,
            script: &assets::PORTAL_SCRIPT,
            platform: platform.to_owned(),
        }
    }

    /// The heading of the application for a program.
    pub(super) fn application(&self, title: &str) -> String {
        self.texts.application.replace("{program}", title)
    }

    /// A text with what the page knows put in.
    pub(super) fn say(&self, text: &str) -> String {
        text.replace("{platform}", &self.platform)
    }
}

#[derive(Template)]
#[template(path = "portal/start.html")]
pub(super) struct StartPage<'a> {
    pub(super) frame: Frame,
    pub(super) expires: Moment,
    pub(super) standings: Vec<Standing>,
    pub(super) check: Check,
    pub(super) offers: Vec<Offer<'a>>,
    pub(super) form: Option<Filled<'a>>,
    /// Whether there is a list of programs to go back to.
    pub(super) has_others: bool,
}

#[derive(Template)]
#[template(path = "portal/review.html")]
pub(super) struct ReviewPage<'a> {
    pub(super) frame: Frame,
    pub(super) title: &'a str,
    pub(super) program: &'a str,
    pub(super) answers: Vec<Answered>,
    pub(super) fields: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "portal/status.html")]
pub(super) struct StatusPage {
    pub(super) frame: Frame,
    pub(super) expires: Moment,
    pub(super) standing: Standing,
    pub(super) answers: Vec<Answered>,
    pub(super) check: Check,
}

#[derive(Template)]
#[template(path = "portal/message.html")]
pub(super) struct MessagePage {
    pub(super) frame: Frame,
    pub(super) heading: &'static str,
    pub(super) text: &'static str,
    /// Whether there is a status to go to.
    pub(super) has_status: bool,
    pub(super) reference: Option<String>,
}

/// An instant as people and as machines read it.
#[derive(Debug)]
pub(super) struct Moment {
    pub(super) shown: String,
    pub(super) machine: String,
}

impl Moment {
    pub(super) fn of(timestamp: Timestamp) -> Self {
        Self {
            shown: shown::minute(timestamp),
            machine: shown::machine(timestamp),
        }
    }
}

/// A program that can be applied for.
#[derive(Debug)]
pub(super) struct Offer<'a> {
    pub(super) name: &'a str,
    pub(super) title: &'a str,
    pub(super) description: &'a str,
    /// What stands on its button.
    pub(super) invitation: &'static str,
}

/// How the end user stands in a program.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) program: String,
    /// Names the badge's look.
    pub(super) look: &'static str,
    pub(super) status: &'static str,
    pub(super) text: String,
    pub(super) note: Option<String>,
    pub(super) sent_at: Option<Moment>,
}

/// Whether an identity check can be started, or has been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    None,
    Offered,
    /// Asked for without the statement that it needs.
    Unstated,
    Waiting,
}

impl Check {
    pub(super) fn is_offered(self) -> bool {
        matches!(self, Self::Offered | Self::Unstated)
    }

    pub(super) fn is_unstated(self) -> bool {
        self == Self::Unstated
    }

    pub(super) fn is_waiting(self) -> bool {
        self == Self::Waiting
    }
}

/// A question and its answer.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) question: String,
    pub(super) answer: String,
}

pub(super) fn unknown() -> Outcome {
    message(StatusCode::NOT_FOUND, TEXTS.not_found, TEXTS.not_found_text)
}

pub(super) fn over() -> Outcome {
    message(StatusCode::GONE, TEXTS.gone, TEXTS.gone_text)
}

pub(super) fn sent_before(platform: &str) -> Outcome {
    let page_shown = MessagePage {
        frame: Frame::new(platform),
        heading: TEXTS.sent_before,
        text: TEXTS.sent_before_text,
        has_status: true,
        reference: None,
    };
    page(Room::Portal, StatusCode::CONFLICT, &page_shown)
}

pub(super) fn message(status: StatusCode, heading: &'static str, text: &'static str) -> Outcome {
    let message = MessagePage {
        frame: Frame::new(""),
        heading,
        text,
        has_status: false,
        reference: None,
    };
    page(Room::Portal, status, &message)
}

/// What to show for a failure that is nobody's to see.
pub(in crate::pages) fn trouble(status: StatusCode, request_id: &str) -> Outcome {
    let (heading, text) = match status {
        StatusCode::NOT_FOUND => (TEXTS.not_found, TEXTS.not_found_text),
        _ => (TEXTS.trouble, TEXTS.trouble_text),
    };
    let message = MessagePage {
        frame: Frame::new(""),
        heading,
        text,
        has_status: false,
        reference: (status != StatusCode::NOT_FOUND).then(|| request_id.to_owned()),
    };
    page(Room::Portal, status, &message)
}
