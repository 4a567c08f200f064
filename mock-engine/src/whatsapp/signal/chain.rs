//! A chain of message keys, and what one of them encrypts.

use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, block_padding::Pkcs7};

use super::SignalError;
use crate::whatsapp::kdf::{derive, mac};

/// How many messages may be missing before one that is read.
pub(super) const MAX_SKIP: u32 = 2_000;

/// A chain that only moves on. What was skipped is read by going back to its start.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    start: [u8; 32],
    key: [u8; 32],
    counter: u32,
}

impl Chain {
    pub(super) fn new(start: [u8; 32]) -> Self {
        Self { start, key: start, counter: 0 }
    }

    /// Takes the next message's seed, with its number.
    pub(super) fn next(&mut self) -> (u32, [u8; 32]) {
        let seed = mac(&self.key, &[&[1]]);
        self.key = mac(&self.key, &[&[2]]);
        self.counter += 1;
        (self.counter - 1, seed)
    }

    /// The seed of the message of this number.
    pub(super) fn seed(&mut self, counter: u32) -> Result<[u8; 32], SignalError> {
        if counter < self.counter {
            let mut from_start = Self::new(self.start);
            if counter > MAX_SKIP {
                return Err(SignalError::NotAuthentic);
            }
            return from_start.seed(counter);
        }
        let skipped = counter - self.counter;
        if skipped > MAX_SKIP {
            return Err(SignalError::TooFarAhead(skipped));
        }
        loop {
            let (number, seed) = self.next();
            if number == counter {
                return Ok(seed);
            }
        }
    }
}

/// The keys of one message between two.
pub(super) struct MessageKeys {
    cipher: [u8; 32],
    mac: [u8; 32],
    iv: [u8; 16],
}

impl MessageKeys {
    pub(super) fn of(seed: &[u8; 32]) -> Self {
        let keys: [u8; 80] = derive(&[0; 32], seed, b"WhisperMessageKeys");
        let mut this = Self { cipher: [0; 32], mac: [0; 32], iv: [0; 16] };
        this.cipher.copy_from_slice(&keys[..32]);
        this.mac.copy_from_slice(&keys[32..64]);
        this.iv.copy_from_slice(&keys[64..]);
        this
    }

    pub(super) fn encrypt(&self, plain: &[u8]) -> Vec<u8> {
        encrypt(&self.cipher, &self.iv, plain)
    }

    pub(super) fn decrypt(&self, sealed: &[u8]) -> Result<Vec<u8>, SignalError> {
        decrypt(&self.cipher, &self.iv, sealed)
    }

    /// The tag of a message from one identity to another, both as Signal writes keys.
    pub(super) fn tag(&self, from: &[u8; 33], to: &[u8; 33], message: &[u8]) -> [u8; 8] {
        let mut tag = [0; 8];
        tag.copy_from_slice(&mac(&self.mac, &[from, to, message])[..8]);
        tag
    }
}

pub(super) fn encrypt(key: &[u8; 32], iv: &[u8; 16], plain: &[u8]) -> Vec<u8> {
    cbc::Encryptor::<aes::Aes256>::new(key.into(), iv.into()).encrypt_padded_vec::<Pkcs7>(plain)
}

pub(super) fn decrypt(
    key: &[u8; 32],
    iv: &[u8; 16],
    sealed: &[u8],
) -> Result<Vec<u8>, SignalError> {
    cbc::Decryptor::<aes::Aes256>::new(key.into(), iv.into())
        .decrypt_padded_vec::<Pkcs7>(sealed)
        .map_err(|_| SignalError::NotAuthentic)
}
