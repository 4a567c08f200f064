//! AES-256-GCM with a counter for a nonce.

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};

/// One direction of a connection, or one key of a handshake.
pub(crate) struct Cipher {
    aes: Aes256Gcm,
    count: u32,
}

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cipher").field("count", &self.count).finish_non_exhaustive()
    }
}

impl Cipher {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self { aes: Aes256Gcm::new(key.into()), count: 0 }
    }

    /// Encrypts; `None` when the counter is used up.
    pub(crate) fn encrypt(&mut self, msg: &[u8], aad: &[u8]) -> Option<Vec<u8>> {
        let nonce = self.nonce()?;
        self.aes.encrypt(&nonce.into(), Payload { msg, aad }).ok()
    }

    /// Decrypts; `None` when it is not authentic.
    pub(crate) fn decrypt(&mut self, msg: &[u8], aad: &[u8]) -> Option<Vec<u8>> {
        let nonce = self.nonce()?;
        self.aes.decrypt(&nonce.into(), Payload { msg, aad }).ok()
    }

    fn nonce(&mut self) -> Option<[u8; 12]> {
        let mut nonce = [0; 12];
        nonce[8..].copy_from_slice(&self.count.to_be_bytes());
        self.count = self.count.checked_add(1)?;
        Some(nonce)
    }
}
