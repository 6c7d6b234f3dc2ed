//! E-mail addresses as platforms hash them. Profiles hold hashes alone, which Rollcall does not look into; with the platforms'
//! way of making one an operator can look for a person by the address that the person writes from.

use std::fmt::{self, Write as _};

use sha2::{Digest as _, Sha256};

use crate::config::{Config, EmailHashScheme, Secret};

/// How an address becomes a hash.
#[derive(Clone)]
pub struct EmailHashing {
    scheme: EmailHashScheme,
    /// What stands before the address.
    prefix: Option<Secret>,
}

impl fmt::Debug for EmailHashing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("EmailHashing")
            .field("scheme", &self.scheme)
            .finish_non_exhaustive()
    }
}

impl EmailHashing {
    /// As it is set; nothing where addresses cannot be hashed.
    pub fn of(config: &Config) -> Option<Self> {
        config.email_hash_scheme.map(|scheme| Self {
            scheme,
            prefix: config.email_hash_prefix.clone(),
        })
    }

    /// The hashes that a profile of this address may hold: in 64 hexadecimal digits, and the same with the scheme's name before
    /// them.
    pub(crate) fn hashes(&self, address: &str) -> [String; 2] {
        let address = address.trim().to_lowercase();
        let prefix = self.prefix.as_ref().map_or("", Secret::expose);
        match self.scheme {
            EmailHashScheme::Sha256 => {
                let hash = Sha256::new().chain_update(prefix).chain_update(address);
                let digits = hex(&hash.finalize());
                let named = format!("sha256:{digits}");
                [digits, named]
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_trimmed_lowered_and_hashed_with_what_stands_before_it() {
        let plain = EmailHashing {
            scheme: EmailHashScheme::Sha256,
            prefix: None,
        };
        let hash = "b4c9a289323b21a01c3e940f150eb9b8c542587f1abfd8f0e1cc1ffc5e475514";
        for address in ["user@example.com", "  User@Example.COM\t"] {
            assert_eq!(
                plain.hashes(address),
                [hash.to_owned(), format!("sha256:{hash}")]
            );
        }
        let salted = EmailHashing {
            prefix: Some("pepper:".to_owned().into()),
            ..plain.clone()
        };
        let [digits, _] = salted.hashes("user@example.com");
        assert_eq!(digits, plain.hashes("pepper:user@example.com")[0]);
        assert!(!format!("{salted:?}").contains("pepper"));
    }
}
