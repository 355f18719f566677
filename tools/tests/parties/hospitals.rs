//! docs/two-hospitals.md, literally: six people with a directory each, which hold nothing but their own key. What the data are is nowhere at the
//! servers: not in a file, not in their memory while they serve and compute, not in what they are sent.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;
use tern_vm::data::{Source, Values, read};

use crate::support::{Process, free_port, root, tern};

const PEOPLE: [&str; 6] = ["alice", "bob", "carol", "north", "south", "analyst"];
const SERVERS: [&str; 3] = ["alice", "bob", "carol"];
/// A patient of the northern hospital whom nobody may find.
const PLANTED: [f64; 3] = [1.7320508075, -0.8284271247, 0.6180339887];

/// Everybody's directory.
struct World {
    dir: TempDir,
    /// By the addresses of the page, where that is here.
    addresses: BTreeMap<String, String>,
    /// Where these are reached by others: all that is said to a server passes a tap.
    taps: BTreeMap<String, String>,
    wire: Wire,
}

/// What has passed, by connection and direction, with the address to which the connection led.
type Wire = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// What stands between fences of this kind.
fn fenced(text: &str, kind: &str) -> Vec<String> {
    let open = format!("```{kind}\n");
    let rest = text.split(&open).skip(1);
    rest.map(|rest| rest.split("\n```").next().unwrap_or_default().to_string() + "\n").collect()
}

impl World {
    fn new(program: &str) -> World {
        let dir = TempDir::new().unwrap();
        let mut addresses = BTreeMap::new();
        for server in SERVERS {
            for port in [7000, 7100] {
                let here = format!("127.0.0.1:{}", free_port());
                addresses.insert(format!("{server}.example.org:{port}"), here);
            }
        }
        for person in PEOPLE {
            fs::create_dir(dir.path().join(person)).unwrap();
            fs::write(dir.path().join(person).join("study.mpc"), program).unwrap();
        }
        let wire = Wire::default();
        let taps = addresses.values().map(|here| (here.clone(), tap(here.clone(), wire.clone()))).collect();
        World { dir, addresses, taps, wire }
    }

    fn path(&self, person: &str, file: &str) -> PathBuf {
        self.dir.path().join(person).join(file)
    }

    /// The entries of all, in order. Everybody knows others by wires that are listened to, and itself as it is.
    fn write_hosts(&self) {
        let entries: String =
            PEOPLE.iter().map(|p| fs::read_to_string(self.path(p, "entry.toml")).unwrap()).collect();
        for person in PEOPLE {
            let mut text = entries.clone();
            for (name, here) in &self.addresses {
                if !name.starts_with(person) {
                    text = text.replace(&format!("\"{here}\""), &format!("\"{}\"", self.taps[here]));
                }
            }
            fs::write(self.path(person, "hosts.toml"), text).unwrap();
        }
    }

    /// Nothing of the planted patient has passed, and whatever should have passed has.
    fn assert_that_nothing_was_heard(&self) {
        let wire = self.wire.lock().unwrap();
        for (name, here) in &self.addresses {
            let passed = wire.iter().filter(|(to, _)| to == here);
            let bytes: usize = passed.map(|(_, bytes)| bytes.len()).sum();
            // nobody has to dial the first party
            assert!(bytes > 4000 || name == "alice.example.org:7000", "{bytes} bytes to {name}");
        }
        for (to, bytes) in wire.iter() {
            assert_eq!(found(bytes), None, "what was said over a connection to {to}");
        }
    }

    /// A command of the page: `north$ tern … > file`.
    fn command(&self, line: &str) -> (String, Command, Option<PathBuf>) {
        let (person, command) = line.split_once("$ tern ").unwrap();
        let (command, to) = command.split_once(" > ").map_or((command, None), |(c, to)| (c, Some(to)));
        let mut words: Vec<String> = command.trim_end_matches(" &").split(' ').map(str::to_string).collect();
        for word in &mut words {
            if let Some(here) = self.addresses.get(word) {
                word.clone_from(here);
            }
        }
        let mut tern = tern();
        tern.args(words).current_dir(self.dir.path().join(person));
        (person.to_string(), tern, to.map(|to| self.path(person, to)))
    }
}

/// Lets connections through to an address, and keeps what passes: where it listens.
fn tap(address: String, wire: Wire) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = listener.local_addr().unwrap().to_string();
    let pass = |mut from: TcpStream, mut to: TcpStream, address: &str, wire: &Wire| {
        let wire = wire.clone();
        let number = {
            let mut wire = wire.lock().unwrap();
            wire.push((address.to_string(), Vec::new()));
            wire.len() - 1
        };
        thread::spawn(move || {
            let mut room = [0; 1 << 14];
            while let Ok(count @ 1..) = from.read(&mut room) {
                wire.lock().unwrap()[number].1.extend_from_slice(&room[..count]);
                if to.write_all(&room[..count]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(std::net::Shutdown::Both);
        });
    };
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(&address) else { continue };
            pass(client.try_clone().unwrap(), server.try_clone().unwrap(), &address, &wire);
            pass(server, client, &address, &wire);
        }
    });
    here
}

/// The planted patient as it can be written down: text, doubles, and fixed point of 16 bits in words of a ring or of 128 bits.
fn patterns() -> Vec<(&'static str, Vec<u8>)> {
    let fixed = PLANTED.map(|x| (x * 65536.0 + 0.5).floor() as i64);
    let mut all = vec![
        ("words of 64 bits", fixed.iter().flat_map(|x| x.to_le_bytes()).collect()),
        ("words of 128 bits", fixed.iter().flat_map(|x| i128::from(*x).to_le_bytes()).collect()),
    ];
    for x in PLANTED {
        all.push(("text", x.to_string().into_bytes()));
        all.push(("doubles", x.to_le_bytes().to_vec()));
    }
    all
}

/// As what the planted patient stands in these bytes.
fn found(bytes: &[u8]) -> Option<&'static str> {
    let patterns = patterns();
    let mut begins = [false; 256];
    patterns.iter().for_each(|(_, pattern)| begins[usize::from(pattern[0])] = true);
    let at = |i: usize| patterns.iter().find(|(_, pattern)| bytes[i..].starts_with(pattern));
    let candidates = bytes.iter().enumerate().filter(|(_, byte)| begins[usize::from(**byte)]);
    candidates.into_iter().find_map(|(i, _)| at(i)).map(|(what, _)| *what)
}

/// All that a process has in memory, if the system shows it.
fn memory(id: u32) -> Option<Vec<u8>> {
    use std::os::unix::fs::FileExt;
    let maps = fs::read_to_string(format!("/proc/{id}/maps")).ok()?;
    let memory = fs::File::open(format!("/proc/{id}/mem")).ok()?;
    let mut all = Vec::new();
    for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|mode| mode.starts_with("rw")))
    {
        let (start, end) = line.split(' ').next()?.split_once('-')?;
        let [start, end] = [start, end].map(|digits| u64::from_str_radix(digits, 16).unwrap());
        // Pages that were never written cannot be read in one piece, and are empty.
        let mut page = vec![0; 1 << 16];
        let mut at = start;
        while at < end {
            let most = page.len().min((end - at) as usize);
            match memory.read_at(&mut page[..most], at) {
                Ok(count @ 1..) => {
                    if page[..count].iter().any(|byte| *byte != 0) {
                        all.extend_from_slice(&page[..count]);
                    }
                    at += count as u64;
                }
                _ => at += most as u64,
            }
        }
    }
    Some(all)
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Measurements of patients, and whether they were helped; what a table says.
fn table(seed: u64, count: usize) -> (String, String, Vec<([f64; 3], f64)>) {
    let mut state = seed;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // multiples of 2^-10, which f = 16 holds exactly
        ((state >> 52) as f64 - 2048.0) / 1024.0
    };
    let mut rows = Vec::new();
    for i in 0..count {
        let x = if i == 7 && seed == 1 { PLANTED } else { [draw(), draw(), draw()] };
        rows.push((x, f64::from(u8::from(x[0] - 0.5 * x[1] > 0.0))));
    }
    let measured = rows.iter().map(|(x, _)| format!("{},{},{}\n", x[0], x[1], x[2])).collect();
    let helped = rows.iter().map(|(_, y)| format!("{y}\n")).collect();
    (measured, helped, rows)
}

/// The page's program in double precision.
fn trained(rows: &[([f64; 3], f64)]) -> [f64; 3] {
    let mut weights = [0.0; 3];
    for _ in 0..60 {
        let mut gradient = [0.0; 3];
        for (x, y) in rows {
            let z: f64 = x.iter().zip(&weights).map(|(x, w)| x * w).sum();
            let error = 1.0 / (1.0 + (-z).exp()) - y;
            gradient.iter_mut().zip(x).for_each(|(g, x)| *g += x * error / rows.len() as f64);
        }
        weights.iter_mut().zip(gradient).for_each(|(w, g)| *w -= g);
    }
    weights
}

#[test]
fn the_page_does_what_it_says() {
    let page = fs::read_to_string(root().join("docs/two-hospitals.md")).unwrap();
    let world = World::new(&fenced(&page, "tern")[0]);
    let (measured, helped, mut rows) = table(1, 24);
    fs::write(world.path("north", "measured.csv"), measured).unwrap();
    fs::write(world.path("north", "helped.csv"), helped).unwrap();
    let (measured, helped, more) = table(2, 16);
    fs::write(world.path("south", "measured.csv"), measured).unwrap();
    fs::write(world.path("south", "helped.csv"), helped).unwrap();
    rows.extend(more);
    assert!(found(&fs::read(world.path("north", "measured.csv")).unwrap()).is_some());

    let lines: Vec<String> =
        fenced(&page, "console").iter().flat_map(|b| b.lines()).map(str::to_string).collect();
    let mut servers: Vec<(String, Process)> = Vec::new();
    let mut runs: Vec<(String, Process)> = Vec::new();
    for line in &lines {
        let (person, mut command, to) = world.command(line);
        if line.contains("$ tern serve") && !world.path("alice", "hosts.toml").exists() {
            world.write_hosts();
        }
        if line.ends_with(" &") {
            let serves = line.contains("$ tern serve");
            let mut process = Process::start(&mut command);
            if serves {
                process.wait_for("serving clients at");
            }
            if serves { &mut servers } else { &mut runs }.push((person, process));
            continue;
        }
        if line.contains("$ tern receive") {
            runs[0].1.wait_for("step");
            runs.iter().for_each(|(_, run)| run.signal("-STOP"));
            see_that_servers_know_nothing(&world, &servers, &runs);
            runs.iter().for_each(|(_, run)| run.signal("-CONT"));
            runs.drain(..).for_each(|(_, run)| drop(run.end().expect_success()));
        }
        let ended = Process::start(&mut command).end().expect_success();
        if line.contains("$ tern cost") {
            // 24 rows of 3 and of 1, of 64 bits, to two servers each
            for text in ["client north to party 1: 6,144 bits", "weights to client analyst: 3 numbers, once"]
            {
                assert!(ended.out.contains(text), "{ended:#?}");
            }
            assert!(!ended.out.contains("to everybody"), "{ended:#?}");
        }
        to.into_iter().for_each(|to| fs::write(to, &ended.out).unwrap());
    }

    let weights =
        match read(&Source::member(world.path("analyst", "result/weights.npz"), "weights"), "weights")
            .unwrap()
            .into_values()
        {
            Values::F64(values) => values,
            other => panic!("{other:?}"),
        };
    let expected = trained(&rows);
    for (weight, expected) in weights.iter().zip(expected) {
        assert!((weight - expected).abs() < 0.01, "{weights:?}, expected {expected:?}");
    }
    for (server, process) in &servers {
        assert_eq!(memory(process.id()).as_deref().and_then(found), None, "memory of {server}");
    }
    for server in SERVERS {
        for file in files(&world.path(server, "")) {
            assert_eq!(found(&fs::read(&file).unwrap()), None, "{}", file.display());
        }
        let keys =
            files(&world.path(server, "")).into_iter().filter(|p| p.to_string_lossy().ends_with(".key.pem"));
        assert_eq!(keys.count(), 1, "each holds its own key only");
    }
    world.assert_that_nothing_was_heard();
}

/// Whoever says something in the clear is heard, in whatever pieces.
#[test]
fn taps_hear_what_is_said() {
    let (listener, wire) = (TcpListener::bind("127.0.0.1:0").unwrap(), Wire::default());
    let here = tap(listener.local_addr().unwrap().to_string(), wire.clone());
    let (_, words) = patterns().remove(0);
    let mut client = TcpStream::connect(here).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    for (from, to) in [(&client, &server), (&server, &client)] {
        let (mut from, mut to) = (from, to);
        for piece in words.chunks(5) {
            from.write_all(piece).unwrap();
            to.read_exact(&mut vec![0; piece.len()]).unwrap();
        }
    }
    client.write_all(b"x").unwrap();
    server.read_exact(&mut [0]).unwrap();
    let wire = wire.lock().unwrap();
    assert_eq!(wire.iter().filter(|(_, bytes)| found(bytes) == Some("words of 64 bits")).count(), 2);
}

/// While servers compute: nothing of the planted patient is in anybody's memory. A hospital, which has it, is searched in the same way.
fn see_that_servers_know_nothing(world: &World, servers: &[(String, Process)], runs: &[(String, Process)]) {
    // It waits for a server that is not there, with its data in memory.
    let hosts = fs::read_to_string(world.path("north", "hosts.toml")).unwrap();
    let bob = &world.taps[&world.addresses["bob.example.org:7100"]];
    let nobody = hosts.replace(bob, &format!("127.0.0.1:{}", free_port()));
    fs::write(world.path("north", "alone.toml"), nobody).unwrap();
    let mut send = tern();
    send.args([
        "send",
        "study.mpc",
        "--as",
        "north",
        "--hosts",
        "alone.toml",
        "--input",
        "north_x=measured.csv",
    ]);
    let mut hospital = Process::start(send.current_dir(world.path("north", "")));
    hospital.wait_for("sends");
    let control = (0..50).find_map(|_| {
        thread::sleep(std::time::Duration::from_millis(100));
        memory(hospital.id()).as_deref().and_then(found)
    });
    if memory(hospital.id()).is_none() {
        return println!("the system does not show the memory of processes: it was not searched");
    }
    assert_eq!(control, Some("doubles"), "the hospital has its data in memory");
    drop(hospital);
    for (server, process) in servers.iter().chain(runs) {
        let all = memory(process.id()).unwrap();
        assert!(all.len() > 1 << 20, "{} bytes of {server} in the middle of it", all.len());
        assert_eq!(found(&all), None, "memory of {server}");
    }
}
