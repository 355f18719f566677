//! TLS 1.3 in which both ends authenticate.
//!
//! There are no authorities: a certificate is accepted if its fingerprint is one of those expected at this end, it is valid now, and its
//! holder signs the handshake with its key. Which party is at the other end follows from the certificate alone, never from a field that
//! the other end sends. Sessions are never resumed, so every connection has keys of its own.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ParsedCertificate};
use rustls::{
    CertificateError, CipherSuite, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    PeerIncompatible, RootCertStore, ServerConfig, SignatureScheme, version,
};
use thiserror::Error as ThisError;

use super::identity::{Fingerprint, Identity};

/// The certificate at the other end is not one of those expected.
#[derive(Clone, Debug, ThisError)]
#[error("unknown certificate {0}")]
pub(super) struct Unknown(pub(super) Fingerprint);

/// The cryptography: one cipher suite, the fastest there is on processors with instructions for AES, and one key exchange. The keys of a run travel
/// in the sessions, so whoever records a session and breaks its key exchange later, with a quantum computer perhaps, has all that the run kept
/// secret. X25519MLKEM768 holds as long as one of its two parts does; a party that offers less is another version, and is refused.
pub(super) fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![aws_lc_rs::kx_group::X25519MLKEM768];
    provider.cipher_suites.retain(|suite| suite.suite() == CipherSuite::TLS13_AES_128_GCM_SHA256);
    Arc::new(provider)
}

/// The configuration of the end that dials a party with the fingerprint `expected`, to speak `protocol`.
pub(super) fn dialing(
    provider: Arc<CryptoProvider>,
    identity: &Identity,
    expected: Fingerprint,
    protocol: &[u8],
) -> Result<Arc<ClientConfig>, Error> {
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&version::TLS13])?
        .dangerous() // that is how rustls calls a verifier of one's own
        .with_custom_certificate_verifier(Arc::new(Pinned { accepted: vec![expected], provider }))
        .with_client_auth_cert(vec![identity.certificate.clone()], identity.key.clone_key())?;
    config.alpn_protocols = vec![protocol.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(Arc::new(config))
}

/// The configuration of the end that listens for parties with one of the fingerprints `accepted`, to speak one of `protocols`.
pub(super) fn listening(
    provider: Arc<CryptoProvider>,
    identity: &Identity,
    accepted: Vec<Fingerprint>,
    protocols: &[&[u8]],
) -> Result<Arc<ServerConfig>, Error> {
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&version::TLS13])?
        .with_client_cert_verifier(Arc::new(Pinned { accepted, provider }))
        .with_single_cert(vec![identity.certificate.clone()], identity.key.clone_key())?;
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// The fingerprint in an error that a [`Pinned`] verifier raised.
pub(super) fn unknown(error: &Error) -> Option<Fingerprint> {
    match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(cause))) => {
            cause.downcast_ref::<Unknown>().map(|Unknown(found)| *found)
        }
        _ => None,
    }
}

/// Whether the other end cannot be speaking TLS at all.
pub(super) fn is_not_tls(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidMessage(_)
            | Error::PeerIncompatible(
                PeerIncompatible::Tls12NotOffered | PeerIncompatible::Tls12NotOfferedOrEnabled
            )
    )
}

/// An error in words that help.
pub(super) fn explain(error: &Error) -> String {
    match error {
        Error::PeerIncompatible(
            PeerIncompatible::NoKxGroupsInCommon
            | PeerIncompatible::KeyShareExtensionRequired
            | PeerIncompatible::NamedGroupsExtensionRequired,
        ) => "it does not offer the key exchange X25519MLKEM768: is it another version of tern?".to_owned(),
        error => error.to_string(),
    }
}

/// Accepts certificates by their fingerprint.
#[derive(Debug)]
struct Pinned {
    accepted: Vec<Fingerprint>,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    /// A certificate that is listed is its own anchor; what remains to be checked is that it is well-formed, signed by its own
    /// key and valid now.
    fn verify(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
        let found = Fingerprint::of(certificate);
        if !self.accepted.contains(&found) {
            let unknown = OtherError(Arc::new(Unknown(found)));
            return Err(CertificateError::Other(unknown).into());
        }
        let mut anchors = RootCertStore::empty();
        anchors.add(certificate.clone().into_owned())?;
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &anchors, &[], now, algorithms)
    }

    fn verify_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// TLS 1.2 is not offered; rustls asks for this all the same.
fn tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(PeerIncompatible::Tls12NotOffered.into())
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(certificate, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify(certificate, now).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}
