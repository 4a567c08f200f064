//! Linking: a client shows a QR code, and whoever plays the phone scans it.

mod code;

use base64::{Engine, prelude::BASE64_STANDARD};
use thiserror::Error;
use tokio::sync::mpsc;

use self::code::CodePairing;
use super::{
    account::DeviceIdentity,
    device::Out,
    dictionary::Dictionary,
    kdf::mac,
    keys::bytes_of_label,
    login::Unlinked,
    people::SERVER,
    protobuf::Writer,
    server::{DeviceError, WhatsApp},
};
use crate::wire::{Content, Node};

/// How many QR codes a client may show, one after the other.
const REFERENCES: usize = 6;

/// A client that waits to be linked.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// The number of its connection.
    pub(super) number: u64,
    /// How far it is when it is linked by a code.
    pub(super) code: Option<CodePairing>,
    pub(super) client: Unlinked,
    pub(super) references: Vec<String>,
    pub(super) out: mpsc::Sender<Out>,
    pub(super) dictionary: Dictionary,
}

/// Why nothing is linked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum PairingError {
    #[error(
        "not the text of a QR code: expected REFERENCE,KEY,KEY,SECRET with the last three in base64"
    )]
    Malformed,
    #[error("no client shows this QR code; its connection may have ended")]
    Unknown,
    #[error("no client waits for a code for this phone number; it asks for one first")]
    NoCode,
    #[error("the client shows another code")]
    WrongCode,
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// What a QR code says.
#[derive(Debug)]
pub(crate) struct Qr {
    reference: String,
    identity: [u8; 32],
    adv_secret: Vec<u8>,
}

impl Qr {
    /// Reads `[https://wa.me/settings/linked_devices#]REFERENCE,NOISE,IDENTITY,ADV[,PLATFORM]`.
    pub(crate) fn read(text: &str) -> Result<Self, PairingError> {
        let text = text.trim().rsplit('#').next().unwrap_or_default();
        let parts: Vec<&str> = text.split(',').collect();
        let key = |at: usize| {
            let text = parts.get(at).ok_or(PairingError::Malformed)?;
            BASE64_STANDARD.decode(text).map_err(|_| PairingError::Malformed)
        };
        Ok(Self {
            reference: parts[0].to_owned(),
            identity: key(2)?.try_into().map_err(|_| PairingError::Malformed)?,
            adv_secret: key(3)?,
        })
    }
}

/// An account that a device was linked to.
#[derive(Clone, Debug)]
pub(crate) struct Paired {
    pub(crate) jid: String,
    pub(crate) lid: String,
    pub(crate) session: String,
}

impl Waiting {
    /// The references of a connection, which follow from the seed and the connection's number.
    pub(crate) fn new(
        client: Unlinked,
        (seed, connection): (u64, u64),
        out: mpsc::Sender<Out>,
        dictionary: Dictionary,
    ) -> Self {
        let reference = |at| {
            let bytes = bytes_of_label(&format!("reference {seed} {connection} {at}"));
            format!("2@{}", BASE64_STANDARD.encode(bytes))
        };
        let references = (0..REFERENCES).map(reference).collect();
        Self { number: connection, code: None, client, references, out, dictionary }
    }

    /// Offers the references.
    pub(crate) fn offer(&self) {
        let offer = self.references.iter().fold(Node::new("pair-device"), |offer, reference| {
            offer.child(Node::new("ref").text(reference))
        });
        self.say(&set("pair-device", offer));
    }

    pub(super) fn say(&self, node: &Node) {
        if let Ok(frame) = self.dictionary.encode(node) {
            // A client that is gone hears nothing.
            let _ = self.out.try_send(Out::Frame(frame));
        }
    }

    pub(super) fn end(&self) {
        let _ = self.out.try_send(Out::End { told: true });
    }
}

fn set(id: &str, child: Node) -> Node {
    Node::new("iq")
        .attr("from", SERVER)
        .attr("type", "set")
        .attr("id", id)
        .attr("xmlns", "md")
        .child(child)
}

impl WhatsApp {
    /// The phone scans a QR code. Without `phone`, the account is that of the name, which is the
    /// client's own unless given.
    pub(crate) fn scan(
        &self,
        text: &str,
        phone: Option<&str>,
        name: Option<&str>,
    ) -> Result<Paired, PairingError> {
        let qr = Qr::read(text)?;
        let shows = |waiting: &Waiting| waiting.references.contains(&qr.reference);
        self.link(shows, &qr.identity, &qr.adv_secret, phone, name)
    }

    /// Links a client that waits: it gets an account, and has to log in with it.
    pub(super) fn link(
        &self,
        is_meant: impl Fn(&Waiting) -> bool,
        identity: &[u8; 32],
        adv_secret: &[u8],
        phone: Option<&str>,
        name: Option<&str>,
    ) -> Result<Paired, PairingError> {
        let client =
            self.waiting(|all| all.values().find(|it| is_meant(it)).map(|it| it.client.clone()));
        let client = client.ok_or(PairingError::Unknown)?;
        let name = name.map(str::to_owned).or(client.name);
        let phone = phone.map_or_else(|| self.phone_of_name(name.as_deref()), str::to_owned);
        let number = self.next_device(&phone);
        let device = self.device(&phone, number, name.as_deref())?;
        device.keys(|keys| keys.bundle = Some(client.bundle));
        let now = self.engine().now_ms() / 1000;
        let details = DeviceIdentity::sign(&phone, number, identity, now).encode();
        let hmac = mac(adv_secret, &[&details]);
        let mut sealed = Node::new("device-identity");
        sealed.content = Content::Bytes(Writer::default().bytes(1, details).bytes(2, hmac).done());
        let success = Node::new("pair-success")
            .child(sealed)
            .child(Node::new("device").attr("jid", device.jid()).attr("lid", device.lid_jid()))
            .child(Node::new("platform").attr("name", "android"))
            // Baileys takes its own name from here; without one it never says that it is available.
            .child(Node::new("biz").attr("name", name.as_deref().unwrap_or("Mock")));
        let stanza = set("pair-success", success).attr("t", now.to_string());
        self.waiting(|all| {
            if let Some(waiting) = all.values_mut().find(|it| is_meant(it)) {
                waiting.say(&stanza);
                waiting.references.clear();
            }
        });
        Ok(Paired { jid: device.jid(), lid: device.lid_jid(), session: device.session.clone() })
    }
}
