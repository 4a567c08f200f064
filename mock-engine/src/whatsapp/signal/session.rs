//! What one phone and one device write to each other.

use std::collections::VecDeque;

use super::{
    Bundle, Phone, SignalError, VERSION,
    chain::{Chain, MessageKeys},
    versioned,
};
use crate::whatsapp::{
    kdf::derive_pair,
    keys::{KeyPair, read_public, signal_public},
    protobuf::{Message, Writer},
};

/// How many chains of a device are kept; older ones are forgotten.
const MAX_CHAINS: usize = 8;

/// The sessions between a phone and a device.
#[derive(Debug)]
pub(crate) struct Session {
    phone: Phone,
    sending: Option<Sending>,
    /// What the device writes with, by its ratchet key.
    receiving: VecDeque<([u8; 32], Chain)>,
}

#[derive(Debug)]
struct Sending {
    base: KeyPair,
    ratchet: KeyPair,
    receiver: [u8; 32],
    prekey_id: Option<u32>,
    signed_prekey_id: u32,
    root: [u8; 32],
    chain: Chain,
}

impl Session {
    pub(crate) fn new(phone: Phone) -> Self {
        Self { phone, sending: None, receiving: VecDeque::new() }
    }

    /// Whether the phone has written in this session.
    pub(crate) fn is_open(&self) -> bool {
        self.sending.is_some()
    }

    /// Opens the phone's session by X3DH, taking a one-time prekey of the bundle. `label` decides the
    /// phone's keys.
    pub(crate) fn open(&mut self, bundle: &mut Bundle, label: &str) {
        let prekey = bundle.prekeys.pop_front();
        let (signed_prekey_id, signed) = bundle.signed_prekey;
        let base = KeyPair::of_label(&format!("base {label}"));
        let ratchet = KeyPair::of_label(&format!("ratchet {label}"));
        let mut secret = vec![0xff; 32];
        secret.extend(self.phone.identity.agree(&signed));
        secret.extend(base.agree(&bundle.identity));
        secret.extend(base.agree(&signed));
        if let Some((_, prekey)) = &prekey {
            secret.extend(base.agree(prekey));
        }
        let (root, _) = derive_pair(&[0; 32], &secret, b"WhisperText");
        let (root, chain) = step(&root, &ratchet.agree(&signed));
        self.sending = Some(Sending {
            base,
            ratchet,
            receiver: bundle.identity,
            prekey_id: prekey.map(|(id, _)| id),
            signed_prekey_id,
            root,
            chain: Chain::new(chain),
        });
    }

    /// Encrypts a padded message, as the content of `<enc v="2" type="pkmsg">`.
    pub(crate) fn encrypt(&mut self, plain: &[u8]) -> Result<Vec<u8>, SignalError> {
        let sending = self.sending.as_mut().ok_or(SignalError::NoSession)?;
        let (counter, seed) = sending.chain.next();
        let keys = MessageKeys::of(&seed);
        let inner = Writer::default()
            .bytes(1, sending.ratchet.signal_public())
            .number(2, counter.into())
            .number(3, 0)
            .bytes(4, keys.encrypt(plain));
        let mut message = vec![VERSION];
        message.extend(inner.done());
        let identity = self.phone.identity.signal_public();
        message.extend(keys.tag(&identity, &signal_public(&sending.receiver), &message));
        let mut outer = Writer::default();
        if let Some(id) = sending.prekey_id {
            outer = outer.number(1, id.into());
        }
        let outer = outer
            .bytes(2, sending.base.signal_public())
            .bytes(3, identity)
            .bytes(4, message)
            .number(5, 1)
            .number(6, sending.signed_prekey_id.into());
        let mut whole = vec![VERSION];
        whole.extend(outer.done());
        Ok(whole)
    }

    /// Decrypts what a device opened a session with, the content of `<enc type="pkmsg">`.
    pub(crate) fn decrypt_first(&mut self, sealed: &[u8]) -> Result<Vec<u8>, SignalError> {
        let outer = Message::read(versioned(sealed)?)?;
        let key = |number, what| public(&outer, number, what);
        let (base, identity) = (key(2, "the base key")?, key(3, "the identity key")?);
        let inner = outer.bytes(4).ok_or(SignalError::Missing("message"))?;
        let Phone { identity: ours, signed_prekey: signed } = &self.phone;
        let mut secret = vec![0xff; 32];
        secret.extend(signed.agree(&identity));
        secret.extend(ours.agree(&base));
        secret.extend(signed.agree(&base));
        let (root, _) = derive_pair(&[0; 32], &secret, b"WhisperText");
        let signed = signed.clone();
        self.read(inner, &identity, |ratchet| step(&root, &signed.agree(ratchet)).1)
    }

    /// Decrypts an answer to the phone's own session, the content of `<enc type="msg">`.
    pub(crate) fn decrypt(&mut self, sealed: &[u8]) -> Result<Vec<u8>, SignalError> {
        let sending = self.sending.as_ref().ok_or(SignalError::NoSession)?;
        let (root, own, receiver) = (sending.root, sending.ratchet.clone(), sending.receiver);
        self.read(sealed, &receiver, |ratchet| step(&root, &own.agree(ratchet)).1)
    }

    /// Reads a message in the chain of its ratchet key, which `chain` finds the start of.
    fn read(
        &mut self,
        sealed: &[u8],
        sender: &[u8; 32],
        chain: impl FnOnce(&[u8; 32]) -> [u8; 32],
    ) -> Result<Vec<u8>, SignalError> {
        let signed = sealed.len().checked_sub(8).ok_or(SignalError::NotAuthentic)?;
        let (message, tag) = sealed.split_at(signed);
        let inner = Message::read(versioned(message)?)?;
        let ratchet = public(&inner, 1, "the ratchet key")?;
        let counter = inner.number(2).unwrap_or_default();
        let counter = u32::try_from(counter).map_err(|_| SignalError::TooFarAhead(u32::MAX))?;
        let known = self.receiving.iter().position(|(key, _)| *key == ratchet);
        let mut found = match known {
            Some(at) => self.receiving[at].1.clone(),
            None => Chain::new(chain(&ratchet)),
        };
        let keys = MessageKeys::of(&found.seed(counter)?);
        let identity = self.phone.identity.signal_public();
        if keys.tag(&signal_public(sender), &identity, message) != tag {
            return Err(SignalError::NotAuthentic);
        }
        let plain = keys.decrypt(inner.bytes(4).ok_or(SignalError::Missing("ciphertext"))?)?;
        match known {
            Some(at) => self.receiving[at].1 = found,
            None => {
                self.receiving.truncate(MAX_CHAINS - 1);
                self.receiving.push_front((ratchet, found));
            }
        }
        Ok(plain)
    }
}

fn step(root: &[u8; 32], secret: &[u8; 32]) -> ([u8; 32], [u8; 32]) {
    derive_pair(root, secret, b"WhisperRatchet")
}

fn public(message: &Message<'_>, number: u64, what: &'static str) -> Result<[u8; 32], SignalError> {
    let bytes = message.bytes(number).ok_or(SignalError::Missing(what))?;
    read_public(bytes).ok_or(SignalError::Key(what))
}
