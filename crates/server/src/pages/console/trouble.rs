//! What did not work, as a page: what it was, and the way on.

use askama::Template;
use http::{StatusCode, Uri};
use rollcall_wire::cursor::is_invalid_cursor;
use rollcall_wire::error::ApiError;

use super::Frame;
use super::paging::ASIDE;
use crate::pages::form::Form;

#[derive(Template)]
#[template(path = "console/trouble.html")]
pub(super) struct TroublePage<'a> {
    frame: Frame,
    heading: &'static str,
    text: &'a str,
    reference: &'a str,
    way_on: Option<WayOn>,
}

/// Where to go on from what did not work.
#[derive(Debug)]
struct WayOn {
    label: &'static str,
    address: String,
}

impl WayOn {
    /// To the list that the address is of, or is a page of one of.
    fn from(asked: &Uri) -> Option<Self> {
        let room = asked.path().strip_prefix("/console/")?.split('/').next()?;
        let label = match room {
            "profiles" => "To the profiles",
            "enrollments" => "To the applications",
            "webhooks" => "To the webhook endpoints",
            "deliveries" => "To the deliveries",
            "organizations" => "To the organizations",
            "audit" => "To the audit trail",
            _ => return None,
        };
        let address = format!("/console/{room}");
        Some(Self { label, address })
    }

    /// To the first page of the list, under the same filters.
    fn to_first_page(asked: &Uri) -> Self {
        let kept = Form::of_query(asked.query()).to_query(&ASIDE);
        let mark = if kept.is_empty() { "" } else { "?" };
        Self {
            label: "To its first page",
            address: format!("{}{mark}{kept}", asked.path()),
        }
    }
}

impl<'a> TroublePage<'a> {
    /// What to show for a failure of what was asked for.
    pub(super) fn of(
        status: StatusCode,
        asked: &Uri,
        told: &'a ApiError,
        request_id: &'a str,
    ) -> Self {
        if is_invalid_cursor(told) {
            return Self {
                frame: Frame::outside(""),
                heading: "No such page of the list",
                text: "The address was cut off, or is of a list with other filters. What it was a page of is still there.",
                reference: request_id,
                way_on: Some(WayOn::to_first_page(asked)),
            };
        }
        let heading = match status {
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::FORBIDDEN => "Not allowed",
            StatusCode::CONFLICT => "Too late",
            StatusCode::TOO_MANY_REQUESTS => "Too many attempts",
            status if status.is_client_error() => "That did not work",
            _ => "Something went wrong",
        };
        Self {
            frame: Frame::outside(""),
            heading,
            text: &told.message,
            reference: request_id,
            way_on: WayOn::from(asked),
        }
    }
}
