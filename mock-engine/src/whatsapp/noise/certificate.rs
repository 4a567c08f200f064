//! The certificate chain that makes a client trust the server.
//!
//! The keys are the same in every run and for every seed, so that a client can be told the root once.

use crate::whatsapp::{keys::KeyPair, protobuf::Writer};

/// From when to when the certificates are valid, in Unix seconds.
const VALID: (u64, u64) = (1_600_000_000, 4_000_000_000);

/// The server's static key, certified by the root.
#[derive(Debug)]
pub(crate) struct ServerIdentity {
    pub(super) key: KeyPair,
    pub(super) chain: Vec<u8>,
}

/// The public key that clients have to trust, in hexadecimal.
pub(crate) fn root_key_hex() -> String {
    root().public.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn root() -> KeyPair {
    KeyPair::of_label("noise root")
}

impl ServerIdentity {
    pub(crate) fn new() -> Self {
        let key = KeyPair::of_label("noise leaf");
        let intermediate = KeyPair::of_label("noise intermediate");
        // The issuer with serial 0 is the root.
        let middle = certify(&root(), 1, 0, &intermediate.public);
        let leaf = certify(&intermediate, 2, 1, &key.public);
        let chain = Writer::default().message(1, leaf).message(2, middle).done();
        Self { key, chain }
    }
}

fn certify(issuer: &KeyPair, serial: u64, issuer_serial: u64, key: &[u8; 32]) -> Writer {
    let details = Writer::default()
        .number(1, serial)
        .number(2, issuer_serial)
        .bytes(3, key)
        .number(4, VALID.0)
        .number(5, VALID.1)
        .done();
    let signature = issuer.sign(&details);
    Writer::default().bytes(1, details).bytes(2, signature)
}
