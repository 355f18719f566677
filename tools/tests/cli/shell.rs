//! The `tern` command in a folder of its own, with a transcript of what was said.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder, and the transcript of the commands that ran in it.
pub struct Shell {
    folder: tempfile::TempDir,
    /// Every command with what it printed and how it ended.
    pub transcript: String,
}

impl Shell {
    pub fn new() -> Shell {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        Shell { folder, transcript: String::new() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).expect("there is room for a file");
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub fn make_folder(&self, name: &str) {
        std::fs::create_dir(self.path(name)).expect("there is room for a folder");
    }

    /// Runs a command that must fail without a panic.
    pub fn refuses(&mut self, args: &str) {
        self.refused(args);
    }

    /// The same; gives what it said on standard error.
    pub fn refused(&mut self, args: &str) -> String {
        let (code, out, err) = self.run(args);
        assert!(matches!(code, Some(1 | 2)), "tern {args} ends with {code:?}:\n{out}{err}");
        assert!(!err.contains("panicked"), "tern {args}:\n{err}");
        err
    }

    /// Runs a command that must succeed; gives what it printed on standard output.
    pub fn succeeds(&mut self, args: &str) -> String {
        let (code, out, err) = self.run(args);
        assert_eq!(code, Some(0), "tern {args}:\n{out}{err}");
        out
    }

    /// Runs a command of words that contain no spaces.
    pub fn run(&mut self, args: &str) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tern"));
        command.args(args.split_whitespace()).current_dir(self.folder.path());
        command.env("XDG_STATE_HOME", self.folder.path().join("state"));
        let output = command.output().expect("the command was built with its tests");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("messages are UTF-8");
        let (out, err) = (text(output.stdout), text(output.stderr));
        let code = output.status.code();
        self.transcript += &format!("$ tern {args}\n{}{}", without_times(&out), without_times(&err));
        if code != Some(0) {
            self.transcript += &format!("[{}]\n", code.map_or("killed".into(), |c| c.to_string()));
        }
        self.transcript.push('\n');
        (code, out, err)
    }
}

/// Output without what differs between runs: seconds.
fn without_times(text: &str) -> String {
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let is_time = |i: usize| {
            words[i].parse::<f64>().is_ok()
                && words.get(i + 1).is_some_and(|w| w.trim_end_matches(';') == "s")
        };
        let shown: Vec<&str> = (0..words.len()).map(|i| if is_time(i) { "…" } else { words[i] }).collect();
        shown.join(" ") + "\n"
    };
    text.lines().map(line).collect()
}

/// A file of the repository.
pub fn repository(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.join(path).to_str().expect("the repository's path is UTF-8").to_string()
}
