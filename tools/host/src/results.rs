//! Where the results of a run go.
//!
//! A run has its directory for itself: it holds a lock on it, which ends with the process, however that ends. Before
//! anything is computed it is tried whether the results fit, and nothing that was there is changed until the
//! run begins. Results are for whoever gave the command: nobody else can read them.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tern_bytecode::program::{Element, Place};
use tern_bytecode::rings::limbs;
use tern_bytecode::{Instr, Program};
use tern_vm::data::{Access, Array, write_atomically};
use tern_vm::machine::Elements;
use tern_vm::net::Party;

/// The file of a run's metrics.
pub const METRICS: &str = "metrics.jsonl";
/// Room for the heads of files, when it is tried whether there is enough.
const HEADS: u64 = 64 << 10;

/// A directory that belongs to this run until the value is dropped.
pub struct Directory {
    path: PathBuf,
    /// Directories that were made for this run, innermost first; those that stay empty are taken away again.
    made: Vec<PathBuf>,
    /// Why other runs cannot be kept away, if they cannot.
    unlocked: Option<String>,
    /// Keeps other runs away; none where the file system has no locks.
    _lock: Option<File>,
}

impl Directory {
    /// Takes a directory, which is made if it is not there.
    ///
    /// # Errors
    /// If it cannot be made, or another run has it.
    pub fn claim(path: &Path) -> anyhow::Result<Directory> {
        let mut made: Vec<PathBuf> = Vec::new();
        let missing = path.ancestors().filter(|p| !p.as_os_str().is_empty());
        made.extend(missing.take_while(|p| !p.exists()).map(Path::to_path_buf));
        let cannot = || format!("cannot write to {}", path.display());
        fs::create_dir_all(path).with_context(cannot)?;
        // From here on, what was made is taken away if this fails.
        let mut directory = Directory { path: path.to_path_buf(), made, unlocked: None, _lock: None };
        let handle = File::open(path).with_context(cannot)?;
        if !handle.metadata().with_context(cannot)?.is_dir() {
            bail!("{} is not a directory", path.display());
        }
        match handle.try_lock() {
            Ok(()) => directory._lock = Some(handle),
            Err(TryLockError::WouldBlock) => {
                directory.made.clear();
                bail!(
                    "another run writes to {}\n   = help: let it end, or give this run a directory of its own: --out DIR",
                    path.display()
                )
            }
            Err(TryLockError::Error(error)) => {
                directory.unlocked = Some(format!(
                    "{} cannot be locked ({error}): see to it that no other run writes there",
                    path.display()
                ));
            }
        }
        Ok(directory)
    }

    /// What to be careful of, if the file system has no locks.
    pub fn warning(&self) -> Option<&str> {
        self.unlocked.as_deref()
    }

    /// Sees whether metrics and so many bytes of results can be written, without changing what is there.
    ///
    /// # Errors
    /// If they cannot.
    pub fn try_out(&self, bytes: u64) -> anyhow::Result<()> {
        let metrics = self.path.join(METRICS);
        if metrics.exists() {
            let opened = File::options().append(true).open(&metrics);
            opened.with_context(|| format!("cannot write {}", metrics.display()))?;
        }
        let trial = self.path.join(format!(".trial.{}.part", std::process::id()));
        let tried = File::create(&trial).and_then(|file| reserve(&file, bytes.saturating_add(HEADS)));
        // It may not have been made.
        let _ = fs::remove_file(&trial);
        tried.with_context(|| {
            format!(
                "{:.1} MB of results cannot be written to {}",
                bytes.saturating_add(HEADS) as f64 / 1e6,
                self.path.display()
            )
        })
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        for path in &self.made {
            // Those with something in them stay.
            if fs::remove_dir(path).is_err() {
                break;
            }
        }
    }
}

/// Asks for room on the disk. File systems that cannot say take what is written, as far as they can.
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
            io::Write::write_all(&mut &*file, &[0; 4096])?;
            let free = rustix::fs::fstatvfs(file).map_or(u64::MAX, |s| s.f_bavail.saturating_mul(s.f_frsize));
            if free < bytes { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }
        other => Ok(other?),
    }
}

/// Bytes of the tensors that a program puts out here: at a party its own, in the emulator all.
pub fn size(program: &Program, me: Option<Party>) -> u64 {
    let model = program.header.protocol.model();
    let element = |to: Place| match (to, me) {
        (Place::Shares | Place::Client(_), Some(me)) if !model.computes(me.index()) => 0,
        (Place::Shares | Place::Client(_), Some(_)) => 16 * u64::from(limbs(program.header.ring)),
        (Place::Party(to), Some(me)) if usize::from(to) != me.index() => 0,
        (_, _) => 8,
    };
    let times = times(program);
    program.outputs.iter().zip(times).fold(0, |sum, (output, times)| {
        let elements = output.shape.iter().fold(1u64, |n, size| n.saturating_mul(u64::from(*size)));
        elements.saturating_mul(element(output.to)).saturating_mul(times).saturating_add(sum)
    })
}

/// A tensor of a result as files hold it: numbers of `frac` fraction bits, whole numbers, truth values.
pub fn array(element: Element, frac: u32, shape: Vec<usize>, elements: Elements<'_>) -> Array {
    let values: Vec<f64> = elements.to_f64(frac).collect();
    match element {
        Element::Fix => Array::new(shape, values),
        Element::Int => Array::new(shape, values.iter().map(|v| *v as i64).collect::<Vec<i64>>()),
        Element::Bool => Array::of_bools(shape, &values.iter().map(|v| *v != 0.0).collect::<Vec<bool>>()),
    }
}

/// How often each output is executed at most.
fn times(program: &Program) -> Vec<u64> {
    let (mut open, mut times) = (vec![1u64], vec![1; program.outputs.len()]);
    for instr in &program.code {
        let around = open.last().copied().unwrap_or(1);
        match *instr {
            Instr::Loop { trips, .. } => open.push(around.saturating_mul(trips.into())),
            Instr::If { .. } => open.push(around),
            Instr::End {} => drop(open.pop()),
            Instr::Output { output, .. } => times[output as usize] = around,
            _ => {}
        }
    }
    times
}

/// Where a result was written.
pub struct Written {
    /// The file.
    pub path: PathBuf,
    /// Why it is not where it should be.
    pub instead: Option<io::Error>,
}

/// Writes a file of a directory, or else one of the same name in a new directory for temporary files: what took hours to compute is
/// not lost for the sake of its place.
///
/// # Errors
/// That of the directory, if the other one fails too.
pub fn write(
    directory: &Path,
    name: &str,
    content: impl Fn(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<Written> {
    let path = directory.join(name);
    let written =
        fs::create_dir_all(directory).and_then(|()| write_atomically(&path, Access::Owner, &content));
    let Err(instead) = written else { return Ok(Written { path, instead: None }) };
    // Only its owner can enter it.
    let other = tempfile::Builder::new().prefix("tern-results-").tempdir().map(tempfile::TempDir::keep);
    let path = other.map(|other| other.join(name));
    match path.and_then(|path| write_atomically(&path, Access::Owner, &content).map(|()| path)) {
        Ok(path) => Ok(Written { path, instead: Some(instead) }),
        Err(_) => Err(instead),
    }
}

/// Gives a file of the same directory another name besides its own, in place of whatever had that name.
///
/// # Errors
/// Those of the file system.
pub fn link(file: &Path, name: &Path) -> io::Result<()> {
    let temporary = name.with_extension(format!("{}.part", std::process::id()));
    // A part of this name is of a process that is gone and had the same number.
    let _ = fs::remove_file(&temporary);
    fs::hard_link(file, &temporary).or_else(|_| match file.file_name() {
        Some(own) if file.parent() == name.parent() => std::os::unix::fs::symlink(own, &temporary),
        _ => fs::copy(file, &temporary).map(drop),
    })?;
    fs::rename(&temporary, name)
}
