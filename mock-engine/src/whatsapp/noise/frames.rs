//! Cuts the bytes of a client into frames.
//!
//! A client begins with `WA`, 6 and the version of its dictionary, 3 or 2; `ED 00 01`, three bytes of
//! length and that many bytes of routing may come before. Frames follow, each with three bytes of
//! length before it. Where a WebSocket message ends means nothing.

use super::NoiseError;

/// The longest frame that is taken, in bytes.
pub(crate) const MAX_FRAME: usize = 1 << 20;

/// The longest routing information that is skipped, in bytes.
const MAX_ROUTING: usize = 1024;

/// The bytes of a client that are not yet a whole frame.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    header: Option<[u8; 4]>,
}

impl Frames {
    /// Takes bytes as they come in.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The header, once the first frame was there.
    pub(crate) fn header(&self) -> Option<[u8; 4]> {
        self.header
    }

    /// The next whole frame; `None` until there is one.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Vec<u8>>, NoiseError> {
        if self.header.is_none() && !self.read_header()? {
            return Ok(None);
        }
        let Some(length) = length(&self.bytes) else { return Ok(None) };
        if length > MAX_FRAME {
            return Err(NoiseError::TooLong(length));
        }
        if self.bytes.len() < 3 + length {
            return Ok(None);
        }
        let frame = self.bytes[3..3 + length].to_vec();
        self.bytes.drain(..3 + length);
        Ok(Some(frame))
    }

    fn read_header(&mut self) -> Result<bool, NoiseError> {
        if let Some(rest) = self.bytes.strip_prefix(b"ED\0\x01") {
            let Some(length) = length(rest) else { return Ok(false) };
            if length > MAX_ROUTING {
                return Err(NoiseError::TooLong(length));
            }
            if rest.len() < 3 + length {
                return Ok(false);
            }
            self.bytes.drain(..4 + 3 + length);
        }
        let Some(header) = self.bytes.first_chunk::<4>().copied() else { return Ok(false) };
        if !matches!(header, [b'W', b'A', 6, 2 | 3]) {
            return Err(NoiseError::Header(header));
        }
        self.bytes.drain(..4);
        self.header = Some(header);
        Ok(true)
    }
}

fn length(bytes: &[u8]) -> Option<usize> {
    let [a, b, c, ..] = *bytes else { return None };
    Some((usize::from(a) << 16) | (usize::from(b) << 8) | usize::from(c))
}

/// Puts the length before a frame.
pub(crate) fn frame(content: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(3 + content.len());
    frame.extend_from_slice(&(content.len() as u32).to_be_bytes()[1..]);
    frame.extend_from_slice(content);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_whole_however_they_were_cut() {
        let mut bytes = b"ED\0\x01\0\0\x02xyWA\x06\x03".to_vec();
        for content in [b"hello".as_slice(), b"", b"world"] {
            bytes.extend(frame(content));
        }
        for size in 1..bytes.len() {
            let (mut frames, mut got) = (Frames::default(), Vec::new());
            for part in bytes.chunks(size) {
                frames.feed(part);
                while let Some(frame) = frames.next_frame().unwrap() {
                    got.push(frame);
                }
            }
            assert_eq!(got, [b"hello".to_vec(), Vec::new(), b"world".to_vec()]);
            assert_eq!(frames.header(), Some(*b"WA\x06\x03"));
        }
    }

    #[test]
    fn another_protocol_and_a_frame_that_is_too_long_are_refused() {
        let refused = |bytes: &[u8]| {
            let mut frames = Frames::default();
            frames.feed(bytes);
            frames.next_frame().unwrap_err()
        };
        assert_eq!(refused(b"GET / HTTP/1.1"), NoiseError::Header(*b"GET "));
        assert_eq!(refused(b"WA\x06\x04"), NoiseError::Header(*b"WA\x06\x04"));
        assert_eq!(refused(b"WA\x06\x03\x10\0\x01"), NoiseError::TooLong((1 << 20) + 1));
        assert_eq!(refused(b"ED\0\x01\x01\0\0"), NoiseError::TooLong(1 << 16));
    }
}
