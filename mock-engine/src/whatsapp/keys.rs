//! Curve25519 key pairs, and the XEdDSA signatures that WhatsApp makes with them.

use curve25519_dalek::{
    EdwardsPoint, MontgomeryPoint, Scalar, edwards::CompressedEdwardsY, scalar::clamp_integer,
    traits::IsIdentity,
};
use sha2::{Digest, Sha256, Sha512};

/// A Curve25519 key pair, for key agreement and for signatures.
#[derive(Clone)]
pub(crate) struct KeyPair {
    /// The private key, clamped.
    pub(crate) private: [u8; 32],
    /// The public key, without the type byte 5 that Signal puts before it.
    pub(crate) public: [u8; 32],
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyPair").finish_non_exhaustive()
    }
}

impl KeyPair {
    /// Derives the key pair of a label, so that the mock's own keys are the same in every run.
    pub(crate) fn of_label(label: &str) -> Self {
        Self::from_private(bytes_of_label(label))
    }

    /// The key pair of a private key.
    pub(crate) fn from_private(private: [u8; 32]) -> Self {
        let private = clamp_integer(private);
        let public = MontgomeryPoint::mul_base_clamped(private).to_bytes();
        Self { private, public }
    }

    /// The secret shared with the owner of `public`.
    pub(crate) fn agree(&self, public: &[u8; 32]) -> [u8; 32] {
        MontgomeryPoint(*public).mul_clamped(self.private).to_bytes()
    }

    /// The public key as Signal writes it: 5, then the key.
    pub(crate) fn signal_public(&self) -> [u8; 33] {
        signal_public(&self.public)
    }

    /// Signs a message with XEdDSA. The nonce follows from the key and the message, so that a seed
    /// gives the same bytes in every run.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        let secret = Scalar::from_bytes_mod_order(self.private);
        let public = EdwardsPoint::mul_base(&secret).compress().to_bytes();
        let mut label = [0xff; 32];
        label[0] = 0xfe;
        let nonce = hash_to_scalar(&[&label, &self.private, message, &[0; 64]]);
        let commitment = EdwardsPoint::mul_base(&nonce).compress().to_bytes();
        let challenge = hash_to_scalar(&[&commitment, &public, message]);
        let response = (nonce + challenge * secret).to_bytes();
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&commitment);
        signature[32..].copy_from_slice(&response);
        // The highest bit carries the sign of the Edwards point, which the public key lacks.
        signature[63] |= public[31] & 0x80;
        signature
    }
}

/// 32 bytes that follow from a label.
pub(crate) fn bytes_of_label(label: &str) -> [u8; 32] {
    Sha256::digest(format!("mock-engine whatsapp: {label}")).into()
}

/// A public key as Signal writes it: 5, then the key.
pub(crate) fn signal_public(public: &[u8; 32]) -> [u8; 33] {
    let mut typed = [5; 33];
    typed[1..].copy_from_slice(public);
    typed
}

/// Reads a public key, with or without Signal's type byte.
pub(crate) fn read_public(bytes: &[u8]) -> Option<[u8; 32]> {
    let bare = if bytes.len() == 33 { bytes.strip_prefix(&[5])? } else { bytes };
    bare.try_into().ok()
}

/// Whether an XEdDSA signature is the key's owner's, of this message.
pub(crate) fn verify(public: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let Ok(signature) = <&[u8; 64]>::try_from(signature) else { return false };
    let (mut commitment, mut response) = ([0; 32], [0; 32]);
    commitment.copy_from_slice(&signature[..32]);
    response.copy_from_slice(&signature[32..]);
    let sign = response[31] >> 7;
    response[31] &= 0x7f;
    let Some(point) = MontgomeryPoint(*public).to_edwards(sign) else { return false };
    let challenge = hash_to_scalar(&[&commitment, point.compress().as_bytes(), message]);
    let made = EdwardsPoint::mul_base(&Scalar::from_bytes_mod_order(response)) - challenge * point;
    let said = CompressedEdwardsY(commitment).decompress();
    said.is_some_and(|said| (made - said).is_identity())
}

fn hash_to_scalar(parts: &[&[u8]]) -> Scalar {
    let hash = parts.iter().fold(Sha512::new(), |hash, part| hash.chain_update(part));
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_belongs_to_its_key_and_message() {
        for number in 0..20 {
            let keys = KeyPair::of_label(&format!("test {number}"));
            let signature = keys.sign(b"hello");
            assert!(verify(&keys.public, b"hello", &signature));
            assert!(!verify(&keys.public, b"hullo", &signature));
            assert!(!verify(&KeyPair::of_label("another").public, b"hello", &signature));
            assert!(!verify(&keys.public, b"hello", &signature[..63]));
        }
    }

    #[test]
    fn both_sides_agree_on_a_secret() {
        let (a, b) = (KeyPair::of_label("a"), KeyPair::of_label("b"));
        assert_eq!(a.agree(&b.public), b.agree(&a.public));
        assert_eq!(read_public(&a.signal_public()), Some(a.public));
        assert_eq!(read_public(&[1; 33]), None);
    }
}
