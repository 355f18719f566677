//! `tern data`: the files of a data set, from a folder or from public mirrors, unpacked and checked.
//!
//! What arrives is believed only if its SHA-256 is the known one, so a mirror need not be trusted. A file appears under
//! its name when it is complete and right; a second run fetches only what is missing.

use anyhow::{Context, Result, anyhow, bail, ensure};
use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tern_vm::data::{Access, write_atomically};
use ureq::tls::TlsConfig;

use crate::{say, tar};

/// Files that belong together, and where they can be had.
#[derive(Debug, Clone, Copy)]
pub struct Dataset<'a> {
    /// What `tern data` calls it.
    pub name: &'a str,
    /// The files.
    pub files: &'a [Wanted<'a>],
    /// The archive that holds all of them; without one, each is packed for itself.
    pub archive: Option<Archive<'a>>,
    /// Addresses to which the archive's name is appended, or a file's and `.gz`, tried in this order.
    pub mirrors: &'a [&'a str],
}

/// A gzipped tar archive.
#[derive(Debug, Clone, Copy)]
pub struct Archive<'a> {
    /// Its name.
    pub name: &'a str,
    /// The folder in it where the files are.
    pub folder: &'a str,
    /// Where people find it.
    pub page: &'a str,
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
    let mut missing = Vec::new();
    for file in dataset.files {
        if !file.is_at(&to.join(file.name))? {
            missing.push(file);
        }
    }
    let mut found = match (from, dataset.archive) {
        _ if missing.is_empty() => Outcomes::new(),
        (Some(folder), archive) => copy_all(&missing, archive, folder, to, progress)?,
        (None, Some(archive)) => download_archive(dataset, archive, &missing, to, progress)?,
        (None, None) => download_each(dataset, &missing, to, progress)?,
    };
    let mut outcome = |name| found.remove(name).unwrap_or(Outcome::Kept);
    let files = dataset.files.iter().map(|file| (file.name.to_string(), outcome(file.name))).collect();
    Ok(Summary { folder: to.to_path_buf(), files })
}

/// How files came to be in their places, by name.
type Outcomes = BTreeMap<String, Outcome>;

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

/// From a folder: as files of their own, or from the archive there.
fn copy_all(
    missing: &[&Wanted<'_>],
    archive: Option<Archive<'_>>,
    folder: &Path,
    to: &Path,
    progress: &dyn Progress,
) -> Result<Outcomes> {
    let packed = archive.map(|archive| folder.join(archive.name)).filter(|path| path.is_file());
    if let (Some(archive), Some(path)) = (archive, packed) {
        let opened = File::open(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        unpack(archive, opened, missing, to, progress)
            .with_context(|| format!("{} is not that of the data set", path.display()))?;
        return Ok(missing
            .iter()
            .map(|file| (file.name.to_string(), Outcome::Copied(path.clone())))
            .collect());
    }
    let mut outcomes = Outcomes::new();
    for file in missing {
        progress.begin(file.name, file.bytes);
        outcomes.insert(file.name.to_string(), Outcome::Copied(copy(file, archive, folder, to, progress)?));
        progress.end();
    }
    Ok(outcomes)
}

fn copy(
    file: &Wanted<'_>,
    archive: Option<Archive<'_>>,
    from: &Path,
    to: &Path,
    progress: &dyn Progress,
) -> Result<PathBuf> {
    // Some distributions have a point where the original has a hyphen.
    let dotted = file.name.replace("-idx", ".idx");
    let names = [file.name.to_string(), format!("{}.gz", file.name), dotted.clone(), format!("{dotted}.gz")];
    let folders = [Some(from.to_path_buf()), archive.map(|archive| from.join(archive.folder))];
    let mut paths =
        folders.iter().flatten().flat_map(|folder| names.iter().map(move |name| folder.join(name)));
    let Some(path) = paths.find(|path| path.is_file()) else {
        let packed = archive.map_or_else(|| names[1].clone(), |archive| archive.name.to_string());
        bail!("{} has neither {} nor {packed}", from.display(), names[0]);
    };
    let opened = File::open(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    file.store(opened, to, progress)
        .with_context(|| format!("{} is not that of the data set", path.display()))?;
    Ok(path)
}

/// Puts those files of an archive into the folder that are missing there.
fn unpack(
    archive: Archive<'_>,
    from: impl Read,
    missing: &[&Wanted<'_>],
    to: &Path,
    progress: &dyn Progress,
) -> Result<()> {
    let mut left: Vec<&Wanted<'_>> = missing.to_vec();
    tar::each_file(MultiGzDecoder::new(BufReader::new(from)), |path, _, content| {
        let name = path.trim_start_matches("./").strip_prefix(archive.folder).unwrap_or(path);
        let Some(at) = left.iter().position(|file| file.name == name.trim_start_matches('/')) else {
            return Ok(());
        };
        let file = left.remove(at);
        progress.begin(file.name, file.bytes);
        file.store(content, to, progress).context(file.name.to_string())?;
        progress.end();
        Ok(())
    })?;
    match left.first() {
        Some(file) => bail!("there is no {} in it", file.name),
        None => Ok(()),
    }
}

fn download_archive(
    dataset: &Dataset<'_>,
    archive: Archive<'_>,
    missing: &[&Wanted<'_>],
    to: &Path,
    progress: &dyn Progress,
) -> Result<Outcomes> {
    let fetch = |address: &str| unpack(archive, request(address)?, missing, to, progress);
    let way_out = format!(
        "get it in another way ({}), put it into a folder, and then:  tern data {} --from FOLDER",
        archive.page, dataset.name
    );
    let address = from_mirrors(dataset, archive.name, &way_out, progress, &fetch)?;
    Ok(missing.iter().map(|file| (file.name.to_string(), Outcome::Downloaded(address.clone()))).collect())
}

fn download_each(
    dataset: &Dataset<'_>,
    missing: &[&Wanted<'_>],
    to: &Path,
    progress: &dyn Progress,
) -> Result<Outcomes> {
    let mut outcomes = Outcomes::new();
    let way_out =
        format!("get the files in another way, and then:  tern data {} --from FOLDER", dataset.name);
    for file in missing {
        let fetch = |address: &str| {
            progress.begin(file.name, file.bytes);
            file.store(request(address)?, to, progress)
        };
        let address = from_mirrors(dataset, &format!("{}.gz", file.name), &way_out, progress, &fetch)?;
        progress.end();
        outcomes.insert(file.name.to_string(), Outcome::Downloaded(address));
    }
    Ok(outcomes)
}

/// Tries the mirrors in turn: the address that served.
fn from_mirrors(
    dataset: &Dataset<'_>,
    name: &str,
    way_out: &str,
    progress: &dyn Progress,
    fetch: &dyn Fn(&str) -> Result<()>,
) -> Result<String> {
    let mut failures = String::new();
    for mirror in dataset.mirrors {
        let address = format!("{mirror}{name}");
        match fetch(&address) {
            Ok(()) => return Ok(address),
            Err(error) => {
                let failure = format!("{address}: {error:#}");
                progress.warn(&failure);
                // Writing to a string does not fail.
                let _ = write!(failures, "\n  {failure}");
            }
        }
    }
    let name = name.strip_suffix(".gz").filter(|_| dataset.archive.is_none()).unwrap_or(name);
    Err(anyhow!("{name} could not be downloaded{failures}\n{way_out}"))
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
