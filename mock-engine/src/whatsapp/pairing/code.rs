//! Linking by a code: the client shows eight characters, and whoever plays the phone types them in.
//!
//! ```text
//! client -> hello    its ephemeral key, encrypted with the code
//! phone  -> client   its own ephemeral key, encrypted with the code, and its identity key
//! client -> finish   its identity key, encrypted with what both ephemeral keys agree on
//! ```
//!
//! Then the device is linked as by a QR code; its secret follows from the keys.

use aes::cipher::{KeyIvInit, StreamCipher};
use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use sha2::Sha256;
use tokio::sync::oneshot;

use super::{Paired, PairingError, Waiting};
use crate::{
    whatsapp::{
        iq,
        kdf::derive,
        keys::{KeyPair, bytes_of_label, read_public},
        people::{SERVER, child, user_of},
        server::WhatsApp,
        signal::Phone,
    },
    wire::{Content, Node},
};

/// How often the code is hashed.
const ROUNDS: u32 = 2 << 16;

/// How far the linking by a code is.
#[derive(Debug)]
pub(crate) struct CodePairing {
    pub(super) phone: String,
    /// The client's ephemeral key, encrypted: salt, initialisation vector, key.
    wrapped: [u8; 80],
    reference: String,
    entered: Option<Entered>,
}

/// A code was typed in, and the client is to answer.
#[derive(Debug)]
struct Entered {
    /// What both ephemeral keys agree on.
    shared: [u8; 32],
    done: oneshot::Sender<Result<Paired, PairingError>>,
}

/// What encrypts a key with a code.
fn cipher(code: &str, salt: &[u8], key: &mut [u8; 32], iv: &[u8; 16]) {
    let mut derived = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(code.as_bytes(), salt, ROUNDS, &mut derived);
    ctr::Ctr128BE::<aes::Aes256>::new(&derived.into(), &(*iv).into()).apply_keystream(key);
}

/// The key in what the other side has encrypted with the code.
fn unwrap(code: &str, wrapped: &[u8; 80]) -> [u8; 32] {
    let (mut iv, mut key) = ([0; 16], [0; 32]);
    iv.copy_from_slice(&wrapped[32..48]);
    key.copy_from_slice(&wrapped[48..]);
    cipher(code, &wrapped[..32], &mut key, &iv);
    key
}

/// A key, encrypted with the code; `label` decides what is random.
fn wrap(code: &str, key: &[u8; 32], label: &str) -> Vec<u8> {
    let salt = bytes_of_label(&format!("salt {label}"));
    let (mut iv, mut key) = ([0; 16], *key);
    iv.copy_from_slice(&bytes_of_label(&format!("iv {label}"))[..16]);
    cipher(code, &salt, &mut key, &iv);
    [salt.as_slice(), &iv, &key].concat()
}

fn bytes<'a>(node: &'a Node, tag: &str) -> Option<&'a [u8]> {
    match &child(node, tag)?.content {
        Content::Bytes(bytes) => Some(bytes),
        Content::Text(text) => Some(text.as_bytes()),
        Content::Empty | Content::Nodes(_) => None,
    }
}

fn leaf(tag: &str, bytes: impl Into<Vec<u8>>) -> Node {
    let mut node = Node::new(tag);
    node.content = Content::Bytes(bytes.into());
    node
}

impl WhatsApp {
    /// A client that is not linked speaks of a code.
    pub(crate) fn code_stanza(&self, connection: u64, iq: &Node, registration: &Node) {
        let answer = match registration.get("stage") {
            Some("companion_hello") => self.code_hello(connection, registration),
            Some("companion_finish") => return self.code_finish(connection, iq, registration),
            _ => None,
        };
        let answer = match answer {
            Some(reference) => iq::result(iq).child(
                Node::new("link_code_companion_reg")
                    .attr("stage", "companion_hello")
                    .child(Node::new("link_code_pairing_ref").text(reference)),
            ),
            None => iq::error(iq, 400, "bad-request"),
        };
        self.waiting(|all| {
            if let Some(waiting) = all.get(&connection) {
                waiting.say(&answer);
            }
        });
    }

    fn code_hello(&self, connection: u64, registration: &Node) -> Option<String> {
        let phone = user_of(registration.get("jid")?).to_owned();
        let wrapped = bytes(registration, "link_code_pairing_wrapped_companion_ephemeral_pub")?;
        let wrapped = wrapped.try_into().ok()?;
        let reference = format!("mock-{connection}");
        let code = CodePairing { phone, wrapped, reference: reference.clone(), entered: None };
        self.waiting(|all| all.get_mut(&connection).map(|waiting| waiting.code = Some(code)))?;
        Some(reference)
    }

    /// The phone of that number types a code in. Ends when the device is linked, or when the code turns
    /// out to be another.
    pub(crate) async fn enter_code(&self, phone: &str, code: &str) -> Result<Paired, PairingError> {
        let code = code.replace('-', "").to_uppercase();
        let is_meant =
            |waiting: &Waiting| waiting.code.as_ref().is_some_and(|code| code.phone == phone);
        let found = self.waiting(|all| {
            let (number, waiting) = all.iter().rev().find(|(_, waiting)| is_meant(waiting))?;
            Some((*number, waiting.code.as_ref()?.wrapped))
        });
        let (connection, wrapped) = found.ok_or(PairingError::NoCode)?;
        let label = format!("code {} {connection}", self.engine().seed());
        let ephemeral = KeyPair::of_label(&label);
        let own = ephemeral.public;
        // Hashing takes a while, and others go on meanwhile.
        let hashed = tokio::task::spawn_blocking(move || {
            (unwrap(&code, &wrapped), wrap(&code, &own, &label))
        });
        let (theirs, wrapped) = hashed.await.map_err(|_| PairingError::NoCode)?;
        let identity = Phone::of(phone).identity;
        let (done, linked) = oneshot::channel();
        self.waiting(|all| {
            let waiting = all.get_mut(&connection)?;
            let code = waiting.code.as_mut()?;
            code.entered = Some(Entered { shared: ephemeral.agree(&theirs), done });
            let hello = Node::new("link_code_companion_reg")
                .attr("stage", "primary_hello")
                .child(leaf("link_code_pairing_wrapped_primary_ephemeral_pub", wrapped))
                .child(leaf("primary_identity_pub", identity.public))
                .child(leaf("link_code_pairing_ref", code.reference.clone()));
            waiting.say(
                &Node::new("notification")
                    .attr("from", SERVER)
                    .attr("type", "link_code_companion_reg")
                    .attr("id", format!("code-{connection}"))
                    .child(hello),
            );
            Some(())
        });
        // The client is gone when nothing is sent.
        linked.await.unwrap_or(Err(PairingError::NoCode))
    }

    fn code_finish(&self, connection: u64, iq: &Node, registration: &Node) {
        let taken = self.waiting(|all| {
            let code = all.get_mut(&connection)?.code.as_mut()?;
            Some((code.phone.clone(), code.entered.take()?))
        });
        let Some((phone, Entered { shared, done })) = taken else { return };
        let secret = secret(registration, &phone, &shared);
        let answer = match &secret {
            Some(_) => iq::result(iq),
            None => iq::error(iq, 400, "bad-request"),
        };
        self.waiting(|all| {
            if let Some(waiting) = all.get(&connection) {
                waiting.say(&answer);
            }
        });
        let linked = secret.ok_or(PairingError::WrongCode).and_then(|(identity, secret)| {
            let is_meant = |waiting: &Waiting| waiting.number == connection;
            self.link(is_meant, &identity, &secret, Some(&phone), None)
        });
        // Whoever typed the code in may be gone.
        let _ = done.send(linked);
    }
}

/// The device's identity key, and the secret that it shares with the phone; `None` when the code was
/// another.
fn secret(registration: &Node, phone: &str, shared: &[u8; 32]) -> Option<([u8; 32], [u8; 32])> {
    let wrapped = bytes(registration, "link_code_pairing_wrapped_key_bundle")?;
    let (salt, rest) = wrapped.split_at_checked(32)?;
    let (nonce, sealed) = rest.split_first_chunk::<12>()?;
    let key: [u8; 32] = derive(salt, shared, b"link_code_pairing_key_bundle_encryption_key");
    let payload = Payload { msg: sealed, aad: &[] };
    let bundle = Aes256Gcm::new(&key.into()).decrypt(&(*nonce).into(), payload).ok()?;
    let identity = read_public(bundle.get(..32)?)?;
    let random = bundle.get(64..96)?;
    let agreed = Phone::of(phone).identity.agree(&identity);
    let all = [shared.as_slice(), &agreed, random].concat();
    Some((identity, derive(&[], &all, b"adv_secret")))
}
