//! What lies around a command: variables, files, proxies, authorities, terminals.

use std::process::Command;

use crate::rollcall::Place;

#[test]
fn a_table_on_a_terminal_without_a_width_has_one_line_a_row() {
    let place = Place::embedded();
    let dev = place.dev(&["--in-memory"]);
    let command = place.command(&[&["orgs", "list"], &dev.operator()[..]].concat());
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words
        .map(|it| format!("'{}'", it.to_str().unwrap()))
        .collect();
    let shown = Command::new("script")
        .args(["-qec", &words.join(" "), "/dev/null"])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let rows: Vec<&str> = shown
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    assert_eq!(rows.len(), 2, "{shown}");
    assert!(rows[1].contains(dev.get("organization_id")), "{shown}");
}
