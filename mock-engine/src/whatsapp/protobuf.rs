//! Protobuf's wire format, as far as WhatsApp's messages need it: varints and bytes.
//!
//! A client sends and reads a dozen small messages. `waproto` has all of them and costs three minutes of
//! building; here a message is read by its field numbers, which each reader names.

use thiserror::Error;

/// How many fields a message may have.
const MAX_FIELDS: usize = 10_000;

/// Why bytes are not a protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Malformed {
    #[error("a protobuf message ends in the middle of a field")]
    Cut,
    #[error("a varint of more than ten bytes")]
    Varint,
    #[error("field number 0, or wire type {0}, which protobuf does not have")]
    Key(u64),
    #[error("more than {MAX_FIELDS} fields")]
    TooMany,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// A message that was read. The last of several fields of one number counts, as protobuf has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message<'a>(Vec<(u64, Field<'a>)>);

impl<'a> Message<'a> {
    /// Reads a message.
    pub(crate) fn read(mut bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            if fields.len() == MAX_FIELDS {
                return Err(Malformed::TooMany);
            }
            let key = varint(&mut bytes)?;
            if key >> 3 == 0 {
                return Err(Malformed::Key(key));
            }
            let field = match key & 7 {
                0 => Field::Number(varint(&mut bytes)?),
                1 => Field::Number(little_endian(take(&mut bytes, 8)?)),
                2 => {
                    let length = varint(&mut bytes)?;
                    let length = usize::try_from(length).map_err(|_| Malformed::Cut)?;
                    Field::Bytes(take(&mut bytes, length)?)
                }
                5 => Field::Number(little_endian(take(&mut bytes, 4)?)),
                _ => return Err(Malformed::Key(key & 7)),
            };
            fields.push((key >> 3, field));
        }
        Ok(Self(fields))
    }

    /// The bytes of a field.
    pub(crate) fn bytes(&self, number: u64) -> Option<&'a [u8]> {
        self.0.iter().rev().find_map(|(it, field)| match field {
            Field::Bytes(bytes) if *it == number => Some(*bytes),
            _ => None,
        })
    }

    /// The number of a field.
    pub(crate) fn number(&self, number: u64) -> Option<u64> {
        self.0.iter().rev().find_map(|(it, field)| match field {
            Field::Number(value) if *it == number => Some(*value),
            _ => None,
        })
    }

    /// The text of a field, with what is not UTF-8 replaced.
    pub(crate) fn text(&self, number: u64) -> Option<String> {
        self.bytes(number).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// The message in a field.
    pub(crate) fn message(&self, number: u64) -> Result<Option<Self>, Malformed> {
        self.bytes(number).map(Self::read).transpose()
    }
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], Malformed> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or(Malformed::Cut)?;
    *bytes = rest;
    Ok(taken)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or_default();
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Malformed::Varint)
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| (value << 8) | u64::from(*byte))
}

/// A message that is being written; fields come in the order of the calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    /// Adds a number.
    pub(crate) fn number(mut self, number: u64, value: u64) -> Self {
        self.varint(number << 3);
        self.varint(value);
        self
    }

    /// Adds bytes, or a text.
    pub(crate) fn bytes(mut self, number: u64, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.varint((number << 3) | 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    /// Adds a message.
    pub(crate) fn message(self, number: u64, message: Self) -> Self {
        self.bytes(number, message.0)
    }

    /// The message's bytes.
    pub(crate) fn done(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let inner = Writer::default().number(1, 5).bytes(2, "five");
        let bytes = Writer::default().number(7, u64::MAX).message(300, inner).done();
        let message = Message::read(&bytes).unwrap();
        assert_eq!(message.number(7), Some(u64::MAX));
        let inner = message.message(300).unwrap().unwrap();
        assert_eq!((inner.number(1), inner.text(2)), (Some(5), Some("five".to_owned())));
        assert_eq!((message.number(300), message.bytes(7), message.number(8)), (None, None, None));
    }

    #[test]
    fn what_is_malformed_says_how() {
        let malformed = |bytes: &[u8]| Message::read(bytes).unwrap_err();
        assert_eq!(malformed(&[0x0a, 5, 1]), Malformed::Cut);
        assert_eq!(malformed(&[0xff; 11]), Malformed::Varint);
        assert_eq!(malformed(&[0x0b]), Malformed::Key(3));
        assert_eq!(malformed(&[0x02, 0]), Malformed::Key(2));
        assert_eq!(malformed(&[8, 1].repeat(MAX_FIELDS + 1)), Malformed::TooMany);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Message::read(&bytes);
        }
    }
}
