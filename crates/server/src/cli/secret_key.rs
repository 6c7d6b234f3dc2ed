//! The server's own secret: 32 bytes from which the keys of cursors and of stored secrets are derived.
//!
//! Set as a setting where several instances must share it; else made once and kept beside the embedded
//! storage, so that both survive a restart without anybody having to think of it.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rollcall_domain::id::WebhookEndpointId;
use rollcall_domain::page::Limit;
use rollcall_store::webhooks::{EndpointFilter, SealedSecret};
use rollcall_wire::cursor::CursorKeys;
use serde_json::{Value, json};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::failure::{Failure, Outcome};
use super::output;
use super::private_files::write_durably;
use super::storage::Storage;
use crate::config::{Config, SECRET_KEY_FILE, SecretKeys};
use crate::webhooks::vault::{Vault, seal_anew};

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
pub(crate) async fn server_keys(source: Source, storage: &Storage) -> Outcome<ServerKeys> {
    let fresh = || SecretKeys {
        current: Zeroizing::new(storage.ids.secret_bytes()),
        previous: Vec::new(),
    };
    let secrets = match source {
        Source::Stated(secrets) => secrets,
        Source::Fleeting => fresh(),
        Source::Kept(data_dir) => {
            if let Some(secrets) = kept(&data_dir)? {
                secrets
            } else {
                refuse_to_replace(&data_dir, storage).await?;
                let secrets = fresh();
                keep(&data_dir, &secrets)?;
                secrets
            }
        }
    };
    Ok(ServerKeys {
        cursors: cursors_of(&secrets)?,
        vault: vault(&secrets)?,
    })
}

/// The keys of page cursors alone, for a command: those of the server that runs on this storage, if it has its secret
/// where a command finds it, else some that open nothing of before.
pub(crate) fn cursors(config: &Config, storage: &Storage) -> Outcome<CursorKeys> {
    match known(config)? {
        Some(secrets) => cursors_of(&secrets),
        None => Ok(CursorKeys::new(storage.ids.secret_bytes())),
    }
}

fn cursors_of(secrets: &SecretKeys) -> Outcome<CursorKeys> {
    let previous = secrets.previous.iter();
    let previous = previous.map(|secret| derived(secret, CURSORS));
    Ok(CursorKeys {
        current: derived(&secrets.current, CURSORS)?,
        previous: previous.collect::<Outcome<_>>()?,
    })
}

/// What signing secrets are sealed with, and opened.
fn vault(secrets: &SecretKeys) -> Outcome<Vault> {
    let previous = secrets.previous.iter();
    let previous = previous.map(|secret| derived(secret, VAULT).map(Zeroizing::new));
    let current = Zeroizing::new(derived(&secrets.current, VAULT)?);
    Ok(Vault::new(
        &current,
        &previous.collect::<Outcome<Vec<_>>>()?,
    ))
}

/// A directory with sealed secrets had the key that sealed them, and a new one would open none.
async fn refuse_to_replace(data_dir: &Path, storage: &Storage) -> Outcome {
    let any = EndpointFilter::default();
    let one = Limit::new(1).unwrap_or(Limit::DEFAULT);
    let found = storage
        .store
        .search_webhook_endpoints(storage.proof, &any, None, one);
    if found.await?.endpoints.is_empty() {
        return Ok(());
    }
    Err(Failure::setup(format!(
        "{} is missing or empty, and signing secrets of webhook endpoints are sealed with it; restore it from a backup, or set \
         secret_key to what it held; if it is lost, write a new one there (openssl rand -base64 32) and \
         regenerate the signing secret of every endpoint",
        data_dir.join(SECRET_KEY_FILE).display()
    )))
}

/// The secrets of the storage that `config` names: the settings', else the data directory's.
fn known(config: &Config) -> Outcome<Option<SecretKeys>> {
    match config.secret_keys().map_err(Failure::setup)? {
        Some(secrets) => Ok(Some(secrets)),
        None if config.in_memory || config.database_url.is_some() => Ok(None),
        None => kept(&config.data_dir),
    }
}

/// Writes the secrets in use into a backup: the current one, and those before it that open any of
/// `sealed`. Answers whether there are any, and how many of `sealed` none of them opens.
pub(crate) fn copy_in_use(
    config: &Config,
    sealed: &[(WebhookEndpointId, SealedSecret)],
    to: &Path,
) -> Outcome<(bool, usize)> {
    let Some(mut secrets) = known(config)? else {
        return Ok((false, sealed.len()));
    };
    let opens_any = |secret: &[u8; 32]| -> Outcome<bool> {
        let key = Vault::new(&Zeroizing::new(derived(secret, VAULT)?), &[]);
        Ok(sealed
            .iter()
            .any(|(_, sealed)| sealed.key_id == key.key_id()))
    };
    let mut previous = Vec::new();
    for secret in std::mem::take(&mut secrets.previous) {
        if opens_any(&secret)? {
            previous.push(secret);
        }
    }
    secrets.previous = previous;
    keep(to, &secrets)?;
    Ok((true, unopened(&vault(&secrets)?, sealed)))
}

/// How many of `sealed` neither the secrets in the backup `directory` nor those of the settings open.
pub(crate) fn unopened_in_backup(
    config: &Config,
    directory: &Path,
    sealed: &[(WebhookEndpointId, SealedSecret)],
) -> Outcome<usize> {
    let mut fewest = sealed.len();
    let stated = config.secret_keys().map_err(Failure::setup)?;
    for secrets in [kept(directory)?, stated].into_iter().flatten() {
        fewest = fewest.min(unopened(&vault(&secrets)?, sealed));
    }
    Ok(fewest)
}

fn unopened(vault: &Vault, sealed: &[(WebhookEndpointId, SealedSecret)]) -> usize {
    let closed = sealed.iter();
    closed
        .filter(|(id, secret)| vault.open(id, secret).is_err())
        .count()
}

/// The signing secrets that do not open, one sentence each.
pub(crate) async fn problems(config: &Config, storage: &Storage) -> Outcome<Vec<String>> {
    let vault = known(config)?.as_ref().map(vault).transpose()?;
    if vault.is_none() && config.database_url.is_some() {
        output::note(
            "Signing secrets of webhook endpoints were not opened: secret_key is not set.",
        );
        return Ok(Vec::new());
    }
    let mut problems = Vec::new();
    let mut after = None;
    loop {
        let all = EndpointFilter::default();
        let page = storage.store.search_webhook_endpoints(
            storage.proof,
            &all,
            after.as_ref(),
            Limit::LARGEST,
        );
        let page = page.await?;
        for owned in &page.endpoints {
            let id = &owned.endpoint.id;
            let problem = match &vault {
                Some(vault) => vault.open(id, &owned.secret).err().map(|it| it.to_string()),
                None => Some(format!(
                    "{SECRET_KEY_FILE} is missing, and it is sealed with it"
                )),
            };
            problems.extend(problem.map(|it| format!("signing secret of {id}: {it}")));
        }
        after = page.next;
        if after.is_none() {
            return Ok(problems);
        }
    }
}

/// The secrets of a storage that is about to be moved. Every signing secret in it opens with them.
pub(crate) async fn of_moving(config: &Config, storage: &Storage) -> Outcome<Option<SecretKeys>> {
    let secrets = known(config)?;
    if secrets.is_none() && config.database_url.is_some() {
        return Err(Failure::setup(
            "secret_key: must be set to what the servers of that database have, because its signing secrets are \
             sealed with it",
        ));
    }
    let problems = problems(config, storage).await?;
    match problems.first() {
        None => Ok(secrets),
        Some(first) => Err(Failure::setup(format!(
            "{} signing secrets would not open after the move, nothing was moved: {first}; give the key in \
             secret_key or previous_secret_keys, or regenerate them before",
            problems.len()
        ))),
    }
}

/// Puts the secrets of a storage that is being moved into the data directory it is moved to.
pub(crate) fn bring_along(to: &Config, secrets: Option<&SecretKeys>) -> Outcome {
    let (Some(secrets), None) = (secrets, &to.database_url) else {
        return Ok(());
    };
    match kept(&to.data_dir)? {
        Some(there) if there.current != secrets.current => Err(Failure::setup(format!(
            "{} holds another secret key than the one that goes along; move it away",
            to.data_dir.join(SECRET_KEY_FILE).display()
        ))),
        Some(mut there) => {
            let known = there.previous.len();
            for secret in &secrets.previous {
                if !there.previous.contains(secret) {
                    there.previous.push(secret.clone());
                }
            }
            if there.previous.len() == known {
                return Ok(());
            }
            keep(&to.data_dir, &there)
        }
        None => keep(&to.data_dir, secrets),
    }
}

/// `rollcall keys rotate-secret`: makes a new secret and seals with it what the one before sealed. Killed
/// anywhere, it leaves a directory that every command and server works on, and run again it goes on.
pub(crate) async fn rotate(config: &Config, storage: &Storage) -> Outcome<Value> {
    let (mut secrets, stated) = match config.secret_keys().map_err(Failure::setup)? {
        // Where it is set it is the settings that change; what it sealed follows.
        Some(secrets) => (secrets, true),
        None if config.database_url.is_some() => {
            return Err(Failure::setup(
                "secret_key: must be set to the new key, and the old one in previous_secret_keys; make one \
                 with: openssl rand -base64 32",
            ));
        }
        None => (begin_rotation(&config.data_dir, storage).await?, false),
    };
    let vault = vault(&secrets)?;
    let done = seal_anew(&*storage.store, &vault).await?;
    if let Some((id, error)) = done.unopened.first() {
        return Err(Failure::failed(format!(
            "{} signing secrets cannot be sealed anew, that of {id} among them: {error}; regenerate them, or give \
             the key, and run this again",
            done.unopened.len()
        )));
    }
    if !stated {
        // The one before stays for the page cursors that clients have in their hands.
        secrets.previous.truncate(1);
        keep(&config.data_dir, &secrets)?;
    }
    Ok(json!({
        "type": "secret_rotated", "key_id": vault.key_id(), "sealed_anew": done.sealed,
        "made": !stated,
    }))
}

/// Puts a new secret before those in the data directory, unless that was done before and the rest was not.
async fn begin_rotation(data_dir: &Path, storage: &Storage) -> Outcome<SecretKeys> {
    let secrets = kept(data_dir)?.ok_or_else(|| {
        Failure::setup(format!(
            "there is no {} to replace; a server makes one when it starts",
            data_dir.join(SECRET_KEY_FILE).display()
        ))
    })?;
    let current = vault(&secrets)?;
    let left = storage
        .store
        .secrets_sealed_otherwise(storage.proof, current.key_id(), 1);
    if !secrets.previous.is_empty() && !left.await?.is_empty() {
        return Ok(secrets);
    }
    let mut previous = vec![secrets.current];
    previous.extend(secrets.previous);
    let secrets = SecretKeys {
        current: Zeroizing::new(storage.ids.secret_bytes()),
        previous,
    };
    keep(data_dir, &secrets)?;
    Ok(secrets)
}

const CURSORS: &[u8] = b"rollcall page cursors v1";
const VAULT: &[u8] = b"rollcall webhook signing secrets v1";

/// One secret serves several purposes, each through a key of its own.
fn derived(secret: &[u8; 32], purpose: &[u8]) -> Outcome<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(Failure::setup)?;
    mac.update(purpose);
    Ok(mac.finalize().into_bytes().into())
}

/// The secrets in the directory, the current one on the first line; `None` if there is no such file, or
/// an empty one, as a full disk may have left it.
fn kept(directory: &Path) -> Outcome<Option<SecretKeys>> {
    let path = directory.join(SECRET_KEY_FILE);
    let shown = path.display();
    let text = match fs::read_to_string(&path) {
        Ok(text) if text.is_empty() => return Ok(None),
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::setup(format!("cannot read {shown}: {error}"))),
    };
    let damaged = || {
        Failure::setup(format!(
            "{shown} is damaged; restore it from a backup; without it open page cursors stop \
             working and the signing secrets of webhook endpoints have to be regenerated"
        ))
    };
    let secrets = text.lines().map(|line| {
        let bytes = STANDARD.decode(line.trim()).ok().map(Zeroizing::new);
        let secret = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
        secret.map(Zeroizing::new).ok_or_else(damaged)
    });
    let mut secrets = secrets.collect::<Outcome<Vec<_>>>()?.into_iter();
    let current = secrets.next().ok_or_else(damaged)?;
    Ok(Some(SecretKeys {
        current,
        previous: secrets.collect(),
    }))
}

/// Puts the secrets into the directory, in place of those that are there.
fn keep(directory: &Path, secrets: &SecretKeys) -> Outcome {
    let path = directory.join(SECRET_KEY_FILE);
    let mut text = Zeroizing::new(String::new());
    for secret in std::iter::once(&secrets.current).chain(&secrets.previous) {
        STANDARD.encode_string(**secret, &mut text);
        text.push('\n');
    }
    write_durably(&path, text.as_bytes())
        .map_err(|error| Failure::setup(format!("cannot write {}: {error}", path.display())))
}
