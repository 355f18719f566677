//! `tern data mnist`: the four files of MNIST, from a folder or from public mirrors, unpacked and checked.
//!
//! What arrives is believed only if its SHA-256 is the known one, so a mirror need not be trusted. A file appears under
//! its name when it is complete and right; a second run fetches only what is missing.

use anyhow::{Context, Result, anyhow, bail, ensure};
use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};
use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tern_vm::data::{Access, write_atomically};
use ureq::tls::TlsConfig;

/// Where MNIST goes, and where the programs of this repository look for it.
pub const FOLDER: &str = "data/mnist";

/// MNIST: 60,000 images of 28 × 28 bytes for training, 10,000 for testing, and their labels.
pub const MNIST: Dataset<'static> = Dataset {
    files: &[
        Wanted {
            name: "train-images-idx3-ubyte",
            bytes: 47_040_016,
            sha256: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        },
        Wanted {
            name: "train-labels-idx1-ubyte",
            bytes: 60_008,
            sha256: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        },
        Wanted {
            name: "t10k-images-idx3-ubyte",
            bytes: 7_840_016,
            sha256: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        },
        Wanted {
            name: "t10k-labels-idx1-ubyte",
            bytes: 10_008,
            sha256: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
    ],
    mirrors: &[
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ],
};
use crate::say;

/// Files that belong together, and where they can be had.
#[derive(Debug, Clone, Copy)]
pub struct Dataset<'a> {
    /// The files.
    pub files: &'a [Wanted<'a>],
    /// Addresses to which a file's name and `.gz` are appended, tried in this order.
    pub mirrors: &'a [&'a str],
}

/// A file as it must be when it is unpacked.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal digits.
    pub sha256: &'a str,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Where the files are now.
    pub folder: PathBuf,
    /// The files in the order of the data set, and how they came there.
    pub files: Vec<(String, Outcome)>,
}

/// How a file came to be in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was there already, and right.
    Kept,
    /// It was unpacked from this file.
    Copied(PathBuf),
    /// It came from this address.
    Downloaded(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Kept => write!(f, "already there"),
            Outcome::Copied(file) => write!(f, "taken from {}", file.display()),
            Outcome::Downloaded(address) => write!(f, "downloaded from {address}"),
        }
    }
}

/// Who is told how it goes.
pub trait Progress {
    /// A file of so many bytes, unpacked, is being fetched.
    fn begin(&self, file: &str, bytes: u64);
    /// So many more bytes of it are there.
    fn advance(&self, bytes: u64);
    /// It is there.
    fn end(&self);
    /// An attempt failed, but there is another one to make.
    fn warn(&self, text: &str);
}

/// Puts the files of a data set into a folder: from another folder, gzipped or not, or else from its mirrors.
///
/// # Errors
/// A file that is in no such place, or nowhere the right one; the message says of every place what was wrong.
pub fn prepare(
    dataset: &Dataset<'_>,
    from: Option<&Path>,
    to: &Path,
    progress: &dyn Progress,
) -> Result<Summary> {
    fs::create_dir_all(to).with_context(|| format!("the folder {} cannot be made", to.display()))?;
    let mut files = Vec::new();
    for file in dataset.files {
        let outcome = if file.is_at(&to.join(file.name))? {
            Outcome::Kept
        } else {
            progress.begin(file.name, file.bytes);
            match from {
                Some(folder) => Outcome::Copied(copy(file, folder, to, progress)?),
                None => Outcome::Downloaded(download(file, dataset.mirrors, to, progress)?),
            }
        };
        progress.end();
        files.push((file.name.to_string(), outcome));
    }
    Ok(Summary { folder: to.to_path_buf(), files })
}

impl Wanted<'_> {
    /// Whether this very file is there.
    fn is_at(&self, path: &Path) -> Result<bool> {
        match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            opened => {
                let file = opened.with_context(|| format!("{} cannot be read", path.display()))?;
                Ok(self.check(file, &mut io::sink(), &|_| ()).is_ok())
            }
        }
    }

    /// Passes bytes on and makes sure that they are the right ones.
    fn check(&self, mut from: impl Read, to: &mut dyn Write, passed: &dyn Fn(u64)) -> Result<()> {
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        let mut total = 0;
        loop {
            let count = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).context(format!("it broke off after {total} bytes")),
            };
            total += count as u64;
            ensure!(total <= self.bytes, "it has more than {} bytes", self.bytes);
            hash.update(&buffer[..count]);
            to.write_all(&buffer[..count])?;
            passed(count as u64);
        }
        ensure!(total == self.bytes, "it has {total} bytes instead of {}", self.bytes);
        ensure!(hex(&hash.finalize()) == self.sha256, "its SHA-256 is not the known one");
        Ok(())
    }

    /// Unpacks and checks what comes, and puts it into the folder if it is right.
    fn store(&self, from: impl Read, folder: &Path, progress: &dyn Progress) -> Result<()> {
        let mut from = BufReader::new(from);
        let start = from.fill_buf().context("nothing came")?;
        let packed = start.starts_with(&[0x1f, 0x8b]);
        write_atomically(&folder.join(self.name), Access::Everybody, |out| {
            let passed = |bytes| progress.advance(bytes);
            if packed {
                self.check(MultiGzDecoder::new(from), out, &passed)
            } else {
                self.check(from, out, &passed)
            }
        })
    }
}

fn copy(file: &Wanted<'_>, from: &Path, to: &Path, progress: &dyn Progress) -> Result<PathBuf> {
    // Some distributions have a point where the original has a hyphen.
    let dotted = file.name.replace("-idx", ".idx");
    let names = [file.name.to_string(), format!("{}.gz", file.name), dotted.clone(), format!("{dotted}.gz")];
    let Some(path) = names.iter().map(|name| from.join(name)).find(|path| path.is_file()) else {
        bail!("{} has neither {} nor {}", from.display(), names[0], names[1]);
    };
    let opened = File::open(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    file.store(opened, to, progress)
        .with_context(|| format!("{} is not that of the data set", path.display()))?;
    Ok(path)
}

fn download(file: &Wanted<'_>, mirrors: &[&str], to: &Path, progress: &dyn Progress) -> Result<String> {
    let mut failures = String::new();
    for mirror in mirrors {
        let address = format!("{mirror}{}.gz", file.name);
        match request(&address).and_then(|body| file.store(body, to, progress)) {
            Ok(()) => return Ok(address),
            Err(error) => {
                let failure = format!("{address}: {error:#}");
                progress.warn(&failure);
                progress.begin(file.name, file.bytes);
                // Writing to a string does not fail.
                let _ = write!(failures, "\n  {failure}");
            }
        }
    }
    Err(anyhow!(
        "{} could not be downloaded{failures}\nget the files in another way, and then:  tern data mnist --from FOLDER",
        file.name
    ))
}

fn request(address: &str) -> Result<impl Read> {
    let patience = Some(Duration::from_secs(30));
    let config = ureq::Agent::config_builder().timeout_connect(patience).timeout_recv_response(patience);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = TlsConfig::builder().unversioned_rustls_crypto_provider(provider).build();
    let agent: ureq::Agent = config.timeout_per_read(patience).tls_config(tls).build().into();
    Ok(agent.get(address).call()?.into_body().into_reader())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A bar in the terminal; where standard error is no terminal, only warnings.
#[derive(Debug, Default)]
pub struct Bar {
    current: Mutex<Option<ProgressBar>>,
}

impl Bar {
    fn with(&self, act: impl FnOnce(&ProgressBar)) {
        // A poisoned lock still holds a bar.
        let current = self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(bar) = &*current {
            act(bar);
        }
    }
}

impl Progress for Bar {
    fn begin(&self, file: &str, bytes: u64) {
        let style = ProgressStyle::with_template(
            "{msg:26} {bar:30} {bytes:>10} of {total_bytes:>10} {bytes_per_sec:>12}",
        );
        let bar = ProgressBar::new(bytes).with_message(file.to_string());
        let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let mut current = self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(previous) = current.replace(bar) {
            previous.finish_and_clear();
        }
    }

    fn advance(&self, bytes: u64) {
        self.with(|bar| bar.inc(bytes));
    }

    fn end(&self) {
        self.with(ProgressBar::finish_and_clear);
    }

    fn warn(&self, text: &str) {
        self.with(|bar| bar.suspend(|| say::errln(format_args!("warning: {text}"))));
    }
}
