//! Asking before what cannot be taken back: on a terminal for a name to be repeated, anywhere else for `--yes`.

use std::io::IsTerminal as _;

use super::failure::{Failure, Outcome};
use super::output;

/// Whether it is sure.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Confirm {
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Confirm {
    /// Has whoever sits before a terminal repeat `id`; nobody else can be asked. `what` will happen; `gone` says what did
    /// not.
    pub(super) fn asks(self, id: &str, what: &str, gone: &str) -> Outcome {
        if self.yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() {
            return Err(Failure::setup(format!(
                "what is {gone} cannot be brought back; repeat this with --yes"
            )));
        }
        output::note(&format!("{what} Repeat its ID to confirm:"));
        let mut answer = String::new();
        std::io::stdin()
            .read_line(&mut answer)
            .map_err(Failure::failed)?;
        if answer.trim() == id {
            Ok(())
        } else {
            Err(Failure::failed(format!("nothing was {gone}")))
        }
    }
}
