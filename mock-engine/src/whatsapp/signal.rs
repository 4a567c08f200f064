//! Signal's protocol, as far as the phones that the mock plays need it.
//!
//! A phone writes to a device in one session of its own, in the first sending chain: each message is a
//! `pkmsg` with the same base key and the next counter, which is what any client sends until it is
//! answered, and valid for ever. So a phone never ratchets, and what it reads is in one of two places: a
//! session that the device opened with the phone's bundle, or the answer to the phone's own session.

mod bundle;
mod chain;
mod group;
mod session;

pub(crate) use self::{
    bundle::{Bundle, big_endian, bundle_node},
    group::{SenderKey, SenderKeys},
    session::Session,
};

use thiserror::Error;

use super::{keys::KeyPair, protobuf::Malformed};

/// Version 3 of the protocol, as sender and as receiver.
const VERSION: u8 = 0x33;

/// Why a message cannot be encrypted or decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum SignalError {
    #[error("malformed message: {0}")]
    Malformed(#[from] Malformed),
    #[error("version byte {0:#04x}; expected {VERSION:#04x}")]
    Version(u8),
    #[error("the message has no {0}")]
    Missing(&'static str),
    #[error("{0} is not a public key of 32 bytes")]
    Key(&'static str),
    #[error("there is no session that this message answers")]
    NoSession,
    #[error("the group's sender key was never distributed")]
    NoSenderKey,
    #[error("the message skips {0} others; at most {max} may be skipped", max = chain::MAX_SKIP)]
    TooFarAhead(u32),
    #[error("the message was read already, or its signature, tag or padding is not valid")]
    NotAuthentic,
}

/// A phone: its identity key, and its signed prekey, whose id is 1. Both follow from its number, so
/// that a device keeps its sessions when the mock is restarted.
#[derive(Clone, Debug)]
pub(crate) struct Phone {
    pub(crate) identity: KeyPair,
    pub(crate) signed_prekey: KeyPair,
}

impl Phone {
    /// The phone of a user: the digits of the phone number, or of the LID where there is no other.
    pub(crate) fn of(user: &str) -> Self {
        Self {
            identity: KeyPair::of_label(&format!("identity {user}")),
            signed_prekey: KeyPair::of_label(&format!("signed prekey {user}")),
        }
    }
}

/// Pads a message with 1 to 16 bytes, each the number of them, as WhatsApp does before it encrypts.
pub(crate) fn pad(message: &[u8]) -> Vec<u8> {
    // Any number will do; this one depends on nothing but the length.
    let padding = 16 - (message.len() % 16) as u8;
    let mut padded = message.to_vec();
    padded.extend(std::iter::repeat_n(padding, padding.into()));
    padded
}

/// Takes the padding away.
pub(crate) fn unpad(padded: &[u8]) -> Result<&[u8], SignalError> {
    let padding = usize::from(*padded.last().ok_or(SignalError::NotAuthentic)?);
    padded.len().checked_sub(padding).map(|end| &padded[..end]).ok_or(SignalError::NotAuthentic)
}

/// What follows the version byte.
fn versioned(bytes: &[u8]) -> Result<&[u8], SignalError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => Ok(rest),
        Some((&version, _)) => Err(SignalError::Version(version)),
        None => Err(SignalError::Missing("version")),
    }
}

#[cfg(test)]
mod tests;
