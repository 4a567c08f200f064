//! Credentials of a device that needs no pairing, as Baileys keeps them in `creds.json`.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{
    account::DeviceIdentity,
    keys::{KeyPair, bytes_of_label},
    signal::Phone,
};

/// Whose credentials they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner<'a> {
    pub(crate) seed: u64,
    pub(crate) phone: &'a str,
    pub(crate) lid: &'a str,
    pub(crate) device: u16,
    pub(crate) name: &'a str,
}

impl Owner<'_> {
    /// The same owner has the same credentials, byte for byte; `now` is in Unix seconds.
    pub(crate) fn baileys(&self, now: u64) -> Value {
        let Owner { seed, phone, lid, device, name } = *self;
        let label = |what: &str| format!("{what} {seed} {phone}:{device}");
        let keys = |what: &str| KeyPair::of_label(&label(what));
        let identity = keys("device identity");
        let signed_prekey = keys("device signed prekey");
        let account = DeviceIdentity::sign(phone, device, &identity.public, now);
        let registration = bytes_of_label(&label("registration"));
        json!({
            "noiseKey": pair(&keys("noise")),
            "pairingEphemeralKeyPair": pair(&keys("pairing")),
            "signedIdentityKey": pair(&identity),
            "signedPreKey": {
                "keyPair": pair(&signed_prekey),
                "signature": buffer(&identity.sign(&signed_prekey.signal_public())),
                "keyId": 1,
            },
            "registrationId": u16::from_be_bytes([registration[0] & 0x3f, registration[1]]),
            "advSecretKey": BASE64_STANDARD.encode(bytes_of_label(&label("adv secret"))),
            "processedHistoryMessages": [],
            "nextPreKeyId": 1,
            "firstUnuploadedPreKeyId": 1,
            // More than 0, so that Baileys 7 does not wait 20 seconds for history.
            "accountSyncCounter": 1,
            // The phone tells the key at the first login; without its id Baileys up to 6.7.18 keeps
            // messages back.
            "myAppStateKeyId": "AAAAAAAB",
            "accountSettings": { "unarchiveChats": false },
            "registered": true,
            "account": {
                "details": buffer(&account.details),
                "accountSignatureKey": buffer(&account.account_key),
                "accountSignature": buffer(&account.account_signature),
                "deviceSignature": buffer(&account.device_signature(&identity)),
            },
            "me": {
                "id": format!("{phone}:{device}@s.whatsapp.net"),
                "lid": format!("{lid}:{device}@lid"),
                "name": name,
            },
            "signalIdentities": [{
                "identifier": { "name": format!("{lid}@lid"), "deviceId": 0 },
                "identifierKey": buffer(&Phone::of(phone).identity.signal_public()),
            }],
            "platform": "android",
        })
    }
}

fn pair(keys: &KeyPair) -> Value {
    json!({ "private": buffer(&keys.private), "public": buffer(&keys.public) })
}

fn buffer(bytes: &[u8]) -> Value {
    json!({ "type": "Buffer", "data": BASE64_STANDARD.encode(bytes) })
}
