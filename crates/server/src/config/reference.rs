//! The settings as a reader sees them: `docs/reference/settings.md` and `--print-config`.

use std::fmt::Write as _;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde_json::{Value, json};

use super::flags::flag_of;
use super::layers::{file_variable_of, variable_of};
use super::{Config, Loaded, Setting};

/// The content of `docs/reference/settings.md`, generated so that it cannot disagree with the code.
pub fn reference_markdown() -> String {
    let mut markdown = INTRODUCTION.to_owned();
    let mut section = "";
    Config::default().visit(&mut |setting| {
        let own_section = setting.section();
        if own_section != section {
            section = own_section;
            // Writing to a string cannot fail.
            let _ = write!(markdown, "\n## `[{section}]`\n");
        }
        markdown.push_str(&entry(&setting));
    });
    markdown
}

const INTRODUCTION: &str = "\
<!-- Generated from crates/server/src/config.rs by its test; change the comments there. -->

# Settings

A setting can be written in a TOML file (`--config FILE`, else `rollcall.toml` if there is one), in the
environment and as a flag. Flags win over the environment, the environment over the file, and the file over
the defaults. `--print-config` shows every value and where it is from.

A variable that is empty counts as unset. A secret can stand in a file of its own, which a variable names that ends
in `_FILE`; a line break at its end is not part of it. A variable that begins with `ROLLCALL_` and is no setting is
told at the start, unless it is one of those that Kubernetes makes for services (`…_PORT`, `…_SERVICE_…`).

Lists are arrays in the file and comma-separated elsewhere. Durations are a whole number and one of the
units `ms`, `s`, `m`, `h`, `d`.
";

fn entry(setting: &Setting<'_>) -> String {
    let default = setting.value.show();
    let default = if default.is_empty() {
        "none".to_owned()
    } else {
        format!("`{default}`")
    };
    let mut written = format!("`{}`", variable_of(setting.key));
    if setting.is_text() {
        let _ = write!(written, ", `{}`", flag_of(setting.key));
        if setting.value.is_secret() {
            let _ = write!(
                written,
                ", or in the file that `{}` names",
                file_variable_of(setting.key)
            );
        }
    } else {
        written.clear();
    }
    let separator = if written.is_empty() { "" } else { " · " };
    format!(
        "\n### `{}`\n\n{}\n\nDefault: {default} · Expects {}{separator}{written}\n",
        setting.key,
        setting.help_line(),
        setting.value.expected(),
    )
}

impl Loaded {
    /// Every setting of a server, its value and its origin, secrets hidden: what `--print-config` prints.
    pub fn rows(&self) -> Vec<Value> {
        let mut rows = Vec::new();
        self.config.clone().visit(&mut |setting| {
            if setting.section() == "client" {
                return;
            }
            let (value, origin) = (setting.value.show(), self.origin(setting.key).to_string());
            rows.push(json!({"setting": setting.key, "value": value, "from": origin}));
        });
        rows
    }

    /// The same for people.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_preset(NOTHING);
        let columns = ["setting", "value", "from"];
        table.set_header(columns);
        for row in self.rows() {
            table
                .add_row(columns.map(|column| row[column].as_str().unwrap_or_default().to_owned()));
        }
        table.to_string()
    }
}
