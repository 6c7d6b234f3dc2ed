//! Secrets that Rollcall makes and hashes: keys, and the tokens of enrollment URLs.
//!
//! A key is a recognisable prefix, 256 random bits in base64url and a checksum, so that secret
//! scanners can tell a real key from a placeholder without asking anyone: `sk-rollcall-api01-`, 43
//! characters, then the CRC-32 of everything before in six base-62 digits. A secret exists in clear
//! only between being made and being handed over; what is stored is [`hash`] of it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rollcall_domain::id::Ids;
use rollcall_domain::tenant::{KeyKind, SecretHash};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// A secret in clear. It does not show itself in logs, and its memory is cleared when it goes.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

impl Secret {
    /// A secret that somebody else chose, such as a literal key of `rollcall dev`.
    pub fn literal(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// A new key of this kind.
    pub fn key(kind: KeyKind, ids: &Ids) -> Self {
        let mut text = String::with_capacity(96);
        text.push_str(kind.secret_prefix());
        URL_SAFE_NO_PAD.encode_string(Zeroizing::new(ids.secret_bytes()), &mut text);
        let checksum = crc32fast::hash(text.as_bytes());
        push_base62(&mut text, checksum);
        Self(Zeroizing::new(text))
    }

    /// A new token of a console session, of the same form as an enrollment URL's.
    pub fn session_token(ids: &Ids) -> Self {
        Self::enrollment_token(ids)
    }

    /// A new token of an enrollment URL: 256 random bits in base64url.
    pub fn enrollment_token(ids: &Ids) -> Self {
        let bytes = Zeroizing::new(ids.secret_bytes());
        Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The secret itself, to be handed over once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    pub fn hash(&self) -> SecretHash {
        hash(self.0.as_bytes())
    }
}

/// What is stored of a secret: its SHA-256. Fast is enough where 256 bits are random.
pub fn hash(secret: &[u8]) -> SecretHash {
    SecretHash(Sha256::digest(secret).into())
}

/// Compares two hashes in a time that does not depend on where they differ.
pub fn same(one: &SecretHash, other: &SecretHash) -> bool {
    one.0.ct_eq(&other.0).into()
}

/// Whether `text` has the form and the checksum of a key that Rollcall made.
pub fn is_well_formed_key(text: &str) -> bool {
    let Some(split) = text.len().checked_sub(CHECKSUM_DIGITS) else {
        return false;
    };
    let (Some(body), Some(checksum)) = (text.get(..split), text.get(split..)) else {
        return false;
    };
    let mut expected = String::new();
    push_base62(&mut expected, crc32fast::hash(body.as_bytes()));
    checksum == expected
        && KeyKind::ALL.iter().any(|kind| {
            let random = body.strip_prefix(kind.secret_prefix());
            random.is_some_and(|random| URL_SAFE_NO_PAD.decode(random).is_ok_and(|b| b.len() == 32))
        })
}

/// Six digits hold every 32-bit number: 62^6 is above 2^32.
const CHECKSUM_DIGITS: usize = 6;

fn push_base62(text: &mut String, mut number: u32) {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut digits = [b'0'; CHECKSUM_DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(number % 62) as usize];
        number /= 62;
    }
    text.extend(digits.map(char::from));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_key_is_recognisable_and_no_other_text_is() {
        let ids = Ids::default();
        for kind in KeyKind::ALL {
            let key = Secret::key(*kind, &ids);
            let text = key.expose();
            assert_eq!(text.len(), kind.secret_prefix().len() + 43 + 6, "{text}");
            assert!(is_well_formed_key(text), "{text}");
            let mut changed = text.to_owned();
            let last = if changed.pop() == Some('0') { '1' } else { '0' };
            changed.push(last);
            assert!(!is_well_formed_key(&changed), "{changed}");
        }
        for text in [
            "",
            "0",
            "my-anthropic-api-key",
            "sk-rollcall-api01-abc",
            "ääääää",
        ] {
            assert!(!is_well_formed_key(text), "{text}");
        }
    }

    #[test]
    fn debug_output_does_not_show_a_secret() {
        assert_eq!(format!("{:?}", Secret::literal("key")), "Secret(…)");
    }

    #[test]
    fn tokens_are_43_characters_and_differ() {
        let ids = Ids::default();
        let (one, other) = (
            Secret::enrollment_token(&ids),
            Secret::enrollment_token(&ids),
        );
        assert_eq!(one.expose().len(), 43);
        assert!(!same(&one.hash(), &other.hash()));
    }
}
