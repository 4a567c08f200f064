//! Whom HTTPS receivers have to convince of who they are.

use std::{fmt, fs, io, path::Path, path::PathBuf, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

/// How the certificates of HTTPS servers are verified. Mozilla's roots are trusted by default.
#[derive(Clone)]
pub struct Tls(pub(crate) ClientConfig);

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The file cannot be read.
    #[error("failed to read the certificates of {path:?}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// The file has no certificates, or bad ones.
    #[error("{path:?} has no usable certificates: {reason}; expected PEM with BEGIN CERTIFICATE")]
    NoCertificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Tls {
    /// Trusts Mozilla's roots and those in `ca_file` (PEM). With `insecure`, trusts everybody, and
    /// says so in the log.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or has no certificate.
    pub fn new(ca_file: Option<&Path>, insecure: bool) -> Result<Self, TlsError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(path) = ca_file {
            add_roots(&mut roots, path)?;
        }
        let mut config = client(roots);
        if insecure {
            tracing::warn!(
                "certificates of HTTPS servers are not verified: anybody can pose as one"
            );
            let provider = config.crypto_provider().clone();
            config.dangerous().set_certificate_verifier(Arc::new(TrustEverybody(provider)));
        }
        Ok(Self(config))
    }

    /// The same for `rustls`, for clients of one's own.
    #[must_use]
    pub fn client_config(&self) -> ClientConfig {
        self.0.clone()
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self(client(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(..)")
    }
}

fn client(roots: RootCertStore) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    #[expect(clippy::expect_used, reason = "ring has cipher suites for both versions")]
    let versions = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports TLS 1.2 and 1.3");
    versions.with_root_certificates(roots).with_no_client_auth()
}

fn add_roots(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    let pem = fs::read(path).map_err(|cause| TlsError::Read { path: path.to_owned(), cause })?;
    let bad = |reason: String| TlsError::NoCertificate { path: path.to_owned(), reason };
    let mut found = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| bad(error.to_string()))?;
        roots.add(certificate).map_err(|error| bad(error.to_string()))?;
        found += 1;
    }
    if found == 0 { Err(bad("it has none".to_owned())) } else { Ok(()) }
}

#[derive(Debug)]
struct TrustEverybody(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustEverybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::Tls;

    #[test]
    fn a_file_without_certificates_is_refused_by_name() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "nothing").unwrap();
        let error = Tls::new(Some(file.path()), false).unwrap_err().to_string();
        assert!(error.contains("it has none; expected PEM"), "{error}");
        let error = Tls::new(Some("/nowhere.pem".as_ref()), false).unwrap_err().to_string();
        assert_eq!(error, "failed to read the certificates of \"/nowhere.pem\"");
    }
}
