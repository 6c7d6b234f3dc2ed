//! `docs/reference/cli.md`, generated from the definitions of the commands so that it cannot disagree
//! with them.

use std::fmt::Write as _;

use clap::CommandFactory as _;

const INTRODUCTION: &str = "\
<!-- Generated from crates/server/src/cli by the test `cli`; change the comments there, then run
     UPDATE_REFERENCE=1 cargo test -p rollcall --test cli reference -->

# Command line

One binary, `rollcall`. Every command ends with status 0 when it did what was asked, with 1 when that was
tried and refused, and with 2 when it could not begin; the reason is one line on standard error.

Answers are tables on a terminal and JSON in a pipe, in the shape of the API; `--output` chooses. The settings
of `rollcall dev` and `rollcall serve` are described in [settings.md](settings.md), and so is the section `[client]` of
`rollcall.toml`: which server commands ask, with which keys, and how they print.
";

/// The content of `docs/reference/cli.md`.
pub fn reference_markdown() -> String {
    let mut markdown = INTRODUCTION.to_owned();
    let mut root = super::Arguments::command().term_width(100);
    root.build();
    for command in root.get_subcommands() {
        if command.get_name() != "help" {
            describe(&mut markdown, command, 2);
        }
    }
    markdown
}

fn describe(markdown: &mut String, command: &clap::Command, level: usize) {
    let mut command = command.clone();
    let name = command
        .get_bin_name()
        .unwrap_or(command.get_name())
        .to_owned();
    let help = command.render_long_help().to_string();
    // Writing to a String cannot fail.
    let _ = write!(markdown, "\n{} `{name}`\n\n```text\n", "#".repeat(level));
    for line in help.trim_end().lines() {
        let _ = writeln!(markdown, "{}", line.trim_end());
    }
    markdown.push_str("```\n");
    for below in command.get_subcommands() {
        if below.get_name() != "help" {
            describe(markdown, below, level + 1);
        }
    }
}
