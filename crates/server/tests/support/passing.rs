//! Servers that forget everything at their end: in memory, or with `ROLLCALL_TEST_STORE=postgres` on a
//! database of their own. The tests do not know which.

use std::path::Path;

use rollcall_scratch_postgres as scratch;

use crate::support::program::{Program, rollcall};

/// Starts a server whose data goes with it.
pub(crate) fn start(arguments: &[&str], log: &Path) -> Program {
    if scratch::is_chosen() {
        let url = scratch::wait(scratch::emptied_database(migrate));
        Program::start(&[arguments, &["--database-url", &url]].concat(), log)
    } else {
        Program::start(&[arguments, &["--in-memory"]].concat(), log)
    }
}

async fn migrate(url: String) {
    scratch::run(&mut rollcall(&["migrate", "--database-url", &url]));
}
