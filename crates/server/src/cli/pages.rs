//! Walking lists: page by page from a server, batch by batch from the storage.

use rollcall_domain::id::Ids;
use rollcall_domain::page::{Limit, ListPosition};
use rollcall_record::field::Fields;
use rollcall_store::Stored;
use rollcall_store::tenants::Listed;
use rollcall_wire::cursor::{CursorKeys, Cursors};
use rollcall_wire::operator::body_fields;
use serde_json::Value;

use super::client::{Call, Client};
use super::failure::{Failure, Outcome};
use super::output::{Listing, note};

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
}

fn limit(text: &str) -> Result<Limit, &'static str> {
    let number = text.parse().ok();
    number.and_then(Limit::new).ok_or("must be 1 to 100")
}

/// The JSON of what `write` appends.
pub(crate) fn json(write: impl FnOnce(&mut String)) -> Outcome<Value> {
    let mut text = String::with_capacity(512);
    write(&mut text);
    serde_json::from_str(&text).map_err(Failure::failed)
}

/// The fields of a body.
pub(crate) fn fields(body: &Value) -> Outcome<Fields> {
    Ok(body_fields(body.to_string().as_bytes())?)
}

/// Prints the pages of a server's list that were asked for.
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

/// Prints a whole list of the storage. `ask` gets the position to go on after.
pub(crate) async fn print_all<T>(
    mut listing: Listing<'_>,
    ask: impl AsyncFn(Option<ListPosition>) -> Stored<Listed<T>>,
    write: impl Fn(&mut String, &T),
) -> Outcome {
    let mut after = None;
    loop {
        let listed = ask(after).await?;
        let rows = listed.items.iter();
        let rows = rows.map(|item| json(|out| write(out, item)));
        listing.page(&rows.collect::<Outcome<Vec<_>>>()?)?;
        after = listed.next;
        if after.is_none() {
            return listing.end(None);
        }
    }
}

/// Prints a whole list of a server.
pub(crate) async fn print_everything(client: &Client, listing: Listing<'_>, path: &str) -> Outcome {
    let everything = PageArgs {
        limit: None,
        page: None,
        all: true,
    };
    print(client, listing, &everything, || Call::get(path)).await
}

impl PageArgs {
    /// The query that a server would get, for parsing it here: one set of rules for both.
    pub(crate) fn query_for_storage(
        &self,
        parameters: &[(&'static str, String)],
    ) -> Outcome<String> {
        if self.page.is_some() {
            return Err(Failure::setup(
                "--page goes on with a server's answer; on the storage itself use --all",
            ));
        }
        let mut url = reqwest::Url::parse("http://localhost").map_err(Failure::setup)?;
        let limit = match self.limit {
            Some(limit) => Some(limit),
            None => self.all.then_some(Limit::LARGEST),
        };
        {
            let mut pairs = url.query_pairs_mut();
            pairs.extend_pairs(parameters);
            if let Some(limit) = limit {
                pairs.append_pair("limit", &limit.get().to_string());
            }
        }
        Ok(url.query().unwrap_or_default().to_owned())
    }
}

/// Opens no cursor: on the storage itself a walk does not leave the process.
pub(crate) fn no_cursors() -> Cursors {
    Cursors::new(CursorKeys::new(Ids::default().secret_bytes()))
}

/// Ends a list that was read from the storage itself.
pub(crate) fn end_on_storage(listing: Listing<'_>, more: bool) -> Outcome {
    listing.end(None)?;
    if more {
        note("more follow: --all shows everything");
    }
    Ok(())
}
