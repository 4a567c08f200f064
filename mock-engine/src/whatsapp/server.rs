//! The server: its accounts, their devices, and the clients that want to be linked.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use thiserror::Error;

use super::{
    device::{Device, Exchange, SharedDevice},
    message,
    noise::ServerIdentity,
    pairing::Waiting,
    people::{is_person, lid_of, person},
};
use crate::{Delay, MockEngine, scenario::Session, wire::Node, world::Account};

/// How many accounts there may be, and devices per account.
const MAX_ACCOUNTS: usize = 10_000;
const MAX_DEVICES: usize = 90;

/// How many kinds of unknown requests are counted by themselves.
const MAX_UNKNOWN: usize = 100;

/// What can be set.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long a chat state is kept for a client that is away.
    pub chatstate_ttl: Delay,
    /// How many connections there may be at a time.
    pub connections: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { chatstate_ttl: Delay::from_millis(60_000), connections: 1_000 }
    }
}

/// A WhatsApp server on the world of an engine. Cheap to clone; clones are one server.
#[derive(Clone, Debug)]
pub struct WhatsApp(pub(super) Arc<Inner>);

/// The server's state. Its lock is not held while an engine or a device is called.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(super) mock: MockEngine,
    pub(super) identity: ServerIdentity,
    options: Options,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    accounts: BTreeMap<String, Linked>,
    /// Clients that are not linked, by the number of their connection.
    waiting: BTreeMap<u64, Waiting>,
    connections: usize,
    last: u64,
    unknown: BTreeMap<String, u64>,
}

/// The devices of an account.
#[derive(Debug, Default)]
struct Linked {
    devices: BTreeMap<u16, SharedDevice>,
    /// Those that were logged out.
    removed: BTreeSet<u16>,
}

/// Why a device cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum DeviceError {
    #[error("the device was logged out")]
    LoggedOut,
    #[error("there are {MAX_ACCOUNTS} accounts, or {MAX_DEVICES} devices of this one, already")]
    TooMany,
    #[error("the phone number has to be 5 to 15 digits")]
    Phone,
    #[error("device numbers go from 1 to 65535")]
    Number,
}

/// A connection, counted as long as this lives.
#[derive(Debug)]
pub(crate) struct Seat {
    server: WhatsApp,
    pub(super) number: u64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.server.0.state.lock();
        state.connections -= 1;
        state.waiting.remove(&self.number);
    }
}

impl WhatsApp {
    /// A server on the engine's world.
    pub fn new(mock: MockEngine, options: Options) -> Self {
        let identity = ServerIdentity::new();
        Self(Arc::new(Inner { mock, identity, options, state: Mutex::default() }))
    }

    /// The engine.
    pub fn engine(&self) -> &MockEngine {
        &self.0.mock
    }

    /// A place for one more connection; `None` when all are taken.
    pub(super) fn seat(&self) -> Option<Seat> {
        let mut state = self.0.state.lock();
        if state.connections >= self.0.options.connections {
            return None;
        }
        state.connections += 1;
        state.last += 1;
        let number = state.last;
        drop(state);
        Some(Seat { server: self.clone(), number })
    }

    /// The device of this number of an account. One that the server has not seen was linked in an
    /// earlier run.
    pub(super) fn device(
        &self,
        phone: &str,
        number: u16,
        name: Option<&str>,
    ) -> Result<SharedDevice, DeviceError> {
        if !(5..=15).contains(&phone.len()) || !phone.bytes().all(|it| it.is_ascii_digit()) {
            return Err(DeviceError::Phone);
        }
        if number == 0 {
            return Err(DeviceError::Number);
        }
        if let Some(known) = self.known(phone, number)? {
            return Ok(known);
        }
        let mock = &self.0.mock;
        let lid = lid_of(mock, phone).ok_or(DeviceError::Phone)?;
        let session = mock.free_session(phone).unwrap_or_else(|| match number {
            1 => phone.to_owned(),
            _ => format!("{phone}:{number}"),
        });
        let weak: Weak<dyn Exchange> = Arc::<Inner>::downgrade(&self.0) as _;
        let device = Arc::new(Device::new(weak, session.clone(), (phone, &lid), number));
        let spec = Session {
            phone: Some(phone.to_owned()),
            push_name: name.map(str::to_owned),
            online: false,
            ..Session::new(&session)
        };
        {
            let mut state = self.0.state.lock();
            let linked = state.accounts.entry(phone.to_owned()).or_default();
            if let Some(known) = linked.devices.get(&number) {
                return Ok(known.clone());
            }
            linked.devices.insert(number, device.clone());
        }
        let name = name.map(str::to_owned);
        mock.enroll(&spec, &Account { phone: phone.to_owned(), lid, name }, device.clone());
        Ok(device)
    }

    fn known(&self, phone: &str, number: u16) -> Result<Option<SharedDevice>, DeviceError> {
        let state = self.0.state.lock();
        match state.accounts.get(phone) {
            Some(linked) if linked.removed.contains(&number) => Err(DeviceError::LoggedOut),
            Some(linked) => match linked.devices.get(&number) {
                None if linked.devices.len() >= MAX_DEVICES => Err(DeviceError::TooMany),
                known => Ok(known.cloned()),
            },
            None if state.accounts.len() >= MAX_ACCOUNTS => Err(DeviceError::TooMany),
            None => Ok(None),
        }
    }

    /// The number that the account's next device gets.
    pub(super) fn next_device(&self, phone: &str) -> u16 {
        let state = self.0.state.lock();
        let Some(linked) = state.accounts.get(phone) else { return 1 };
        let used = linked.devices.keys().chain(&linked.removed).max();
        used.map_or(1, |last| last.saturating_add(1))
    }

    /// The devices of an account that are linked now.
    pub(super) fn devices(&self, phone: &str) -> Vec<SharedDevice> {
        self.0.devices(phone)
    }

    /// All devices.
    pub(super) fn all_devices(&self) -> Vec<SharedDevice> {
        let state = self.0.state.lock();
        state.accounts.values().flat_map(|it| it.devices.values().cloned()).collect()
    }

    /// Uses the clients that wait to be linked.
    pub(super) fn waiting<T>(&self, use_it: impl FnOnce(&mut BTreeMap<u64, Waiting>) -> T) -> T {
        use_it(&mut self.0.state.lock().waiting)
    }

    /// How many connections there are.
    pub(super) fn connections(&self) -> usize {
        self.0.state.lock().connections
    }

    /// Counts a request that the server does not know.
    pub(super) fn count_unknown(&self, kind: String) {
        let mut state = self.0.state.lock();
        let is_new = !state.unknown.contains_key(&kind);
        if is_new {
            tracing::warn!(kind, "a client sent something that the mock does not know");
        }
        let kind = if is_new && state.unknown.len() >= MAX_UNKNOWN { "other".into() } else { kind };
        *state.unknown.entry(kind).or_default() += 1;
    }

    /// The unknown requests, and how often each came.
    pub(super) fn unknown(&self) -> BTreeMap<String, u64> {
        self.0.state.lock().unknown.clone()
    }

    /// The phone number of a new account with this name: the same name has the same number.
    pub(super) fn phone_of_name(&self, name: Option<&str>) -> String {
        let seed = self.0.mock.seed();
        let name = name.map_or_else(|| format!("{}", self.0.state.lock().last), str::to_owned);
        let bytes = super::keys::bytes_of_label(&format!("phone {seed} {name}"));
        let number = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) % 100_000_000;
        format!("55119{number:08}")
    }
}

impl Inner {
    /// A device was logged out: it cannot come back.
    pub(super) fn log_out(&self, device: &Device) {
        self.remove(device, true);
    }

    fn devices(&self, phone: &str) -> Vec<SharedDevice> {
        let state = self.state.lock();
        state.accounts.get(phone).map_or_else(Vec::new, |it| it.devices.values().cloned().collect())
    }
}

impl Exchange for Inner {
    fn now_ms(&self) -> u64 {
        self.mock.now_ms()
    }

    fn chatstate_ttl_ms(&self) -> u64 {
        self.options.chatstate_ttl.as_millis()
    }

    fn sealed(&self, device: &Device, stanza: &Node) -> Node {
        let sender = stanza.get("participant").or(stanza.get("from")).unwrap_or_default();
        let sender = if is_person(sender) { person(&self.mock, sender) } else { String::new() };
        message::seal(device, &sender, stanza)
    }

    fn remove(&self, device: &Device, for_good: bool) {
        let mut state = self.state.lock();
        let Some(linked) = state.accounts.get_mut(&device.phone) else { return };
        linked.devices.remove(&device.number);
        if for_good {
            linked.removed.insert(device.number);
        } else if linked.devices.is_empty() {
            state.accounts.remove(&device.phone);
        }
    }
}
