//! Help, reference, completions, and options that are wrong.

use clap::CommandFactory as _;
use rollcall::cli::{Arguments, reference_markdown};

use crate::rollcall::{Place, assert_ended};

fn paths(command: &clap::Command, path: &[String], found: &mut Vec<Vec<String>>) {
    found.push(path.to_vec());
    for below in command.get_subcommands() {
        if below.get_name() != "help" {
            let deeper = [path, &[below.get_name().to_owned()]].concat();
            paths(below, &deeper, found);
        }
    }
}

#[test]
fn every_command_has_the_help_that_was_reviewed() {
    let place = Place::new();
    let mut found = Vec::new();
    paths(&Arguments::command(), &[], &mut found);
    for path in found {
        let mut arguments = path.clone();
        arguments.push("--help".to_owned());
        let ended = place.run(&arguments);
        assert_eq!(ended.status, 0, "{}", ended.shown());
        let name = ["rollcall".to_owned()].into_iter().chain(path);
        insta::assert_snapshot!(name.collect::<Vec<_>>().join("_"), ended.stdout);
    }
}

#[test]
fn the_references_are_current() {
    let references = [
        ("cli.md", reference_markdown()),
        ("metrics.md", rollcall::metrics::reference_markdown()),
        ("roles.md", rollcall::http::roles::reference_markdown()),
        ("settings.md", rollcall::config::reference_markdown()),
    ];
    for (name, expected) in references {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference");
        let path = format!("{directory}/{name}");
        if std::env::var_os("UPDATE_REFERENCE").is_some() {
            std::fs::write(&path, &expected).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == expected,
            "docs/reference/{name} is stale; run UPDATE_REFERENCE=1 cargo test -p rollcall --test cli reference"
        );
    }
}

#[test]
fn the_tests_that_the_page_on_security_names_are_there() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let page = std::fs::read_to_string(format!("{root}/docs/security.md")).unwrap();
    // Names in backquotes, then the file that they are in: `one`, `two` (`crate/file.rs`)
    let mut names = Vec::new();
    let mut seen = 0;
    for text in page.split('`').skip(1).step_by(2) {
        if text.contains('/') {
            let file = std::fs::read_to_string(format!("{root}/crates/{text}")).unwrap();
            for name in names.drain(..) {
                assert!(
                    file.contains(&format!("fn {name}(")),
                    "{name} is not in {text}"
                );
                seen += 1;
            }
        } else if text.contains('_')
            && text
                .chars()
                .all(|it| it == '_' || it.is_ascii_alphanumeric())
        {
            names.push(text);
        }
    }
    assert_eq!(names, Vec::<&str>::new(), "without a file");
    assert!(seen > 40, "{seen}");
}

#[test]
fn the_receivers_of_the_documentation_are_the_programs_that_are_kept() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let read = |name: &str| std::fs::read_to_string(format!("{root}/{name}")).unwrap();
    let page = read("docs/webhooks.md");
    for name in [
        "docs/receivers/receiver.py",
        "docs/receivers/receiver.mts",
        "crates/server/examples/webhook_receiver.rs",
    ] {
        assert!(
            page.contains(read(name).trim()),
            "{name} is shown otherwise"
        );
    }
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let ended = Place::new().run(&["completions", shell]);
        assert_eq!(ended.status, 0, "{}", ended.shown());
        assert!(ended.stdout.contains("enforcement"), "{shell}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let place = Place::new();
    let mut found = Vec::new();
    paths(&Arguments::command(), &[], &mut found);
    std::fs::create_dir(place.path("man1")).unwrap();
    let ended = place.run(&["man", "man1"]);
    assert_eq!(ended.status, 0, "{}", ended.shown());
    for path in found {
        let name = ["rollcall".to_owned()].into_iter().chain(path);
        let page = format!("man1/{}.1", name.collect::<Vec<_>>().join("-"));
        let page = String::from_utf8(place.read(&page)).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{page}");
    }
    assert_ended!(place.run(&["man", "nowhere"]), @"
    $ rollcall man nowhere
    status: 2
    stderr:
    rollcall: cannot write manual pages into nowhere: No such file or directory (os error 2)
    ");
}

#[test]
fn openapi_documents_are_the_ones_that_are_kept() {
    let place = Place::new();
    let help = place.run(&["openapi", "--help"]).stdout;
    for name in rollcall_wire::openapi::names() {
        assert!(help.contains(name), "{name} is not in the help");
        let kept = format!(
            "{}/../../docs/openapi/{name}.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let printed = place.run(&["openapi", name]);
        assert_eq!(printed.status, 0, "{}", printed.stderr);
        assert!(
            printed.stdout == std::fs::read_to_string(kept).unwrap(),
            "{name}"
        );
    }
    let unknown = place.run(&["openapi", "2026-01-01"]);
    let names: Vec<_> = rollcall_wire::openapi::names().collect();
    assert_eq!(unknown.status, 2);
    assert_eq!(
        unknown.stderr,
        format!(
            "rollcall: 2026-01-01: there is no such document; use one of: {}\n",
            names.join(", ")
        )
    );
}

#[test]
fn the_version_is_one_line() {
    let ended = Place::new().run(&["--version"]);
    let expected = concat!("rollcall ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!((ended.status, ended.stdout.as_str()), (0, expected));
}

#[test]
fn a_wrong_option_is_one_line_that_says_what_was_meant() {
    let place = Place::new();
    assert_ended!(place.run(&["dev", "--lisen", "127.0.0.1:1"]), @r#"
    $ rollcall dev --lisen 127.0.0.1:[port]
    status: 2
    stderr:
    rollcall: unexpected argument '--lisen' found; a similar argument exists: '--listen'; see rollcall dev --help
    "#);
    assert_ended!(place.run(&["orgs", "create"]), @r#"
    $ rollcall orgs create
    status: 2
    stderr:
    rollcall: the following required arguments were not provided: --name <TEXT>; see rollcall orgs create --help
    "#);
    assert_ended!(place.run(&["orgs", "list", "--output", "yaml"]), @r#"
    $ rollcall orgs list --output yaml
    status: 2
    stderr:
    rollcall: invalid value 'yaml' for '--output <FORMAT>' [possible values: table, json, ndjson]; see rollcall orgs list --help
    "#);
    assert_ended!(place.run(&["orgz"]), @r#"
    $ rollcall orgz
    status: 2
    stderr:
    rollcall: unrecognized subcommand 'orgz'; a similar subcommand exists: 'orgs'; see rollcall --help
    "#);
    let unknown = place.run(&["profiles", "get", "uprof_1", "--as", "2026-01-01"]);
    let names: Vec<_> = rollcall_wire::dialects::names().collect();
    assert_eq!(unknown.status, 2);
    assert_eq!(
        unknown.stderr,
        format!(
            "rollcall: invalid value '2026-01-01' for '--as <DIALECT>': the dialects are {}; see rollcall profiles get --help\n",
            names.join(", ")
        )
    );
    assert_ended!(place.run(&["serve", "--listen", "here"]), @r#"
    $ rollcall serve --listen here
    status: 2
    stderr:
    rollcall: --listen: listen: expected an IP address and a port, such as "127.0.0.1:[port]"
    "#);
    assert_ended!(place.run(&["serve", "--config", "nowhere.toml"]), @r#"
    $ rollcall serve --config nowhere.toml
    status: 2
    stderr:
    rollcall: cannot read nowhere.toml: No such file or directory (os error 2); name a file that exists and is readable
    "#);
}
