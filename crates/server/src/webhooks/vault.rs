//! Signing secrets at rest: XChaCha20-Poly1305 under a key that is derived from the server's own.
//!
//! A sealed secret is the nonce and the ciphertext, bound to its endpoint's id, so that a row copied
//! over another one opens nothing. Beside it stands the name of the key, a hash of it, so that keys can
//! be replaced: the current one seals, the earlier ones still open, and the worker seals anew at the
//! start whatever an earlier one sealed.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rollcall_domain::id::{Chance as _, SystemChance, WebhookEndpointId};
use rollcall_domain::tenant::OperatorProof;
use rollcall_domain::webhook::SigningKey;
use rollcall_store::webhooks::SealedSecret;
use rollcall_store::{Store, Stored};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

const NONCE_LENGTH: usize = 24;

/// A secret cannot be sealed or opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// It was sealed under a key that is not here.
    #[error(
        "the signing secret is sealed with the key {0}, which neither secret_key nor \
         previous_secret_keys gives"
    )]
    UnknownKey(String),
    /// It is not what was sealed.
    #[error("the stored signing secret is damaged")]
    Damaged,
}

struct Key {
    id: String,
    cipher: XChaCha20Poly1305,
}

/// Seals and opens signing secrets.
pub struct Vault {
    current: Key,
    previous: Vec<Key>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Vault")
            .field("current", &self.current.id)
            .field("previous", &self.previous.len())
            .finish()
    }
}

impl Key {
    fn new(bytes: &[u8; 32]) -> Self {
        let hash = Sha256::new_with_prefix("rollcall webhook key id v1")
            .chain_update(bytes)
            .finalize();
        let (first, _) = hash.split_at(8);
        let id = first
            .iter()
            .fold(0_u64, |id, byte| id << 8 | u64::from(*byte));
        Self {
            id: format!("{id:016x}"),
            cipher: XChaCha20Poly1305::new(bytes.into()),
        }
    }
}

impl Vault {
    /// A vault that seals with `current` and opens what `previous` sealed too.
    pub fn new(current: &Zeroizing<[u8; 32]>, previous: &[Zeroizing<[u8; 32]>]) -> Self {
        let previous = previous.iter().map(|bytes| Key::new(bytes));
        Self {
            previous: previous.collect(),
            current: Key::new(current),
        }
    }

    /// The name of the key that seals.
    pub fn key_id(&self) -> &str {
        &self.current.id
    }

    /// Seals the signing key of an endpoint.
    pub fn seal(
        &self,
        endpoint: &WebhookEndpointId,
        key: &SigningKey,
    ) -> Result<SealedSecret, VaultError> {
        let mut nonce = [0; NONCE_LENGTH];
        SystemChance.fill(&mut nonce);
        let payload = Payload {
            msg: &key.0,
            aad: endpoint.as_str().as_bytes(),
        };
        let cipher = &self.current.cipher;
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| VaultError::Damaged)?;
        Ok(SealedSecret {
            key_id: self.current.id.clone(),
            bytes: [nonce.as_slice(), &sealed].concat(),
        })
    }

    /// Opens the signing key of an endpoint.
    pub fn open(
        &self,
        endpoint: &WebhookEndpointId,
        secret: &SealedSecret,
    ) -> Result<SigningKey, VaultError> {
        let mut keys = std::iter::once(&self.current).chain(&self.previous);
        let key = keys.find(|key| key.id == secret.key_id);
        let key = key.ok_or_else(|| VaultError::UnknownKey(secret.key_id.clone()))?;
        let (nonce, sealed) = secret
            .bytes
            .split_first_chunk::<NONCE_LENGTH>()
            .ok_or(VaultError::Damaged)?;
        let payload = Payload {
            msg: sealed,
            aad: endpoint.as_str().as_bytes(),
        };
        let opened = key.cipher.decrypt(&XNonce::from(*nonce), payload);
        let opened = Zeroizing::new(opened.map_err(|_| VaultError::Damaged)?);
        let bytes = <[u8; 32]>::try_from(opened.as_slice()).map_err(|_| VaultError::Damaged)?;
        Ok(SigningKey(bytes))
    }
}

/// What came of sealing secrets anew.
#[derive(Debug, Default)]
pub(crate) struct SealedAnew {
    /// How many are sealed with the current key now.
    pub(crate) sealed: u64,
    /// Those that no key opens, and why.
    pub(crate) unopened: Vec<(WebhookEndpointId, VaultError)>,
}

/// Seals what an earlier key sealed with the current one. It can be broken off, and begun again, anywhere.
pub(crate) async fn seal_anew(store: &dyn Store, vault: &Vault) -> Stored<SealedAnew> {
    const AT_ONCE: usize = 100;
    let proof = OperatorProof::of_storage_access();
    let mut done = SealedAnew::default();
    loop {
        let before = done.sealed;
        let found = store.secrets_sealed_otherwise(proof, vault.key_id(), AT_ONCE);
        let found = found.await?;
        done.unopened.clear();
        for owned in &found {
            let id = &owned.endpoint.id;
            let opened = vault.open(id, &owned.secret);
            match opened.and_then(|key| vault.seal(id, &key)) {
                Ok(secret) => {
                    let old = owned.secret.clone();
                    store.reseal_secret(proof, id, old, secret).await?;
                    done.sealed += 1;
                }
                Err(error) => done.unopened.push((id.clone(), error)),
            }
        }
        if found.len() < AT_ONCE || done.sealed == before {
            return Ok(done);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(current: u8, previous: &[u8]) -> Vault {
        let key = |byte: u8| Zeroizing::new([byte; 32]);
        let previous: Vec<_> = previous.iter().copied().map(key).collect();
        Vault::new(&key(current), &previous)
    }

    #[test]
    fn a_secret_is_opened_by_its_own_endpoint_and_key_alone() {
        let id = |text| WebhookEndpointId::parse(text).unwrap();
        let key = SigningKey([9; 32]);
        let sealed = vault(1, &[]).seal(&id("whep_1"), &key).unwrap();
        assert!(!sealed.bytes.windows(8).any(|window| window == [9; 8]));
        assert_eq!(sealed.bytes.len(), 24 + 32 + 16);

        let rotated = vault(2, &[1]);
        assert_eq!(rotated.open(&id("whep_1"), &sealed), Ok(key));
        assert_eq!(
            rotated.open(&id("whep_2"), &sealed),
            Err(VaultError::Damaged)
        );
        assert_eq!(
            vault(2, &[]).open(&id("whep_1"), &sealed),
            Err(VaultError::UnknownKey(sealed.key_id.clone()))
        );
        for at in [0, 30, 71] {
            let mut damaged = sealed.clone();
            damaged.bytes[at] ^= 1;
            assert_eq!(
                rotated.open(&id("whep_1"), &damaged),
                Err(VaultError::Damaged)
            );
        }
        let short = SealedSecret {
            bytes: vec![0; 3],
            ..sealed
        };
        assert_eq!(
            rotated.open(&id("whep_1"), &short),
            Err(VaultError::Damaged)
        );
    }

    #[test]
    fn the_same_secret_is_sealed_differently_each_time() {
        let id = WebhookEndpointId::parse("whep_1").unwrap();
        let vault = vault(1, &[]);
        let seal = || vault.seal(&id, &SigningKey([9; 32])).unwrap();
        assert_ne!(seal().bytes, seal().bytes);
        assert!(!format!("{vault:?}").contains("1, 1"));
    }
}
