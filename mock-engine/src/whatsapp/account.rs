//! An account's phone: it vouches for the devices that are linked to it.

use super::{keys::KeyPair, protobuf::Writer, signal::Phone};

/// What is signed for an account, and for a device.
const ACCOUNT_SIGNATURE: &[u8] = &[6, 0];
const DEVICE_SIGNATURE: &[u8] = &[6, 1];

/// That a device is an account's: a `ADVSignedDeviceIdentity`, by its parts.
#[derive(Clone, Debug)]
pub(crate) struct DeviceIdentity {
    pub(crate) details: Vec<u8>,
    pub(crate) account_key: [u8; 32],
    pub(crate) account_signature: [u8; 64],
}

impl DeviceIdentity {
    /// Signs with the phone of `phone` that the device with this identity key is linked as `number`.
    pub(crate) fn sign(phone: &str, number: u16, identity: &[u8; 32], now: u64) -> Self {
        let key = Phone::of(phone).identity;
        let details = Writer::default().number(1, 1).number(2, now).number(3, number.into()).done();
        let account_signature = key.sign(&[ACCOUNT_SIGNATURE, &details, identity].concat());
        Self { details, account_key: key.public, account_signature }
    }

    /// What the device signs to accept it.
    pub(crate) fn device_signature(&self, device: &KeyPair) -> [u8; 64] {
        let signed = [DEVICE_SIGNATURE, &self.details, &device.public, &self.account_key].concat();
        device.sign(&signed)
    }

    /// The message, before the device has signed.
    pub(crate) fn encode(&self) -> Vec<u8> {
        Writer::default()
            .bytes(1, &self.details)
            .bytes(2, self.account_key)
            .bytes(3, self.account_signature)
            .done()
    }
}
