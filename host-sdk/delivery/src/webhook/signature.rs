//! The signature of a body: HMAC-SHA512 in hexadecimal, as in `X-Webhook-Hmac`.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;

/// Signs bodies with one key, which is set up once.
#[derive(Clone)]
pub struct Signer(Option<Hmac<Sha512>>);

impl Signer {
    /// The value of `X-Webhook-Hmac-Algorithm`.
    pub const ALGORITHM: &'static str = "sha512";

    /// Sets the key up.
    #[must_use]
    pub fn new(key: &str) -> Self {
        // A key of any length will do, so this is always there.
        Self(Hmac::new_from_slice(key.as_bytes()).ok())
    }

    /// The signature of the bytes as they are sent.
    #[must_use]
    pub fn sign(&self, body: &[u8]) -> String {
        let Some(mut mac) = self.0.clone() else { return String::new() };
        mac.update(body);
        hex::encode(mac.finalize().into_bytes())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::Signer;

    #[test]
    fn the_documented_body_and_key_give_the_documented_signature() {
        let body = br#"{"event":"message","session":"default","engine":"WEBJS"}"#;
        assert_eq!(
            Signer::new("my-secret-key").sign(body),
            "208f8a55dde9e05519e898b10b89bf0d0b3b0fdf11fdbf09b6b90476301b98d8\
             097c462b2b17a6ce93b6b47a136cf2e78a33a63f6752c2c1631777076153fa89"
        );
    }

    #[test]
    fn the_key_is_not_shown() {
        assert_eq!(format!("{:?}", Signer::new("secret")), "Signer(***)");
    }
}
