//! The server's own secret, as it is set.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::{Config, ConfigError};

/// The file in a data directory that holds the secret where none is set.
pub(crate) const SECRET_KEY_FILE: &str = "secret.key";

/// Keys of 32 bytes, wiped from memory when dropped.
#[derive(Clone)]
pub struct SecretKeys {
    /// Closes and opens.
    pub current: Zeroizing<[u8; 32]>,
    /// Only open.
    pub previous: Vec<Zeroizing<[u8; 32]>>,
}

impl fmt::Debug for SecretKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SecretKeys")
            .field("previous", &self.previous.len())
            .finish_non_exhaustive()
    }
}

impl Config {
    /// The secret keys, read from their file if that is where they are. `None` when none is set.
    pub fn secret_keys(&self) -> Result<Option<SecretKeys>, ConfigError> {
        let current = match (&self.secret_key, &self.secret_key_file) {
            (Some(text), _) => parse_key("secret_key", text.expose())?,
            (None, Some(file)) => key_in(file)?,
            (None, None) => return Ok(None),
        };
        let previous = self.previous_secret_keys.iter();
        let previous = previous.map(|text| parse_key("previous_secret_keys", text.expose()));
        Ok(Some(SecretKeys {
            current,
            previous: previous.collect::<Result<_, _>>()?,
        }))
    }
}

fn key_in(file: &Path) -> Result<Zeroizing<[u8; 32]>, ConfigError> {
    match std::fs::read_to_string(file) {
        Ok(text) => parse_key("secret_key_file", Zeroizing::new(text).trim()),
        Err(error) => Err(ConfigError::Unreadable {
            file: file.to_owned(),
            reason: error.to_string(),
        }),
    }
}

/// Tools differ in alphabet and padding; the 32 bytes meant are never in doubt.
fn parse_key(key: &'static str, text: &str) -> Result<Zeroizing<[u8; 32]>, ConfigError> {
    let lenient =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let bytes = [alphabet::STANDARD, alphabet::URL_SAFE]
        .iter()
        .find_map(|alphabet| {
            GeneralPurpose::new(alphabet, lenient)
                .decode(text.trim())
                .ok()
        })
        .map(Zeroizing::new);
    match bytes.map(|bytes| <[u8; 32]>::try_from(bytes.as_slice())) {
        Some(Ok(key)) => Ok(Zeroizing::new(key)),
        Some(Err(_)) | None => Err(ConfigError::NotAKey { key }),
    }
}
