//! What a client says of itself when it connects: its `ClientPayload`.

use std::collections::VecDeque;

use super::{
    keys::read_public,
    protobuf::{Malformed, Message},
    signal::{Bundle, big_endian},
};

/// Who connects.
#[derive(Clone, Debug)]
pub(crate) enum Login {
    /// A device that is linked already.
    Device { phone: String, device: u16, name: Option<String> },
    /// A client that wants to be linked.
    Unlinked(Unlinked),
}

/// A client that is not linked, and its keys.
#[derive(Clone, Debug)]
pub(crate) struct Unlinked {
    /// The name that it gives itself, as whatsapp-rust does.
    pub(crate) name: Option<String>,
    pub(crate) bundle: Bundle,
}

/// The longest name that is taken, in characters.
const MAX_NAME: usize = 100;

impl Login {
    /// Reads a payload; `None` when it is neither of the two.
    pub(crate) fn read(payload: &[u8]) -> Result<Option<Self>, Malformed> {
        let payload = Message::read(payload)?;
        let name = payload.text(7).filter(|name| !name.is_empty());
        let name = name.map(|name| name.chars().take(MAX_NAME).collect());
        if let Some(phone) = payload.number(1) {
            let device = u16::try_from(payload.number(18).unwrap_or_default()).unwrap_or(u16::MAX);
            return Ok(Some(Self::Device { phone: phone.to_string(), device, name }));
        }
        let Some(keys) = payload.message(19)? else { return Ok(None) };
        let public = |number| keys.bytes(number).and_then(read_public);
        let (Some(identity), Some(signed)) = (public(3), public(5)) else { return Ok(None) };
        let id = big_endian(keys.bytes(4).unwrap_or_default());
        let bundle = Bundle { identity, signed_prekey: (id, signed), prekeys: VecDeque::new() };
        Ok(Some(Self::Unlinked(Unlinked { name, bundle })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whatsapp::protobuf::Writer;

    #[test]
    fn a_payload_is_a_device_or_a_client_without_an_account() {
        let device = Writer::default().number(1, 5511).bytes(7, "Ann").number(18, 3).done();
        let Some(Login::Device { phone, device, name }) = Login::read(&device).unwrap() else {
            panic!("a device");
        };
        assert_eq!((phone.as_str(), device, name.as_deref()), ("5511", 3, Some("Ann")));
        let keys = Writer::default().bytes(3, [1; 32]).bytes(4, [0, 0, 7]).bytes(5, [2; 32]);
        let unlinked = Writer::default().message(19, keys).done();
        let Some(Login::Unlinked(unlinked)) = Login::read(&unlinked).unwrap() else {
            panic!("a client without an account");
        };
        assert_eq!(unlinked.bundle.signed_prekey, (7, [2; 32]));
        assert!(Login::read(&[]).unwrap().is_none());
        assert!(Login::read(&[0xff]).is_err());
    }
}
