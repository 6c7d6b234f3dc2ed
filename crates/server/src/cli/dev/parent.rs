//! `--exit-with-parent`: a server of a test run that is never left behind.
//!
//! The parent holds the other end of standard input. The kernel closes that however the parent ends, at once and on
//! every Unix; a signal at the parent's death would follow the thread that started the server, and asking for the
//! parent's number now and then would miss one that ended before the first time.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileTypeExt as _;
use std::thread;

use crate::cli::failure::{Failure, Outcome};

/// Ends this process when standard input does. It does not drain: nobody is left who waits for an answer.
pub(super) fn watch() -> Outcome {
    let cannot = |error: io::Error| Failure::setup(format!("--exit-with-parent: {error}"));
    let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(cannot)?;
    let mut stdin = File::from(stdin);
    let kind = stdin.metadata().map_err(cannot)?.file_type();
    if !kind.is_fifo() && !kind.is_socket() {
        return Err(Failure::setup(
            "--exit-with-parent: standard input must be a pipe whose other end the parent holds; \
             start it with one, or leave the flag out",
        ));
    }
    let until_it_ends = move || {
        // However reading ends, there is nothing more to wait for.
        let _ = io::copy(&mut stdin, &mut io::sink());
        std::process::exit(0);
    };
    thread::Builder::new()
        .spawn(until_it_ends)
        .map_err(cannot)?;
    Ok(())
}
