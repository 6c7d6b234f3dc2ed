//! Where settings come from: file, environment and flags, laid over each other by figment, which
//! remembers for each value which layer it is from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::flags::{FlagOverrides, flag_of};
use super::{Config, ConfigError};

/// What every environment variable of ours begins with.
const PREFIX: &str = "ROLLCALL_";

/// Where a setting's value is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A configuration file.
    File(PathBuf),
    /// This environment variable.
    Environment(String),
    /// This flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File(path) => path.display().fmt(formatter),
            Self::Environment(name) | Self::Flag(name) => formatter.write_str(name),
        }
    }
}

/// The variable of a setting: `ROLLCALL_SQLITE__CACHE_MIB` for `sqlite.cache_mib`, `ROLLCALL_DEV_SEED` for
/// `dev.seed`, `ROLLCALL_URL` for `client.url`.
///
/// The variables of `dev` are not the ones that clients read: a platform's real key must not end up in a
/// development server because it happened to be exported.
pub(super) fn variable_of(key: &str) -> String {
    let name = match key.split_once('.') {
        Some(("dev", rest)) => format!("dev_{rest}"),
        Some(("client", rest)) => rest.to_owned(),
        _ => key.replace('.', "__"),
    };
    format!("{PREFIX}{}", name.to_ascii_uppercase())
}

/// All layers, every key in them known.
pub(super) struct Layers {
    figment: Figment,
    file: Option<PathBuf>,
}

impl Layers {
    pub(super) fn read(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        flags: &FlagOverrides,
    ) -> Result<Self, ConfigError> {
        let keys = Config::keys();
        let in_file = match file {
            Some(path) => file_layer(path)?,
            None => Dict::new(),
        };
        check_keys(&in_file, "", file.unwrap_or(Path::new("")), &keys)?;
        let mut from_flags = Dict::new();
        for (key, text) in flags.iter() {
            insert(&mut from_flags, key, text);
        }
        let figment = Figment::new()
            .merge(Layer::new(FILE, in_file))
            .merge(Layer::new(
                ENVIRONMENT,
                environment_layer(environment, &keys)?,
            ))
            .merge(Layer::new(FLAGS, from_flags));
        Ok(Self {
            figment,
            file: file.map(Path::to_owned),
        })
    }

    /// The uppermost value of a setting, and its origin. `None` when nobody set it.
    pub(super) fn find(&self, key: &str) -> Option<(Value, Origin)> {
        let value = self.figment.find_value(key).ok()?;
        let layer = self.figment.get_metadata(value.tag())?;
        let origin = match layer.name.as_ref() {
            FLAGS => Origin::Flag(flag_of(key)),
            ENVIRONMENT => Origin::Environment(variable_of(key)),
            _ => Origin::File(self.file.clone()?),
        };
        Some((value, origin))
    }
}

const FILE: &str = "file";
const ENVIRONMENT: &str = "environment";
const FLAGS: &str = "flags";

struct Layer {
    name: &'static str,
    values: Dict,
}

impl Layer {
    fn new(name: &'static str, values: Dict) -> Self {
        Self { name, values }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

fn file_layer(path: &Path) -> Result<Dict, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
        file: path.to_owned(),
        reason: error.to_string(),
    })?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().map_or(0, |span| span.start);
        ConfigError::Syntax {
            file: path.to_owned(),
            line: text[..before.min(text.len())].matches('\n').count() + 1,
            reason: error.message().lines().collect::<Vec<_>>().join(", "),
        }
    })?;
    let value = Value::serialize(table).map_err(|error| ConfigError::Unreadable {
        file: path.to_owned(),
        reason: error.to_string(),
    })?;
    Ok(value.into_dict().unwrap_or_default())
}

/// Refuses a key that is no setting, and a section that is no table.
fn check_keys(dict: &Dict, prefix: &str, file: &Path, keys: &[&str]) -> Result<(), ConfigError> {
    for (name, value) in dict {
        let key = format!("{prefix}{name}");
        if keys.contains(&key.as_str()) {
            continue;
        }
        let section = format!("{key}.");
        let inside = keys.iter().find(|known| known.starts_with(&section));
        match (value, inside) {
            (Value::Dict(_, inner), Some(_)) => check_keys(inner, &section, file, keys)?,
            (_, Some(example)) => {
                return Err(ConfigError::NotASection {
                    file: file.to_owned(),
                    key,
                    example: (*example).to_owned(),
                });
            }
            (_, None) => {
                return Err(ConfigError::Unknown {
                    origin: file.display().to_string(),
                    nearest: nearest(&key, keys.iter().copied()).map(str::to_owned),
                    key,
                });
            }
        }
    }
    Ok(())
}

/// The variables that are settings. One that looks like a misspelt setting is refused; others
/// that begin alike belong to somebody else, such as to a command's own arguments.
fn environment_layer(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    keys: &[&str],
) -> Result<Dict, ConfigError> {
    // The variables of clients are read with their flags, as they were given.
    let read_here = keys.iter().filter(|key| !key.starts_with("client."));
    let known: BTreeMap<String, &str> = read_here.map(|key| (variable_of(key), *key)).collect();
    let mut values = Dict::new();
    for (name, value) in environment {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
            continue;
        };
        if let Some(key) = known.get(name) {
            let text = value.to_str().ok_or_else(|| ConfigError::NotUtf8 {
                variable: name.to_owned(),
            })?;
            insert(&mut values, key, text);
        } else if let Some(meant) = known.keys().find(|known| distance(known, name) <= 2) {
            return Err(ConfigError::Unknown {
                origin: "environment".to_owned(),
                key: name.to_owned(),
                nearest: Some(meant.clone()),
            });
        }
    }
    Ok(values)
}

fn insert(dict: &mut Dict, key: &str, text: &str) {
    match key.split_once('.') {
        None => {
            dict.insert(key.to_owned(), Value::from(text));
        }
        Some((section, rest)) => {
            let inner = dict
                .entry(section.to_owned())
                .or_insert_with(|| Value::from(Dict::new()));
            if let Value::Dict(_, inner) = inner {
                insert(inner, rest, text);
            }
        }
    }
}

/// The known key that is most alike, if any is alike at all.
fn nearest<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|known| (distance(key, known), known))
        .filter(|(distance, known)| *distance <= known.len() / 2)
        .min()
        .map(|(_, known)| known)
}

/// How many letters must be inserted, removed or replaced to make one text of the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, from) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, to) in other.bytes().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", "", 0)]
    #[case("", "abc", 3)]
    #[case("kitten", "sitting", 3)]
    #[case("listen", "lisen", 1)]
    fn distances(#[case] one: &str, #[case] other: &str, #[case] expected: usize) {
        assert_eq!(distance(one, other), expected);
        assert_eq!(distance(other, one), expected);
    }
}
