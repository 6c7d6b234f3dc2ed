//! Every setting as a command-line flag, with its documentation as the flag's help.

use std::collections::BTreeMap;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::{Config, Setting};

/// The settings given as flags, and only those.
///
/// As a clap argument group (`#[command(flatten)]`) it offers a flag for every setting but those that
/// only the file can hold. What a flag's text means is decided by [`Config::load`], so that errors
/// about a value read the same wherever it is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlagOverrides {
    texts: BTreeMap<&'static str, String>,
}

impl FlagOverrides {
    /// Sets one setting, as its flag would. `key` is dotted, such as `sqlite.cache_mib`.
    #[must_use]
    pub fn with(mut self, key: &'static str, text: impl Into<String>) -> Self {
        self.texts.insert(key, text.into());
        self
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.texts.iter().map(|(key, text)| (*key, text.as_str()))
    }
}

/// The flag of a setting: `--sqlite-cache-mib` for `sqlite.cache_mib`, `--seed` for `dev.seed`,
/// `--url` for `client.url`.
pub(super) fn flag_of(key: &str) -> String {
    let own = ["dev.", "client."];
    let own = own.iter().find_map(|section| key.strip_prefix(section));
    let name = own.unwrap_or(key);
    format!("--{}", name.replace(['.', '_'], "-"))
}

fn for_each_flag(mut each: impl FnMut(&Setting<'_>)) {
    Config::default().visit(&mut |setting| {
        if setting.has_flag() {
            each(&setting);
        }
    });
}

impl Args for FlagOverrides {
    fn augment_args(mut command: Command) -> Command {
        for_each_flag(|setting| {
            let arg = argument(setting);
            // `Command::arg` takes the command by value.
            command = std::mem::take(&mut command).arg(arg);
        });
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn argument(setting: &Setting<'_>) -> Arg {
    // clap wants names that live as long as the program. There are a few dozen, made once.
    let flag: &'static str = flag_of(setting.key).leak();
    let arg = Arg::new(setting.key)
        .long(flag.trim_start_matches('-'))
        .help(setting.help_line())
        .hide_short_help(setting.key.contains('.'))
        .help_heading("Settings");
    if setting.value.expected() == <bool as super::value::SettingValue>::EXPECTED {
        arg.value_name("true|false")
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
    } else {
        arg.value_name("VALUE").action(ArgAction::Append)
    }
}

impl FromArgMatches for FlagOverrides {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut overrides = Self::default();
        overrides.update_from_arg_matches(matches)?;
        Ok(overrides)
    }

    /// A flag that is repeated is a list.
    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for_each_flag(|setting| {
            if let Some(texts) = matches.get_many::<String>(setting.key) {
                let texts: Vec<&str> = texts.map(String::as_str).collect();
                self.texts.insert(setting.key, texts.join(","));
            }
        });
        Ok(())
    }
}
