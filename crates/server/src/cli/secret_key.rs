//! The server's own secret: 32 bytes from which the keys of cursors and of stored secrets are derived.
//!
//! Set as a setting where several instances must share it; else made once and kept beside the embedded
//! storage, so that both survive a restart without anybody having to think of it.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rollcall_domain::id::Ids;
use rollcall_wire::cursor::CursorKeys;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::backup::write_durably;
use super::failure::{Failure, Outcome};
use crate::config::{Config, SecretKeys};
use crate::webhooks::vault::Vault;

/// The secret's name in a data directory.
pub(crate) const FILE_NAME: &str = "secret.key";

/// What is made of the secret.
pub(crate) struct ServerKeys {
    /// The keys of page cursors.
    pub(crate) cursors: CursorKeys,
    /// What the signing secrets of webhook endpoints are sealed with.
    pub(crate) vault: Vault,
}

/// Where the secret is from.
pub(crate) enum Source {
    /// The settings.
    Stated(SecretKeys),
    /// Nowhere: it is made, and gone with the memory that holds everything else.
    Fleeting,
    /// This data directory.
    Kept(PathBuf),
}

impl Source {
    /// What the settings say, which is found wrong before a storage is opened and brought up to date.
    pub(crate) fn of(config: &Config) -> Outcome<Self> {
        match config.secret_keys().map_err(Failure::setup)? {
            Some(keys) => Ok(Self::Stated(keys)),
            None if config.in_memory => Ok(Self::Fleeting),
            None if config.database_url.is_some() => Err(Failure::setup(
                "secret_key: must be set beside database_url, the same on every instance; make one \
                 with: openssl rand -base64 32",
            )),
            None => Ok(Self::Kept(config.data_dir.clone())),
        }
    }
}

/// The keys that are made of the secret from there.
pub(crate) fn server_keys(source: Source, ids: &Ids) -> Outcome<ServerKeys> {
    let alone = |current| SecretKeys {
        current,
        previous: Vec::new(),
    };
    let secret = match source {
        Source::Stated(keys) => keys,
        Source::Fleeting => alone(Zeroizing::new(ids.secret_bytes())),
        Source::Kept(data_dir) => alone(kept(&data_dir, ids)?),
    };
    let previous = |purpose| -> Outcome<Vec<_>> {
        let previous = secret.previous.iter();
        previous.map(|key| derived(key, purpose)).collect()
    };
    let sealing = previous(VAULT)?.into_iter().map(Zeroizing::new);
    let sealing: Vec<_> = sealing.collect();
    Ok(ServerKeys {
        cursors: CursorKeys {
            current: derived(&secret.current, CURSORS)?,
            previous: previous(CURSORS)?,
        },
        vault: Vault::new(&Zeroizing::new(derived(&secret.current, VAULT)?), &sealing),
    })
}

const CURSORS: &[u8] = b"rollcall page cursors v1";
const VAULT: &[u8] = b"rollcall webhook signing secrets v1";

/// One secret serves several purposes, each through a key of its own.
fn derived(secret: &[u8; 32], purpose: &[u8]) -> Outcome<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(Failure::setup)?;
    mac.update(purpose);
    Ok(mac.finalize().into_bytes().into())
}

/// The secret in the data directory, made if there is none.
fn kept(data_dir: &Path, ids: &Ids) -> Outcome<Zeroizing<[u8; 32]>> {
    let path = data_dir.join(FILE_NAME);
    let shown = path.display();
    match fs::read_to_string(&path) {
        Ok(text) => {
            let text = Zeroizing::new(text);
            let bytes = STANDARD.decode(text.trim()).ok().map(Zeroizing::new);
            let secret = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
            secret.map(Zeroizing::new).ok_or_else(|| {
                Failure::setup(format!(
                    "{shown} is damaged; restore it from a backup; without it open page cursors stop \
                     working and the signing secrets of webhook endpoints have to be regenerated"
                ))
            })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let secret = Zeroizing::new(ids.secret_bytes());
            let text = Zeroizing::new(format!("{}\n", STANDARD.encode(*secret)));
            write_durably(&path, text.as_bytes())
                .map_err(|error| Failure::setup(format!("cannot write {shown}: {error}")))?;
            Ok(secret)
        }
        Err(error) => Err(Failure::setup(format!("cannot read {shown}: {error}"))),
    }
}
