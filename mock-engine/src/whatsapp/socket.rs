//! One client's connection: frames in, frames out.

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use thiserror::Error;
use tokio::{sync::mpsc, time::timeout};

use super::{
    answer,
    device::{OUTBOX, Out, SharedDevice},
    dictionary::{Dictionary, FormatError},
    ending::failure,
    keys::KeyPair,
    login::Login,
    noise::{Finished, Frames, Handshake, NoiseError, Transport, frame},
    pairing::Waiting,
    protobuf::Malformed,
    server::{DeviceError, Seat, WhatsApp},
};
use crate::wire::Node;

/// How long a client may take to say who it is.
const HANDSHAKE: Duration = Duration::from_secs(20);

/// How long the server is silent after the handshake, in real time. Baileys 6 has its ciphers ready a
/// moment after it has sent its last word, drops what came before, and hangs.
const SILENCE: Duration = Duration::from_millis(100);

/// How long a client that was told why its connection ends may take to end it, in real time.
const FAREWELL: Duration = Duration::from_secs(1);

/// The reason why a connection ends that neither side closed.
#[derive(Debug, Error)]
enum Broken {
    #[error(transparent)]
    Noise(#[from] NoiseError),
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error("malformed client payload: {0}")]
    Payload(#[from] Malformed),
    #[error("a client payload of neither a device nor of keys")]
    Nobody,
    #[error("no handshake within 20 s")]
    Slow,
    #[error("the client is gone")]
    Gone,
}

/// A WebSocket, and what came of it that is not yet a frame.
struct Wire {
    socket: WebSocket,
    frames: Frames,
}

impl Wire {
    /// The next frame. Nothing is lost when this is dropped: what came in is kept in `frames`.
    async fn next(&mut self) -> Result<Vec<u8>, Broken> {
        loop {
            if let Some(frame) = self.frames.next_frame()? {
                return Ok(frame);
            }
            match self.socket.recv().await {
                Some(Ok(Message::Binary(bytes))) => self.frames.feed(&bytes),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Broken::Gone),
                Some(Ok(_)) => {}
            }
        }
    }

    async fn send(&mut self, content: &[u8]) -> Result<(), Broken> {
        let message = Message::Binary(frame(content).into());
        self.socket.send(message).await.map_err(|_| Broken::Gone)
    }
}

/// Serves a client until it is gone.
pub(super) async fn serve(server: WhatsApp, seat: Seat, socket: WebSocket) {
    let wire = Wire { socket, frames: Frames::default() };
    match converse(&server, &seat, wire).await {
        Ok(()) | Err(Broken::Gone) => {}
        Err(error) => tracing::warn!(connection = seat.number, %error, "a connection breaks"),
    }
}

async fn converse(server: &WhatsApp, seat: &Seat, mut wire: Wire) -> Result<(), Broken> {
    let shake = timeout(HANDSHAKE, shake_hands(server, seat, &mut wire));
    let (Finished { payload, transport }, dictionary) = shake.await.map_err(|_| Broken::Slow)??;
    let login = Login::read(&payload)?.ok_or(Broken::Nobody)?;
    tokio::time::sleep(SILENCE).await;
    let mut line = Line { wire, transport, dictionary };
    match login {
        Login::Unlinked(client) => {
            let (out, outbox) = mpsc::channel(OUTBOX);
            let connection = (server.engine().seed(), seat.number);
            let waiting = Waiting::new(client, connection, out, dictionary);
            waiting.offer();
            server.waiting(|all| all.insert(seat.number, waiting));
            line.talk(outbox, server, &Speaker::Unlinked(seat.number)).await
        }
        Login::Device { phone, device, name } => {
            match server.device(&phone, device, name.as_deref()) {
                Ok(device) => logged_in(server, seat, &device, line).await,
                Err(error) => {
                    tracing::info!(phone, device, %error, "a login is refused");
                    let reason = if error == DeviceError::LoggedOut { 401 } else { 503 };
                    line.say(&failure(reason)).await
                }
            }
        }
    }
}

async fn shake_hands(
    server: &WhatsApp,
    seat: &Seat,
    wire: &mut Wire,
) -> Result<(Finished, Dictionary), Broken> {
    let hello = wire.next().await?;
    // A frame comes after the header.
    let header = wire.frames.header().unwrap_or_default();
    let ephemeral = format!("ephemeral {} {}", server.engine().seed(), seat.number);
    let ephemeral = KeyPair::of_label(&ephemeral);
    let (handshake, hello) = Handshake::answer(&server.0.identity, header, ephemeral, &hello)?;
    wire.send(&hello).await?;
    let finish = wire.next().await?;
    Ok((handshake.finish(&finish)?, Dictionary::of_header(header)))
}

async fn logged_in(
    server: &WhatsApp,
    seat: &Seat,
    device: &SharedDevice,
    mut line: Line,
) -> Result<(), Broken> {
    // What the scenario has closed, it opens.
    loop {
        let news = device.news.notified();
        if !device.is_closed() {
            break;
        }
        tokio::select! {
            () = news => {}
            // A client that gives up says nothing before it is logged in.
            gone = line.wire.next() => { gone?; }
        }
    }
    let (out, outbox) = mpsc::channel(OUTBOX);
    let success = answer::success(server, device);
    device.connect(seat.number, out, line.dictionary);
    let gone = Leave { server: server.clone(), device: device.clone(), number: seat.number };
    device.say(&success);
    let talked = line.talk(outbox, server, &Speaker::Device(device.clone())).await;
    gone.leave().await;
    talked
}

/// A client that leaves.
struct Leave {
    server: WhatsApp,
    device: SharedDevice,
    number: u64,
}

impl Leave {
    async fn leave(self) {
        self.device.disconnect(self.number);
        // One that was replaced leaves the session to the other.
        if !self.device.is_connected() {
            self.server.engine().client_gone(&self.device.session).await;
        }
    }
}

/// Who is on a connection.
enum Speaker {
    Unlinked(u64),
    Device(SharedDevice),
}

/// A connection after its handshake.
struct Line {
    wire: Wire,
    transport: Transport,
    dictionary: Dictionary,
}

impl Line {
    async fn say(&mut self, node: &Node) -> Result<(), Broken> {
        let frame = self.dictionary.encode(node)?;
        let sealed = self.transport.encrypt(&frame)?;
        self.wire.send(&sealed).await
    }

    /// Sends what is in the outbox, and hears what comes in, until either side ends it.
    async fn talk(
        &mut self,
        mut outbox: mpsc::Receiver<Out>,
        server: &WhatsApp,
        speaker: &Speaker,
    ) -> Result<(), Broken> {
        loop {
            tokio::select! {
                biased;
                out = outbox.recv() => match out {
                    Some(Out::Frame(frame)) => {
                        let sealed = self.transport.encrypt(&frame)?;
                        self.wire.send(&sealed).await?;
                    }
                    Some(Out::End { told: true }) => {
                        // What Baileys 6 reads after the end of its connection, it forgets.
                        let _ = timeout(FAREWELL, async { while self.wire.next().await.is_ok() {} }).await;
                        let _ = self.wire.socket.send(Message::Close(None)).await;
                        return Ok(());
                    }
                    Some(Out::End { told: false }) | None => {
                        let _ = self.wire.socket.send(Message::Close(None)).await;
                        return Ok(());
                    }
                },
                frame = self.wire.next() => {
                    let node = self.dictionary.decode(&self.transport.decrypt(&frame?)?)?;
                    tracing::trace!(%node, "from a client");
                    match speaker {
                        Speaker::Unlinked(number) => answer::unlinked(server, *number, &node),
                        Speaker::Device(device) => answer::device(server, device, node).await,
                    }
                }
            }
        }
    }
}
