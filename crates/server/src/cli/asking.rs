//! What most of the operator's commands are: a request, and its answer printed.

use serde_json::Value;

use super::client::{Call, Client};
use super::failure::Outcome;
use super::output::{Column, OutputArgs, TableArgs};
use super::pages::{self, PageArgs};
use super::target::TargetArgs;

/// Whom to ask, and how the answer is printed.
#[derive(Debug, clap::Args)]
pub struct Asking {
    #[command(flatten)]
    pub(super) target: TargetArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

impl Asking {
    /// Prints the object that the call answers with.
    pub(super) async fn item(self, call: Call) -> Outcome {
        let client = self.target.open().await?;
        self.item_of(client, call).await
    }

    /// The same of a client that is open.
    pub(super) async fn item_of(self, client: Client, call: Call) -> Outcome {
        let answer = client.call(call).await;
        client.close().await;
        self.output.open().item(&answer?)
    }

    /// Prints the pages of a list that were asked for.
    pub(super) async fn list(
        self,
        columns: &'static [Column],
        pages: &PageArgs,
        call: impl Fn() -> Call,
    ) -> Outcome {
        self.list_with(columns, None, pages, call).await
    }

    /// The same, each row of a table completed by `derive`.
    pub(super) async fn list_with(
        self,
        columns: &'static [Column],
        derive: Option<fn(&mut Value)>,
        pages: &PageArgs,
        call: impl Fn() -> Call,
    ) -> Outcome {
        let client = self.target.open().await?;
        let mut output = self.output.open();
        let printed = match output.list(columns, &pages.table) {
            Ok(listing) => pages::print(&client, listing.with(derive), pages, call).await,
            Err(failure) => Err(failure),
        };
        client.close().await;
        printed
    }

    /// Prints a whole list.
    pub(super) async fn everything(
        self,
        columns: &'static [Column],
        table: TableArgs,
        path: String,
    ) -> Outcome {
        let everything = PageArgs {
            limit: None,
            page: None,
            all: true,
            table,
        };
        self.list(columns, &everything, || Call::get(&*path)).await
    }
}
