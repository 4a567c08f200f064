//! A small client of WhatsApp: Noise, logging in, and nodes.

use std::{net::SocketAddr, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::{SinkExt, StreamExt};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message as Frame,
};

use crate::{
    whatsapp::{
        dictionary::Dictionary,
        kdf::mac,
        keys::{KeyPair, read_public, verify},
        noise::{Cipher, Symmetric, frame},
        protobuf::{Message, Writer},
    },
    wire::{Content, Node},
};

/// How long anything may take. Only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// The secret in a QR code.
const ADV_SECRET: [u8; 32] = [9; 32];

pub(super) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    bytes: Vec<u8>,
    ciphers: Option<(Cipher, Cipher)>,
    dictionary: Dictionary,
    identity: KeyPair,
    pings: u32,
}

impl Client {
    /// Connects as a device and says that it is ready; what waited for it is skipped.
    pub(super) async fn log_in(
        address: SocketAddr,
        phone: &str,
        device: u64,
        dictionary: u8,
    ) -> Self {
        let mut client = Self::connect(address, phone, device, dictionary).await;
        client.welcome().await;
        client
    }

    /// Connects as a device.
    pub(super) async fn connect(
        address: SocketAddr,
        phone: &str,
        device: u64,
        dictionary: u8,
    ) -> Self {
        let payload = Writer::default().number(1, phone.parse().unwrap()).number(18, device);
        Self::shake(address, dictionary, |_| payload).await
    }

    /// Connects as a client that wants to be linked.
    pub(super) async fn unlinked(address: SocketAddr, name: &str) -> Self {
        Self::shake(address, 3, |identity| {
            let keys = Writer::default().bytes(3, identity.public).bytes(4, [0, 0, 1]);
            Writer::default().bytes(7, name).message(19, keys.bytes(5, [2; 32]))
        })
        .await
    }

    async fn shake(
        address: SocketAddr,
        dictionary: u8,
        payload: impl FnOnce(&KeyPair) -> Writer,
    ) -> Self {
        let (socket, _) = connect_async(format!("ws://{address}/ws/chat")).await.unwrap();
        let identity = KeyPair::of_label("test client");
        let header = [b'W', b'A', 6, dictionary];
        let mut client = Self {
            socket,
            bytes: Vec::new(),
            ciphers: None,
            dictionary: Dictionary::of_header(header),
            identity: identity.clone(),
            pings: 0,
        };
        let ephemeral = KeyPair::of_label("test ephemeral");
        let hello = Writer::default().message(2, Writer::default().bytes(1, ephemeral.public));
        let hello = [header.as_slice(), &frame(&hello.done())].concat();
        client.send_raw(&hello).await;
        let answer = client.next_frame().await.unwrap();
        let answer = Message::read(&answer).unwrap().message(3).unwrap().unwrap();
        let mut state = Symmetric::xx(header);
        let theirs = read_public(answer.bytes(1).unwrap()).unwrap();
        state.mix_hash(&ephemeral.public);
        state.mix_hash(&theirs);
        state.mix_key(&ephemeral.agree(&theirs));
        let known = state.decrypt(answer.bytes(2).unwrap(), "static").unwrap();
        state.mix_key(&ephemeral.agree(&read_public(&known).unwrap()));
        state.decrypt(answer.bytes(3).unwrap(), "chain").unwrap();
        let own = state.encrypt(&identity.public).unwrap();
        state.mix_key(&identity.agree(&theirs));
        let payload = state.encrypt(&payload(&identity).done()).unwrap();
        let finish = Writer::default().bytes(1, own).bytes(2, payload);
        client.send_raw(&frame(&Writer::default().message(4, finish).done())).await;
        let (to_server, from_server) = state.split();
        client.ciphers = Some((Cipher::new(&to_server), Cipher::new(&from_server)));
        client
    }

    /// What the server answers to a WebSocket that it does not take.
    pub(super) async fn refused(address: SocketAddr) -> String {
        connect_async(format!("ws://{address}/ws/chat")).await.unwrap_err().to_string()
    }

    /// Waits for the login, says that it is ready, and answers with what waited.
    pub(super) async fn welcome(&mut self) -> Vec<Node> {
        self.next("success").await;
        let passive = Node::new("iq").attr("xmlns", "passive").attr("type", "set");
        self.send(&passive.attr("id", "passive").child(Node::new("active"))).await;
        let mut waited = Vec::new();
        loop {
            let node = self.next_shown().await;
            match node.tag.as_str() {
                "ib" => return waited,
                "iq" => {}
                _ => waited.push(node),
            }
        }
    }

    pub(super) async fn send(&mut self, node: &Node) {
        let plain = self.dictionary.encode(node).unwrap();
        let (write, _) = self.ciphers.as_mut().unwrap();
        let sealed = write.encrypt(&plain, &[]).unwrap();
        self.send_raw(&frame(&sealed)).await;
    }

    pub(super) async fn send_raw(&mut self, bytes: &[u8]) {
        self.socket.send(Frame::Binary(bytes.to_vec().into())).await.unwrap();
    }

    /// Waits until the server has taken all that was sent.
    pub(super) async fn ping(&mut self) {
        self.pings += 1;
        let id = format!("ping {}", self.pings);
        let ping = Node::new("iq").attr("xmlns", "w:p").attr("type", "get").attr("id", &id);
        self.send(&ping).await;
        while self.next("iq").await.get("id") != Some(&id) {}
    }

    /// The next node of that tag; those before it are skipped.
    pub(super) async fn next(&mut self, tag: &str) -> Node {
        loop {
            let node = self.next_shown().await;
            if node.tag == tag {
                return node;
            }
        }
    }

    /// The next node that is not one of those with which a phone greets a device.
    pub(super) async fn next_shown(&mut self) -> Node {
        loop {
            let node = self.next_node().await.expect("the connection has ended");
            if node.get("category") != Some("peer") {
                return node;
            }
        }
    }

    /// The last node before the connection ends.
    pub(super) async fn last_words(&mut self) -> String {
        let mut last = String::new();
        while let Some(node) = self.next_node().await {
            last = node.to_string();
            if node.tag.starts_with("stream") || node.tag == "xmlstreamend" || node.tag == "ib" {
                // Whoever is told so ends the connection.
                let _ = self.socket.close(None).await;
            }
        }
        last
    }

    /// Waits until the connection has ended.
    pub(super) async fn is_ended(&mut self) {
        while self.next_node().await.is_some() {}
    }

    /// Leaves, and waits until the server knows.
    pub(super) async fn leave(mut self) {
        let _ = self.socket.close(None).await;
        self.is_ended().await;
    }

    async fn next_node(&mut self) -> Option<Node> {
        let sealed = self.next_frame().await?;
        let (_, read) = self.ciphers.as_mut().unwrap();
        Some(self.dictionary.decode(&read.decrypt(&sealed, &[]).unwrap()).unwrap())
    }

    async fn next_frame(&mut self) -> Option<Vec<u8>> {
        loop {
            if let [a, b, c, ..] = *self.bytes {
                let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                if self.bytes.len() >= 3 + length {
                    let frame = self.bytes[3..3 + length].to_vec();
                    self.bytes.drain(..3 + length);
                    return Some(frame);
                }
            }
            match timeout(PATIENCE, self.socket.next()).await.expect("nothing came for 10 s") {
                Some(Ok(Frame::Binary(bytes))) => self.bytes.extend_from_slice(&bytes),
                Some(Ok(Frame::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// The text of the QR code that it shows for a reference.
    pub(super) fn qr(&self, reference: &str) -> String {
        let base64 = |key: &[u8]| BASE64_STANDARD.encode(key);
        let identity = base64(&self.identity.public);
        format!("{reference},{identity},{identity},{}", base64(&ADV_SECRET))
    }

    /// Checks what a phone says of the device that it links, as Baileys does.
    pub(super) fn check_identity(&self, pair_success: &Node) {
        let sealed = pair_success.children().iter().find(|it| it.tag == "device-identity").unwrap();
        let Content::Bytes(sealed) = &sealed.content else { panic!("bytes: {sealed}") };
        let sealed = Message::read(sealed).unwrap();
        let details = sealed.bytes(1).unwrap();
        assert_eq!(sealed.bytes(2).unwrap(), mac(&ADV_SECRET, &[details]));
        let identity = Message::read(details).unwrap();
        let signed = [&[6, 0], identity.bytes(1).unwrap(), &self.identity.public].concat();
        let key = read_public(identity.bytes(2).unwrap()).unwrap();
        assert!(verify(&key, &signed, identity.bytes(3).unwrap()));
    }
}
