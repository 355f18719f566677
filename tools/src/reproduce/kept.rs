//! Results that are kept: one directory per run, called after everything that the result depends on. A measurement that is finished has `done.json`; a training
//! has its metrics, from which it can be seen how far it came.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use tern_bytecode::Program;

/// The directory of a run.
pub(super) struct Kept {
    directory: PathBuf,
}

impl Kept {
    /// The directory in `out` of running programs on these data files with a seed, the name being for people. A program with the same code has the same
    /// directory, wherever its lines stand in the source.
    ///
    /// # Errors
    /// Data that cannot be read.
    pub(super) fn new(
        out: &Path,
        name: &str,
        programs: &[&Program],
        data: &[PathBuf],
        seed: u64,
    ) -> anyhow::Result<Kept> {
        let mut hash = Sha256::new();
        for program in programs {
            hash.update(identity(program));
        }
        hash.update(seed.to_le_bytes());
        for path in data {
            let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            hash.update(Sha256::digest(bytes));
        }
        let key: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let directory = out.join("runs").join(format!("{name}-{key}"));
        std::fs::create_dir_all(&directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        Ok(Kept { directory })
    }

    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.directory.join(file)
    }

    /// The result, if the run is finished. One that cannot be read, from another version for example, is as good as none.
    pub(super) fn result<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&std::fs::read(self.path("done.json")).ok()?).ok()
    }

    /// Marks the run as finished.
    pub(super) fn finish(&self, result: &impl Serialize) -> anyhow::Result<()> {
        super::write(&self.path("done.json"), &serde_json::to_string(result)?)
    }
}

/// The program as bytes, without what changes no result: where it stands in the source, and what range mode looks at.
fn identity(program: &Program) -> Vec<u8> {
    let mut bare = program.clone();
    bare.lines.clear();
    bare.files.clear();
    bare.ranges.clear();
    tern_bytecode::encode(&bare)
}
