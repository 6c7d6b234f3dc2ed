//! Walking lists, page by page.

use rollcall_domain::page::Limit;
use serde_json::Value;

use super::client::{Call, Client};
use super::failure::{Failure, Outcome};
use super::output::{Listing, TableArgs};

/// Which part of a list is wanted.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Pages")]
pub struct PageArgs {
    /// Rows a page, 1 to 100 [default: 20]
    #[arg(long, value_name = "NUMBER", value_parser = limit)]
    pub limit: Option<Limit>,
    /// The next_page of an earlier answer, to go on after it
    #[arg(long, value_name = "PAGE")]
    pub page: Option<String>,
    /// Go on to the last page
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub table: TableArgs,
}

fn limit(text: &str) -> Result<Limit, &'static str> {
    let number = text.parse().ok();
    number.and_then(Limit::new).ok_or("must be 1 to 100")
}

/// Prints the pages of a list that were asked for.
pub(crate) async fn print(
    client: &Client,
    mut listing: Listing<'_>,
    pages: &PageArgs,
    call: impl Fn() -> Call,
) -> Outcome {
    let mut page = pages.page.clone();
    let limit = match pages.limit {
        Some(limit) => Some(limit),
        None => pages.all.then_some(Limit::LARGEST),
    };
    loop {
        let call = call()
            .optional("limit", limit.map(|limit| limit.get().to_string()))
            .optional("page", page.as_deref());
        let (rows, next_page) = rows(client.call(call).await?)?;
        listing.page(&rows)?;
        page = next_page;
        if page.is_none() || !pages.all {
            return listing.end(page.as_deref());
        }
    }
}

/// The rows of a list's answer and where it goes on.
pub(crate) fn rows(mut answer: Value) -> Outcome<(Vec<Value>, Option<String>)> {
    let Some(Value::Array(rows)) = answer.get_mut("data").map(Value::take) else {
        return Err(Failure::failed("the server's answer has no data"));
    };
    let next_page = answer.get("next_page").and_then(Value::as_str);
    Ok((rows, next_page.map(str::to_owned)))
}
