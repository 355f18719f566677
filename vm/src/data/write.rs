//! Files that are there completely or not at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter};
use std::path::Path;

/// Who can read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Its owner: data and results.
    Owner,
    /// As the system has it, usually everybody: what is public anyway.
    Everybody,
}

impl Access {
    /// A file that is not there yet.
    fn create(self, path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        if self == Access::Owner {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        options.open(path)
    }
}

/// Writes a file under a temporary name beside it and renames it when it is complete and on the disk. A file that was
/// there before stays until then, and for good if anything fails. A link stays a link: what it leads to is replaced. A device or a pipe
/// (`/dev/null`, `/dev/stdout`) is not replaced by a file, even where the user may do so: it is written to.
///
/// # Errors
/// Those of the file system and of `write`.
pub fn write_atomically<E: From<io::Error>>(
    path: &Path,
    access: Access,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), E>,
) -> Result<(), E> {
    let target = fs::canonicalize(path);
    let path = target.as_deref().unwrap_or(path);
    if fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        return write_into(OpenOptions::new().write(true).open(path)?, write).map(drop);
    }
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.part", std::process::id()));
    let temporary = path.with_file_name(temporary);
    let result = write_whole(&temporary, access, write).and_then(|()| Ok(fs::rename(&temporary, path)?));
    if result.is_err() {
        // The error that is reported is the first one; a part that stays behind is only untidy.
        let _ = fs::remove_file(&temporary);
    }
    result
}

fn write_whole<E: From<io::Error>>(
    path: &Path,
    access: Access,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), E>,
) -> Result<(), E> {
    // A part of this name is of a process that is gone and had the same number.
    let _ = fs::remove_file(path);
    Ok(write_into(access.create(path)?, write)?.sync_all()?)
}

fn write_into<E: From<io::Error>>(
    file: File,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), E>,
) -> Result<File, E> {
    let mut out = BufWriter::new(file);
    write(&mut out)?;
    Ok(out.into_inner().map_err(io::IntoInnerError::into_error)?)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_failure_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        write_atomically(&path, Access::Everybody, |out| out.write_all(b"old")).unwrap();
        let failed = write_atomically(&path, Access::Everybody, |out| {
            out.write_all(b"new")?;
            Err(io::Error::from(io::ErrorKind::TimedOut))
        });
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        write_atomically(&path, Access::Everybody, |out| out.write_all(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let [path, link] = ["x", "link"].map(|name| folder.path().join(name));
        fs::write(&path, b"old").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write_atomically(&link, Access::Everybody, |out| out.write_all(b"new")).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_written_to_and_stays() {
        use std::io::Read;
        use std::os::unix::fs::FileTypeExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        // Open for both, so that neither end waits for the other.
        let mut pipe = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        write_atomically(&path, Access::Everybody, |out| out.write_all(b"new")).unwrap();
        assert!(fs::metadata(&path).unwrap().file_type().is_fifo());
        let mut bytes = [0; 3];
        pipe.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"new");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_for_its_owner_is_so_whatever_was_there_before() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        write_atomically(&path, Access::Everybody, |out| out.write_all(b"old")).unwrap();
        assert_ne!(mode(), 0o600);
        write_atomically(&path, Access::Owner, |out| out.write_all(b"new")).unwrap();
        assert_eq!(mode(), 0o600);
    }
}
