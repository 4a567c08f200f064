//! A device's side of Signal, played by the same parts: a device is a phone with other keys.

use std::collections::VecDeque;

use super::*;

/// A device's keys as it uploads them.
fn bundle(device: &Phone) -> Bundle {
    Bundle {
        identity: device.identity.public,
        signed_prekey: (1, device.signed_prekey.public),
        prekeys: VecDeque::new(),
    }
}

#[test]
fn a_message_of_a_phone_is_read_by_the_device_and_answered() {
    let (phone, device) = (Phone::of("1"), Phone::of("device"));
    let mut ours = Session::new(phone);
    assert_eq!(ours.encrypt(b"early"), Err(SignalError::NoSession));
    ours.open(&mut bundle(&device), "test");
    let mut theirs = Session::new(device);
    for text in [b"one".as_slice(), b"two"] {
        assert_eq!(theirs.decrypt_first(&ours.encrypt(text).unwrap()).unwrap(), text);
    }
    let mut forged = ours.encrypt(b"three").unwrap();
    let end = forged.len() - 20;
    forged[end] ^= 1;
    assert!(theirs.decrypt_first(&forged).is_err());
}

#[test]
fn messages_may_be_skipped_but_not_without_end() {
    let (phone, device) = (Phone::of("1"), Phone::of("device"));
    let mut ours = Session::new(phone);
    ours.open(&mut bundle(&device), "test");
    let mut theirs = Session::new(device);
    let sealed: Vec<_> = (0..chain::MAX_SKIP + 3).map(|_| ours.encrypt(b"x").unwrap()).collect();
    assert!(theirs.decrypt_first(&sealed[5]).is_ok());
    assert!(theirs.decrypt_first(&sealed[2]).is_ok(), "an older one, read later");
    let too_far = Session::new(Phone::of("device")).decrypt_first(sealed.last().unwrap());
    assert_eq!(too_far, Err(SignalError::TooFarAhead(chain::MAX_SKIP + 2)));
}

#[test]
fn a_group_reads_who_distributed_a_sender_key() {
    let mut key = SenderKey::of_label("alice team");
    let mut keys = SenderKeys::default();
    let first = key.encrypt(b"hello");
    assert_eq!(keys.decrypt("team", &first), Err(SignalError::NoSenderKey));
    keys.learn("team", &key.distribution()).unwrap();
    assert_eq!(keys.decrypt("team", &first).unwrap(), b"hello");
    assert_eq!(keys.decrypt("team", &key.encrypt(b"again")).unwrap(), b"again");
    assert_eq!(keys.decrypt("others", &first), Err(SignalError::NoSenderKey));
    let mut forged = key.encrypt(b"forged");
    forged[5] ^= 1;
    assert!(keys.decrypt("team", &forged).is_err());
}

#[test]
fn padding_comes_off_as_it_was_put_on() {
    for length in 0..40 {
        let message = vec![7; length];
        assert_eq!(unpad(&pad(&message)).unwrap(), message);
    }
    assert_eq!(unpad(&[]), Err(SignalError::NotAuthentic));
    assert_eq!(unpad(&[9, 9]), Err(SignalError::NotAuthentic));
}
