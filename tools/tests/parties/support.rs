//! Processes, directories, ports.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Seconds that parties wait for each other in these tests.
pub const TIMEOUT: u64 = 3;
/// A run that takes longer has hung.
const HUNG: Duration = Duration::from_secs(90);

/// Publishes a number at once, then computes for as many steps as it is told.
pub const PROGRAM: &str = "
const STEPS = arg(2)

input x: fix[4, 2] from party 0
input y: fix[4, 2] from party 1

fn main() {
    metric(\"begun\", reveal(sum(x)))
    var z = x
    for step in 0..STEPS {
        z = z * y
    }
    metric(\"sum\", reveal(sum(z)))
    output product = z to party 2
}
";
/// More steps than any test waits for.
pub const ENDLESS: &str = "STEPS=100000000";
const X: &str = "0.5,1\n1.5,2\n-2.5,3\n3.5,-4\n";
const Y: &str = "1,-1\n0.5,1\n1,0.25\n-1,1\n";

pub fn tern() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tern"));
    // Which programs were emulated is remembered in a place of these tests, not in the home of whoever runs them.
    command.env("XDG_STATE_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/state"));
    command
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Three directories, one per party, with a key each, the same hosts file, and own data.
pub struct World {
    dir: TempDir,
    /// Where each party listens.
    pub ports: [u16; 3],
    /// What each party runs.
    pub programs: [PathBuf; 3],
}

impl World {
    pub fn new(args: &[&str]) -> World {
        let dir = TempDir::new().expect("a temporary directory");
        let ports = [free_port(), free_port(), free_port()];
        let mut hosts = String::new();
        for (party, port) in ports.into_iter().enumerate() {
            hosts += &keygen(&dir.path().join(party.to_string()), party, port);
        }
        let programs = [0, 1, 2].map(|party| dir.path().join(format!("{party}/prog.tbc")));
        let world = World { dir, ports, programs };
        for party in 0..3 {
            fs::write(world.path(party, "hosts.toml"), &hosts).unwrap();
        }
        fs::write(world.path(0, "x.csv"), X).unwrap();
        fs::write(world.path(1, "y.csv"), Y).unwrap();
        for party in 0..3 {
            world.compile(party, PROGRAM, args);
        }
        world
    }

    pub fn path(&self, party: usize, file: &str) -> PathBuf {
        self.dir.path().join(party.to_string()).join(file)
    }

    /// Gives a party a program of its own.
    pub fn compile(&self, party: usize, text: &str, args: &[&str]) {
        let source = self.path(party, "prog.mpc");
        fs::write(&source, text).unwrap();
        let mut command = tern();
        command.arg("compile").arg(&source);
        for arg in args {
            command.args(["--arg", arg]);
        }
        let output = command.output().expect("the compiler runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The command line of a party.
    pub fn command(&self, party: usize) -> Command {
        self.patient_command(party, TIMEOUT)
    }

    /// The same, with seconds that it waits for the others.
    pub fn patient_command(&self, party: usize, timeout: u64) -> Command {
        let mut command = tern();
        command.arg("run").arg(&self.programs[party]);
        command.args(["--party", &party.to_string(), "--timeout", &timeout.to_string()]);
        command.arg("--hosts").arg(self.path(party, "hosts.toml")).arg("--out").arg(self.path(party, "out"));
        match party {
            0 => command.arg("--input").arg(format!("x={}", self.path(0, "x.csv").display())),
            1 => command.arg("--input").arg(format!("y={}", self.path(1, "y.csv").display())),
            _ => &mut command,
        };
        command
    }

    pub fn start(&self, party: usize) -> Process {
        Process::start(&mut self.command(party))
    }

    pub fn start_all(&self) -> [Process; 3] {
        [0, 1, 2].map(|party| self.start(party))
    }

    /// Whether a party has written any result.
    pub fn has_output(&self, party: usize) -> bool {
        let files = fs::read_dir(self.path(party, "out")).into_iter().flatten().flatten();
        files.into_iter().any(|file| file.file_name() != "metrics.jsonl")
    }
}

/// Makes a key and returns the entry of the hosts file.
pub fn keygen(dir: &Path, party: usize, port: u16) -> String {
    let name = ["alice", "bob", "carol", "dave"][party];
    let address = format!("127.0.0.1:{port}");
    let output = tern().args(["keygen", name, "--address", &address, "--dir"]).arg(dir).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A port below those that the system gives to outgoing connections, and not given before by this process.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add((std::process::id() * 61) as u16);
        let port = 12_000 + offset % 20_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Whether a process is over, with all of its threads: the first may have ended before the others, and what they share (files, ports) goes with the last.
pub fn has_ended(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let first = stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with('Z'));
    first && fs::read_dir(format!("/proc/{process}/task")).map_or(0, Iterator::count) <= 1
}

/// A process that does not outlive the test.
pub struct Process {
    child: Child,
    out: BufReader<ChildStdout>,
    /// What was read from its standard output before it ended.
    read: String,
}

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Process {
    pub fn start(command: &mut Command) -> Process {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("tern starts");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        Process { child, out, read: String::new() }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a line of its standard output contains `text`.
    pub fn wait_for(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            let count = self.out.read_line(&mut line).unwrap();
            self.read += &line;
            if count == 0 {
                let errors = self.errors();
                panic!("no {text:?} in {:?} before {errors:?}", self.read);
            }
        }
    }

    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.id().to_string()]).status().expect("kill");
        assert!(status.success());
    }

    /// Whether it is over; it is not waited for.
    pub fn has_ended(&self) -> bool {
        has_ended(self.id())
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > HUNG {
                let _ = self.child.kill();
                let _ = self.out.read_to_string(&mut self.read);
                let errors = self.errors();
                panic!("a process hangs; {}{errors}", self.read);
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let err = self.errors();
        self.out.read_to_string(&mut self.read).unwrap();
        Ended { status, out: std::mem::take(&mut self.read), err }
    }

    /// What it has written to standard error, once it has ended.
    fn errors(&mut self) -> String {
        let mut err = String::new();
        if let Some(mut pipe) = self.child.stderr.take() {
            pipe.read_to_string(&mut err).unwrap();
        }
        err
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the ends of all before it looks at any: the party that fails first is seldom the one that is to blame.
pub fn all_succeed(parties: [Process; 3]) -> [Ended; 3] {
    let ended = parties.map(Process::end);
    assert!(ended.iter().all(|ended| ended.status.success()), "{ended:#?}");
    ended
}

impl Ended {
    /// The run came to its end.
    pub fn expect_success(self) -> Ended {
        assert!(self.status.success(), "{self:#?}");
        self
    }

    /// The run failed in an orderly way, with a single error that contains all of `texts`.
    pub fn expect_failure(&self, texts: &[&str]) {
        assert_eq!(self.status.code(), Some(1), "{self:#?}");
        assert!(!self.err.contains("panicked"), "{self:#?}");
        let errors: Vec<&str> = self.err.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{self:#?}");
        for text in texts {
            assert!(errors[0].contains(text), "no {text:?} in {self:#?}");
        }
    }

    /// The last event of a run with `--json`.
    pub fn done(&self) -> Value {
        let done: Value = serde_json::from_str(self.out.lines().last().unwrap_or("")).expect("an event");
        assert_eq!(done["event"], "done");
        done
    }
}
