//! The hashes that keys are derived with: HKDF and HMAC over SHA-256.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Derives `N` bytes of key material.
///
/// # Panics
///
/// Panics when `N` is more than 8,160, which no caller asks for.
pub(crate) fn derive<const N: usize>(salt: &[u8], secret: &[u8], info: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    let derived = Hkdf::<Sha256>::new(Some(salt), secret).expand(info, &mut out);
    assert!(derived.is_ok(), "{N} bytes are more than HKDF gives");
    out
}

/// The same, as two keys.
pub(crate) fn derive_pair(salt: &[u8], secret: &[u8], info: &[u8]) -> ([u8; 32], [u8; 32]) {
    let both: [u8; 64] = derive(salt, secret, info);
    let (mut first, mut second) = ([0; 32], [0; 32]);
    first.copy_from_slice(&both[..32]);
    second.copy_from_slice(&both[32..]);
    (first, second)
}

/// HMAC-SHA256 over the parts, one after the other.
pub(crate) fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}
