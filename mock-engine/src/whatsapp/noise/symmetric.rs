//! Noise's symmetric state: the running hash, and the key that each agreement changes.

use sha2::{Digest, Sha256};

use super::{Cipher, NoiseError};
use crate::whatsapp::kdf::derive_pair;

/// The name of 28 bytes, filled up to 32 as Noise says.
const XX: [u8; 32] = *b"Noise_XX_25519_AESGCM_SHA256\0\0\0\0";
const XX_FALLBACK: &str = "Noise_XXfallback_25519_AESGCM_SHA256";

/// The symmetric state of a handshake. Both sides keep one.
#[derive(Debug)]
pub(crate) struct Symmetric {
    hash: [u8; 32],
    salt: [u8; 32],
    cipher: Cipher,
}

impl Symmetric {
    /// The state of an XX handshake after the prologue.
    pub(crate) fn xx(prologue: [u8; 4]) -> Self {
        Self::new(XX, prologue)
    }

    /// The same of an XXfallback handshake, whose name is longer than 32 bytes and therefore hashed.
    pub(crate) fn xx_fallback(prologue: [u8; 4]) -> Self {
        Self::new(Sha256::digest(XX_FALLBACK).into(), prologue)
    }

    fn new(name: [u8; 32], prologue: [u8; 4]) -> Self {
        let mut state = Self { hash: name, salt: name, cipher: Cipher::new(&name) };
        state.mix_hash(&prologue);
        state
    }

    pub(crate) fn mix_hash(&mut self, data: &[u8]) {
        self.hash = Sha256::new().chain_update(self.hash).chain_update(data).finalize().into();
    }

    pub(crate) fn mix_key(&mut self, secret: &[u8; 32]) {
        let (salt, key) = derive_pair(&self.salt, secret, &[]);
        self.salt = salt;
        self.cipher = Cipher::new(&key);
    }

    pub(crate) fn encrypt(&mut self, plain: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let sealed = self.cipher.encrypt(plain, &self.hash).ok_or(NoiseError::TooMany)?;
        self.mix_hash(&sealed);
        Ok(sealed)
    }

    pub(crate) fn decrypt(
        &mut self,
        sealed: &[u8],
        what: &'static str,
    ) -> Result<Vec<u8>, NoiseError> {
        let plain = self.cipher.decrypt(sealed, &self.hash).ok_or(NoiseError::Decrypt(what))?;
        self.mix_hash(sealed);
        Ok(plain)
    }

    /// The keys of the connection: from the client, and to it.
    pub(crate) fn split(&self) -> ([u8; 32], [u8; 32]) {
        derive_pair(&self.salt, &[], &[])
    }
}
