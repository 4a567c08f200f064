//! The server's side of WhatsApp's `Noise_XX_25519_AESGCM_SHA256`.
//!
//! ```text
//! client hello    its ephemeral key
//! server hello    our ephemeral key, our static key and its certificate chain
//! client finish   its static key, and who it is (ClientPayload)
//! ```
//!
//! A client that knows the server's static key from before may begin with Noise IK: its hello holds its
//! own static key as well. It is answered as `XXfallback`, which WhatsApp allows at any time.

mod certificate;
mod cipher;
mod frames;
mod symmetric;

pub(crate) use self::{
    certificate::{ServerIdentity, root_key_hex},
    cipher::Cipher,
    frames::{Frames, MAX_FRAME, frame},
    symmetric::Symmetric,
};

use thiserror::Error;

use super::{
    keys::{KeyPair, read_public},
    protobuf::{Malformed, Message, Writer},
};

/// Why a handshake, or an encrypted frame, is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum NoiseError {
    #[error("expected WhatsApp's header WA 06 03 or WA 06 02, found {0:02x?}")]
    Header([u8; 4]),
    #[error("a frame of {0} bytes is longer than {MAX_FRAME}")]
    TooLong(usize),
    #[error("malformed handshake message: {0}")]
    Malformed(#[from] Malformed),
    #[error("the handshake message has no {0}")]
    Missing(&'static str),
    #[error("{0} is not a public key of 32 bytes")]
    Key(&'static str),
    #[error("{0} cannot be decrypted")]
    Decrypt(&'static str),
    #[error("a connection has at most 2^32 frames per direction")]
    TooMany,
}

/// A handshake between the server hello and the client finish.
#[derive(Debug)]
pub(crate) struct Handshake {
    state: Symmetric,
    ephemeral: KeyPair,
}

impl Handshake {
    /// Answers a client hello. `header` is the four bytes that the client began with, `ephemeral` a key
    /// pair for this connection alone.
    pub(crate) fn answer(
        identity: &ServerIdentity,
        header: [u8; 4],
        ephemeral: KeyPair,
        hello: &[u8],
    ) -> Result<(Self, Vec<u8>), NoiseError> {
        let hello = Message::read(hello)?.message(2)?.ok_or(NoiseError::Missing("client hello"))?;
        let theirs = hello.bytes(1).ok_or(NoiseError::Missing("ephemeral key"))?;
        let theirs = read_public(theirs).ok_or(NoiseError::Key("the ephemeral key"))?;
        let mut state = if hello.bytes(2).is_some() {
            Symmetric::xx_fallback(header)
        } else {
            Symmetric::xx(header)
        };
        state.mix_hash(&theirs);
        state.mix_hash(&ephemeral.public);
        state.mix_key(&ephemeral.agree(&theirs));
        let r#static = state.encrypt(&identity.key.public)?;
        state.mix_key(&identity.key.agree(&theirs));
        let payload = state.encrypt(&identity.chain)?;
        let hello =
            Writer::default().bytes(1, ephemeral.public).bytes(2, r#static).bytes(3, payload);
        Ok((Self { state, ephemeral }, Writer::default().message(3, hello).done()))
    }

    /// Takes the client finish. Answers with the client's static key, its payload, and the ciphers of
    /// the connection.
    pub(crate) fn finish(mut self, finish: &[u8]) -> Result<Finished, NoiseError> {
        let finish =
            Message::read(finish)?.message(4)?.ok_or(NoiseError::Missing("client finish"))?;
        let theirs = finish.bytes(1).ok_or(NoiseError::Missing("static key"))?;
        let theirs = self.state.decrypt(theirs, "the static key")?;
        let theirs = read_public(&theirs).ok_or(NoiseError::Key("the static key"))?;
        self.state.mix_key(&self.ephemeral.agree(&theirs));
        let payload = finish.bytes(2).ok_or(NoiseError::Missing("payload"))?;
        let payload = self.state.decrypt(payload, "the payload")?;
        let (from_client, to_client) = self.state.split();
        let transport =
            Transport { read: Cipher::new(&from_client), write: Cipher::new(&to_client) };
        Ok(Finished { payload, transport })
    }
}

/// What a handshake ends with.
#[derive(Debug)]
pub(crate) struct Finished {
    /// The client's `ClientPayload`.
    pub(crate) payload: Vec<u8>,
    pub(crate) transport: Transport,
}

/// The ciphers of an established connection.
#[derive(Debug)]
pub(crate) struct Transport {
    read: Cipher,
    write: Cipher,
}

impl Transport {
    /// Decrypts a frame.
    pub(crate) fn decrypt(&mut self, frame: &[u8]) -> Result<Vec<u8>, NoiseError> {
        self.read.decrypt(frame, &[]).ok_or(NoiseError::Decrypt("a frame"))
    }

    /// Encrypts a frame.
    pub(crate) fn encrypt(&mut self, frame: &[u8]) -> Result<Vec<u8>, NoiseError> {
        self.write.encrypt(frame, &[]).ok_or(NoiseError::TooMany)
    }
}

#[cfg(test)]
pub(crate) mod tests;
