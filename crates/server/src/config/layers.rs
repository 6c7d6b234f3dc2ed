//! Where settings come from: file, environment and flags, laid over each other in one map that knows for
//! each value which of them it is from.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::error::advice;
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

/// The variable that names a file which holds a secret setting: `ROLLCALL_DATABASE_URL_FILE`.
pub(super) fn file_variable_of(key: &str) -> String {
    format!("{}_FILE", variable_of(key))
}

/// The secret in the file that a variable names.
pub(super) fn secret_in(key: &'static str, named: &OsStr) -> Result<String, ConfigError> {
    let text = std::fs::read_to_string(named).map_err(|error| ConfigError::Invalid {
        origin: file_variable_of(key),
        key,
        reason: format!("cannot read {}: {error}", Path::new(named).display()),
    })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// A variable that begins as ours do and means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownVariable {
    /// Its name.
    pub name: String,
    /// The variable that may have been meant.
    pub nearest: Option<String>,
}

impl fmt::Display for UnknownVariable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, nearest } = self;
        let advice = advice(nearest.as_deref());
        write!(
            formatter,
            "{name}: no such setting, it changes nothing; {advice}"
        )
    }
}

/// The variables that begin as ours do and are no settings, those of Kubernetes for services left out.
pub fn unknown_variables(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Vec<UnknownVariable> {
    let known = known_variables(&Config::keys());
    let names = environment.into_iter().map(|(name, _)| name);
    let names = names.filter_map(|name| Some(name.to_str()?.to_owned()));
    let ours = names.filter(|name| name.starts_with(PREFIX) && !is_of_kubernetes(name));
    let unknown = ours.filter(|name| !known.contains_key(name));
    let mut unknown: Vec<_> = unknown
        .map(|name| UnknownVariable {
            nearest: known.keys().find(|it| is_misspelt(&name, it)).cloned(),
            name,
        })
        .collect();
    unknown.sort_by(|one, other| one.name.cmp(&other.name));
    unknown
}

/// Whether Kubernetes makes such a variable, for a service whose name begins with `rollcall`.
fn is_of_kubernetes(name: &str) -> bool {
    let of_a_port = name.split("_PORT_").skip(1).any(|after| {
        let number = after.split('_').next().unwrap_or_default();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    name.ends_with("_PORT") || name.contains("_SERVICE_") || of_a_port
}

/// What a variable holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// The value of the setting.
    Value(&'static str),
    /// The name of a file that holds the value.
    FileName(&'static str),
}

fn known_variables(keys: &[&'static str]) -> BTreeMap<String, Holds> {
    let values = keys.iter().map(|key| (variable_of(key), Holds::Value(key)));
    let mut known: BTreeMap<String, Holds> = values.collect();
    let secrets = Config::secret_keys_of_settings().into_iter();
    for key in secrets.filter(|key| keys.contains(key)) {
        // `secret_key_file` is a setting of its own.
        let variable = file_variable_of(key);
        known.entry(variable).or_insert(Holds::FileName(key));
    }
    known
}

/// What is set, by key: of all layers the uppermost value, and its origin.
pub(super) type Values = BTreeMap<&'static str, (Value, Origin)>;

/// Reads all layers, every key in them known.
pub(super) fn read(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    flags: &FlagOverrides,
) -> Result<Values, ConfigError> {
    let keys = Config::keys();
    let mut values = Values::new();
    if let Some(path) = file {
        take_file(&mut values, read_file(path)?, "", path, &keys)?;
    }
    values.extend(environment_layer(environment, &keys)?);
    values.extend(flags.iter().map(|(key, text)| {
        let origin = Origin::Flag(flag_of(key));
        (key, (Value::from(text), origin))
    }));
    Ok(values)
}

fn read_file(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
        file: path.to_owned(),
        reason: error.to_string(),
    })?;
    text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().map_or(0, |span| span.start);
        ConfigError::Syntax {
            file: path.to_owned(),
            line: text[..before.min(text.len())].matches('\n').count() + 1,
            reason: error.message().lines().collect::<Vec<_>>().join(", "),
        }
    })
}

/// Takes the settings in a table of the file. Refuses a key that is no setting, and a section that is no table.
fn take_file(
    values: &mut Values,
    table: Table,
    prefix: &str,
    file: &Path,
    keys: &[&'static str],
) -> Result<(), ConfigError> {
    for (name, value) in table {
        let key = format!("{prefix}{name}");
        if let Some(known) = keys.iter().find(|known| **known == key) {
            values.insert(known, (value, Origin::File(file.to_owned())));
            continue;
        }
        let section = format!("{key}.");
        let inside = keys.iter().find(|known| known.starts_with(&section));
        match (value, inside) {
            (Value::Table(inner), Some(_)) => take_file(values, inner, &section, file, keys)?,
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

/// The variables that are settings. A variable that looks like a misspelt one is refused; others that begin
/// alike may be somebody else's, and are told ([`unknown_variables`]). One that is empty is none.
fn environment_layer(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    keys: &[&'static str],
) -> Result<Values, ConfigError> {
    // The variables of clients are read with their flags, as they were given.
    let read_here = keys.iter().copied();
    let read_here: Vec<_> = read_here
        .filter(|key| !key.starts_with("client."))
        .collect();
    let known = known_variables(&read_here);
    let mut values = Values::new();
    for (name, value) in environment {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
            continue;
        };
        let (key, text) = match known.get(name) {
            Some(_) if value.is_empty() => continue,
            Some(Holds::Value(key)) => {
                let Ok(text) = value.into_string() else {
                    let variable = name.to_owned();
                    return Err(ConfigError::NotUtf8 { variable });
                };
                (*key, text)
            }
            Some(Holds::FileName(key)) => (*key, secret_in(key, &value)?),
            None if is_of_kubernetes(name) => continue,
            None => match known.keys().find(|known| is_misspelt(name, known)) {
                None => continue,
                Some(meant) => {
                    return Err(ConfigError::Unknown {
                        origin: "environment".to_owned(),
                        key: name.to_owned(),
                        nearest: Some(meant.clone()),
                    });
                }
            },
        };
        let origin = Origin::Environment(name.to_owned());
        let before = values.insert(key, (Value::from(text), origin.clone()));
        if before.is_some_and(|(_, other)| other != origin) {
            return Err(ConfigError::Invalid {
                origin: file_variable_of(key),
                key,
                reason: format!("{} is set too; unset one of them", variable_of(key)),
            });
        }
    }
    Ok(values)
}

/// Whether a variable is that of a setting but for a letter or two.
fn is_misspelt(name: &str, known: &str) -> bool {
    let letters = known.len() - PREFIX.len();
    distance(known, &name.to_ascii_uppercase()) <= if letters < 6 { 1 } else { 2 }
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
