//! Who a party is: a key, a certificate that the key signed itself, and the certificate's fingerprint, which the others list.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use pem::{EncodeConfig, LineEnding, Pem};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

/// The longest validity that [`keygen`] gives.
const MAX_YEARS: u32 = 100;
/// Certificates are valid from a day before they are made, so that clocks need not agree.
const BACKDATE: Duration = Duration::from_secs(24 * 3600);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600 + 6 * 3600);

/// SHA-256 of a certificate (DER), written `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// The key of a party and its certificate.
pub struct Identity {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) key: PrivateKeyDer<'static>,
}

/// What [`keygen`] wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFiles {
    /// The secret key, which only its owner can read.
    pub key: PathBuf,
    /// The certificate.
    pub certificate: PathBuf,
    /// What belongs into the hosts file.
    pub fingerprint: Fingerprint,
}

/// Why a key or a certificate cannot be made or read.
#[derive(Debug, Error)]
#[allow(missing_docs)] // the fields are what the message says they are
pub enum IdentityError {
    /// The name would not do as a file name.
    #[error("`{0}` is not a name for a party: use 1 to 64 letters, digits, `-` or `_`")]
    Name(String),
    /// Too long or no time at all.
    #[error("a certificate is valid for 1 to {MAX_YEARS} years, not {0}")]
    Years(u32),
    /// Keys are never overwritten.
    #[error("{} exists already; keys are never overwritten", .0.display())]
    Exists(PathBuf),
    /// A file cannot be read or written.
    #[error("{}: {cause}", .path.display())]
    File { path: PathBuf, cause: io::Error },
    /// Others could use the key.
    #[error("{} can be read by others; its mode is {mode:03o}, run `chmod 600` on it", .path.display())]
    Readable { path: PathBuf, mode: u32 },
    /// Not PEM, or the wrong PEM.
    #[error("there is no {what} in {place}: {cause}")]
    Pem { what: &'static str, place: String, cause: String },
    /// Making the certificate failed.
    #[error("cannot make a certificate: {0}")]
    Make(rcgen::Error),
}

/// Makes a key and a certificate for the party called `name`, valid for `years`, and writes them to `dir/name.key.pem` and
/// `dir/name.cert.pem`. The key can be read by its owner only.
///
/// # Errors
/// A name that is not a plain word, a validity outside 1 to 100 years, files that exist already or cannot be written.
pub fn keygen(dir: &Path, name: &str, years: u32) -> Result<KeyFiles, IdentityError> {
    if !(1..=MAX_YEARS).contains(&years) {
        return Err(IdentityError::Years(years));
    }
    let identity = Identity::generate(name, YEAR * years)?;
    let key = dir.join(format!("{name}.key.pem"));
    let certificate = dir.join(format!("{name}.cert.pem"));
    for path in [&key, &certificate] {
        if path.exists() {
            return Err(IdentityError::Exists(path.clone()));
        }
    }
    fs::create_dir_all(dir).map_err(|cause| IdentityError::File { path: dir.to_owned(), cause })?;
    write_new(&key, identity.key_pem().as_bytes(), 0o600)?;
    write_new(&certificate, identity.certificate_pem().as_bytes(), 0o644)?;
    Ok(KeyFiles { key, certificate, fingerprint: identity.fingerprint() })
}

impl Identity {
    /// A new key with a certificate, in memory only.
    ///
    /// # Errors
    /// A name that is not a plain word.
    pub fn generate(name: &str, validity: Duration) -> Result<Self, IdentityError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !(1..=64).contains(&name.len()) || !name.chars().all(plain) {
            return Err(IdentityError::Name(name.to_owned()));
        }
        let now = SystemTime::now();
        let mut params = CertificateParams::new([]).map_err(IdentityError::Make)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = (now - BACKDATE).into();
        params.not_after = (now + validity).into();
        let key = KeyPair::generate().map_err(IdentityError::Make)?;
        let certificate = params.self_signed(&key).map_err(IdentityError::Make)?;
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        Ok(Self { certificate: certificate.into(), key })
    }

    /// Reads what [`keygen`] wrote.
    ///
    /// # Errors
    /// Files that cannot be read or are not PEM; a key that others can read.
    pub fn load(key: &Path, certificate: &Path) -> Result<Self, IdentityError> {
        check_mode(key)?;
        Self::from_pem(&read(certificate)?, &read(key)?, &|| {
            format!("{} or {}", certificate.display(), key.display())
        })
    }

    /// Reads a key and a certificate from one text, as [`Identity::to_pem`] gives it.
    ///
    /// # Errors
    /// A text without either.
    pub fn parse(pem: &str) -> Result<Self, IdentityError> {
        Self::from_pem(pem.as_bytes(), pem.as_bytes(), &|| "the text given".to_owned())
    }

    /// The key and the certificate in one text, for another process of the same party.
    pub fn to_pem(&self) -> Zeroizing<String> {
        let key = self.key_pem();
        Zeroizing::new([key.as_str(), self.certificate_pem().as_str()].concat())
    }

    /// What the others know the party by.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate)
    }

    fn from_pem(certificate: &[u8], key: &[u8], place: &dyn Fn() -> String) -> Result<Self, IdentityError> {
        let error = |what, cause: rustls::pki_types::pem::Error| IdentityError::Pem {
            what,
            place: place(),
            cause: cause.to_string(),
        };
        Ok(Self {
            certificate: CertificateDer::from_pem_slice(certificate)
                .map_err(|cause| error("certificate", cause))?,
            key: PrivateKeyDer::from_pem_slice(key).map_err(|cause| error("private key", cause))?,
        })
    }

    fn key_pem(&self) -> Zeroizing<String> {
        encode_pem("PRIVATE KEY", self.key.secret_der())
    }

    fn certificate_pem(&self) -> Zeroizing<String> {
        encode_pem("CERTIFICATE", &self.certificate)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.fingerprint())
    }
}

impl Fingerprint {
    /// The fingerprint of a certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

/// Why a text is not a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a fingerprint is `sha256:` and 64 hexadecimal digits")]
pub struct FingerprintError;

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let digits = text.strip_prefix("sha256:").ok_or(FingerprintError)?.as_bytes();
        let (pairs, []) = digits.as_chunks::<2>() else { return Err(FingerprintError) };
        let mut bytes = [0; 32];
        if pairs.len() != bytes.len() {
            return Err(FingerprintError);
        }
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
            let (Some(high), Some(low)) = (high, low) else { return Err(FingerprintError) };
            *byte = (high << 4 | low) as u8;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    fs::read(path).map(Zeroizing::new).map_err(|cause| IdentityError::File { path: path.to_owned(), cause })
}

/// Creates a file that must not exist yet.
fn write_new(path: &Path, content: &[u8], mode: u32) -> Result<(), IdentityError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let written = options.open(path).and_then(|mut file| file.write_all(content));
    written.map_err(|cause| match cause.kind() {
        io::ErrorKind::AlreadyExists => IdentityError::Exists(path.to_owned()),
        _ => IdentityError::File { path: path.to_owned(), cause },
    })
}

/// A key that others can read is no longer the party's own.
fn check_mode(path: &Path) -> Result<(), IdentityError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let meta =
            fs::metadata(path).map_err(|cause| IdentityError::File { path: path.to_owned(), cause })?;
        let mode = meta.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(IdentityError::Readable { path: path.to_owned(), mode });
        }
    }
    Ok(())
}

fn encode_pem(label: &str, der: &[u8]) -> Zeroizing<String> {
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    let pem = Pem::new(label, der);
    let text = Zeroizing::new(pem::encode_config(&pem, config));
    drop(Zeroizing::new(pem.into_contents()));
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keygen_writes_files_that_are_read_back_and_never_overwrites() {
        let dir = tempfile::tempdir().unwrap();
        let files = keygen(dir.path(), "alice", 10).unwrap();
        let identity = Identity::load(&files.key, &files.certificate).unwrap();
        assert_eq!(identity.fingerprint(), files.fingerprint);
        assert_eq!(Identity::parse(&identity.to_pem()).unwrap().fingerprint(), files.fingerprint);

        let before = fs::read(&files.key).unwrap();
        assert!(matches!(keygen(dir.path(), "alice", 10), Err(IdentityError::Exists(_))));
        assert_eq!(fs::read(&files.key).unwrap(), before);
        fs::remove_file(&files.key).unwrap();
        assert!(matches!(keygen(dir.path(), "alice", 10), Err(IdentityError::Exists(_))), "the certificate");
        assert!(!files.key.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_key_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let files = keygen(dir.path(), "bob", 1).unwrap();
        assert_eq!(fs::metadata(&files.key).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&files.key, fs::Permissions::from_mode(0o640)).unwrap();
        let error = Identity::load(&files.key, &files.certificate).unwrap_err();
        assert!(matches!(error, IdentityError::Readable { mode: 0o640, .. }), "{error}");
    }

    #[test]
    fn names_and_years_are_checked() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["", "../alice", "a b", ".", &"x".repeat(65)] {
            assert!(matches!(keygen(dir.path(), name, 1), Err(IdentityError::Name(_))), "{name}");
        }
        for years in [0, 101, u32::MAX] {
            assert!(matches!(keygen(dir.path(), "a", years), Err(IdentityError::Years(_))));
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_text_that_is_not_pem_is_an_error() {
        for text in ["", "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n"] {
            assert!(matches!(Identity::parse(text), Err(IdentityError::Pem { .. })));
        }
    }

    proptest! {
        #[test]
        fn a_fingerprint_is_read_back(bytes: [u8; 32]) {
            let print = Fingerprint(bytes);
            prop_assert_eq!(print.to_string().parse(), Ok(print));
            prop_assert_eq!(print.to_string().replace("sha256:", "").parse::<Fingerprint>(), Err(FingerprintError));
        }

        #[test]
        fn any_text_is_a_fingerprint_or_an_error(text in "(sha256:)?\\PC{0,66}") {
            let _ = text.parse::<Fingerprint>();
        }
    }
}
