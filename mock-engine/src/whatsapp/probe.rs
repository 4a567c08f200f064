//! All that reads what a client sends, for a fuzzer.

use super::{
    dictionary::Dictionary,
    keys::KeyPair,
    login::Login,
    noise::{Frames, Handshake, ServerIdentity},
    pairing::Qr,
    protobuf::Message,
    signal::{Phone, SenderKeys, Session},
};

/// Feeds bytes to every reader of what a client sends: frames, the handshake, payloads, messages, QR codes
/// and both dictionaries. Answers with how many took them; none may panic.
pub fn probe(bytes: &[u8]) -> usize {
    let mut frames = Frames::default();
    frames.feed(bytes);
    let cut = std::iter::from_fn(|| frames.next_frame().ok().flatten()).count();
    let hello = || {
        let ephemeral = KeyPair::from_private([1; 32]);
        Handshake::answer(&ServerIdentity::new(), *b"WA\x06\x03", ephemeral, bytes)
    };
    // Certificates are signed for each; that is done only for what may be a hello.
    let may_be_hello = Message::read(bytes).is_ok_and(|message| message.bytes(2).is_some());
    let phone = || Phone {
        identity: KeyPair::from_private([2; 32]),
        signed_prekey: KeyPair::from_private([3; 32]),
    };
    let mut keys = SenderKeys::default();
    [
        cut > 0,
        may_be_hello && hello().is_ok_and(|(handshake, _)| handshake.finish(bytes).is_ok()),
        Login::read(bytes).is_ok(),
        Session::new(phone()).decrypt_first(bytes).is_ok(),
        Session::new(phone()).decrypt(bytes).is_ok(),
        keys.learn("group", bytes).is_ok(),
        keys.decrypt("group", bytes).is_ok(),
        Dictionary::Two.decode(bytes).is_ok(),
        std::str::from_utf8(bytes).is_ok_and(|text| Qr::read(text).is_ok()),
    ]
    .into_iter()
    .filter(|taken| *taken)
    .count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::whatsapp::protobuf::Writer;

    proptest! {
        #[test]
        fn any_bytes_are_taken_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            probe(&bytes);
        }

        #[test]
        fn messages_with_any_fields_are_taken_or_refused(
            key in proptest::collection::vec(any::<u8>(), 0..70),
            number in any::<u64>(),
        ) {
            let message = Writer::default().bytes(1, &key).bytes(2, &key).number(2, number);
            let message = message.bytes(3, &key).bytes(4, &key).message(19, Writer::default().bytes(3, &key)).done();
            probe(&message);
            probe(&[&[0x33], message.as_slice(), &[0; 64]].concat());
        }
    }
}
