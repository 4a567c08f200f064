//! The API key.

use std::fmt;

use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;

/// The key that callers must send. Only its SHA-512 is kept, and compared in constant time.
#[derive(Clone)]
pub struct ApiKey([u8; 64]);

/// Why a configured key is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyError {
    /// It is empty, which would admit every caller.
    #[error("the API key is empty; leave it out to have none")]
    Empty,
    /// What follows `sha512:` is not a digest.
    #[error("the API key starts with sha512: and must go on with 128 hexadecimal digits")]
    BadDigest,
}

impl ApiKey {
    /// Reads a key as `WAHA_API_KEY` has it: plain, or `sha512:` and the key's digest in hexadecimal.
    ///
    /// # Errors
    ///
    /// When it is empty, or no digest follows `sha512:`.
    pub fn parse(configured: &str) -> Result<Self, ApiKeyError> {
        if configured.is_empty() {
            return Err(ApiKeyError::Empty);
        }
        let Some(digest) = configured.strip_prefix("sha512:") else {
            return Ok(Self::of(configured));
        };
        let mut key = [0; 64];
        hex::decode_to_slice(digest, &mut key).map_err(|_| ApiKeyError::BadDigest)?;
        Ok(Self(key))
    }

    /// The key that is exactly `text`.
    pub(crate) fn of(text: &str) -> Self {
        Self(digest_of(text))
    }

    /// Whether `shown` is the key.
    #[must_use]
    pub fn admits(&self, shown: &str) -> bool {
        self.0.ct_eq(&digest_of(shown)).into()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(***)")
    }
}

fn digest_of(key: &str) -> [u8; 64] {
    Sha512::digest(key.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::{ApiKey, ApiKeyError};

    #[test]
    fn a_plain_key_admits_itself_and_nothing_else() {
        let key = ApiKey::parse("secret").unwrap();
        assert!(key.admits("secret"));
        assert!(!key.admits("Secret"));
        assert!(!key.admits(""));
    }

    #[test]
    fn a_digest_admits_the_key_that_it_is_of() {
        let digest = "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
        let key = ApiKey::parse(digest).unwrap();
        assert!(key.admits("abc"));
        assert!(!key.admits(digest));
    }

    #[test]
    fn a_key_that_is_none_is_refused() {
        assert_eq!(ApiKey::parse("").unwrap_err(), ApiKeyError::Empty);
        assert_eq!(ApiKey::parse("sha512:12").unwrap_err(), ApiKeyError::BadDigest);
    }

    #[test]
    fn a_key_is_not_printed() {
        assert_eq!(format!("{:?}", ApiKey::parse("secret").unwrap()), "ApiKey(***)");
    }
}
