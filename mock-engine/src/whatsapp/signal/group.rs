//! Sender keys: one writes to a group, and all who were given the key read it.

use std::collections::BTreeMap;

use super::{
    SignalError, VERSION,
    chain::{Chain, decrypt, encrypt},
    versioned,
};
use crate::whatsapp::{
    kdf::derive,
    keys::{KeyPair, read_public, verify},
    protobuf::{Message, Writer},
};

/// How many sender keys are kept of one device.
const MAX_KEYS: usize = 256;

/// A phone's own key in one group.
#[derive(Debug)]
pub(crate) struct SenderKey {
    id: u32,
    signing: KeyPair,
    chain: Chain,
    start: [u8; 32],
}

impl SenderKey {
    /// The key that follows from a label.
    pub(crate) fn of_label(label: &str) -> Self {
        let start = KeyPair::of_label(&format!("sender chain {label}")).private;
        let id = u32::from_be_bytes([0, start[1], start[2], start[3]]);
        let signing = KeyPair::of_label(&format!("sender signature {label}"));
        Self { id, signing, chain: Chain::new(start), start }
    }

    /// What a reader must know: a `SenderKeyDistributionMessage` of the key from its start.
    pub(crate) fn distribution(&self) -> Vec<u8> {
        let message = Writer::default()
            .number(1, self.id.into())
            .number(2, 0)
            .bytes(3, self.start)
            .bytes(4, self.signing.signal_public());
        let mut whole = vec![VERSION];
        whole.extend(message.done());
        whole
    }

    /// Encrypts a padded message, as the content of `<enc v="2" type="skmsg">`.
    pub(crate) fn encrypt(&mut self, plain: &[u8]) -> Vec<u8> {
        let (iteration, seed) = self.chain.next();
        let (iv, key) = message_keys(&seed);
        let message = Writer::default()
            .number(1, self.id.into())
            .number(2, iteration.into())
            .bytes(3, encrypt(&key, &iv, plain));
        let mut whole = vec![VERSION];
        whole.extend(message.done());
        let signature = self.signing.sign(&whole);
        whole.extend(signature);
        whole
    }
}

/// The sender keys that a device has distributed, by group.
#[derive(Debug, Default)]
pub(crate) struct SenderKeys(BTreeMap<(String, u64), (Chain, u32, [u8; 32])>);

impl SenderKeys {
    /// Takes a `SenderKeyDistributionMessage`.
    pub(crate) fn learn(&mut self, group: &str, distribution: &[u8]) -> Result<(), SignalError> {
        let message = Message::read(versioned(distribution)?)?;
        let id = message.number(1).ok_or(SignalError::Missing("key id"))?;
        let iteration = message.number(2).unwrap_or_default();
        let iteration = u32::try_from(iteration).map_err(|_| SignalError::TooFarAhead(u32::MAX))?;
        let chain = message.bytes(3).ok_or(SignalError::Missing("chain key"))?;
        let chain = chain.try_into().map_err(|_| SignalError::Key("the chain key"))?;
        let signing = message.bytes(4).ok_or(SignalError::Missing("signing key"))?;
        let signing = read_public(signing).ok_or(SignalError::Key("the signing key"))?;
        while self.0.len() >= MAX_KEYS {
            self.0.pop_first();
        }
        self.0.insert((group.to_owned(), id), (Chain::new(chain), iteration, signing));
        Ok(())
    }

    /// Decrypts the content of `<enc type="skmsg">`.
    pub(crate) fn decrypt(&mut self, group: &str, sealed: &[u8]) -> Result<Vec<u8>, SignalError> {
        let signed = sealed.len().checked_sub(64).ok_or(SignalError::NotAuthentic)?;
        let (whole, signature) = sealed.split_at(signed);
        let message = Message::read(versioned(whole)?)?;
        let id = message.number(1).ok_or(SignalError::Missing("key id"))?;
        let key = self.0.get_mut(&(group.to_owned(), id));
        let (chain, first, signing) = key.ok_or(SignalError::NoSenderKey)?;
        if !verify(signing, whole, signature) {
            return Err(SignalError::NotAuthentic);
        }
        let iteration = u32::try_from(message.number(2).unwrap_or_default()).unwrap_or(u32::MAX);
        // The chain was distributed from that iteration on.
        let place = iteration.checked_sub(*first).ok_or(SignalError::NotAuthentic)?;
        let (iv, key) = message_keys(&chain.seed(place)?);
        decrypt(&key, &iv, message.bytes(3).ok_or(SignalError::Missing("ciphertext"))?)
    }
}

fn message_keys(seed: &[u8; 32]) -> ([u8; 16], [u8; 32]) {
    let both: [u8; 48] = derive(&[0; 32], seed, b"WhisperGroup");
    let (mut iv, mut key) = ([0; 16], [0; 32]);
    iv.copy_from_slice(&both[..16]);
    key.copy_from_slice(&both[16..]);
    (iv, key)
}
