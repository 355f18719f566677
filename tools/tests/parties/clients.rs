//! Clients: people who run none of the servers, and everything that can be wrong with what they send or want.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use tempfile::TempDir;
use tern_bytecode::Protocol;
use tern_vm::data::shares::{ShareError, ShareFile};
use tern_vm::data::{Source, Values, read};

use crate::support::{Ended, Process, free_port, tern};

const PROGRAM: &str = "
input x: fix[4, 2] from client hospital
input n: int[2] from client clinic
fn main() {
    output w = x * 2 to client analyst
    output m = n + 1 to client analyst
}
";
const X: &str = "1,2\n3,4\n-5,6.5\n7,8\n";
const CLIENTS: [&str; 3] = ["hospital", "clinic", "analyst"];

/// A directory per server and per client.
struct World {
    dir: TempDir,
    protocol: &'static str,
    parties: usize,
    /// Where clients reach the servers.
    doors: Vec<String>,
}

impl World {
    fn new(protocol: &'static str, program: &str) -> World {
        let parties = Protocol::from_name(protocol).unwrap().model().parties;
        let doors = (0..parties).map(|_| format!("127.0.0.1:{}", free_port())).collect();
        let world = World { dir: TempDir::new().unwrap(), protocol, parties, doors };
        let mut hosts = String::new();
        for (party, door) in world.doors.iter().enumerate() {
            let address = format!("127.0.0.1:{}", free_port());
            let name = format!("server{party}");
            hosts += &world.keygen(&party.to_string(), &[&name, "--address", &address, "--clients", door]);
        }
        for client in CLIENTS {
            hosts += &world.keygen(client, &[client, "--client"]);
        }
        let everybody = (0..parties).map(|party| party.to_string()).chain(CLIENTS.map(str::to_string));
        for person in everybody {
            fs::write(world.path(&person, "hosts.toml"), &hosts).unwrap();
            fs::write(world.path(&person, "prog.mpc"), program).unwrap();
        }
        fs::write(world.path("hospital", "x.csv"), X).unwrap();
        fs::write(world.path("clinic", "n.csv"), "7\n-9\n").unwrap();
        world
    }

    fn path(&self, person: &str, file: &str) -> PathBuf {
        self.dir.path().join(person).join(file)
    }

    fn keygen(&self, person: &str, args: &[&str]) -> String {
        fs::create_dir_all(self.path(person, "")).unwrap();
        let mut command = tern();
        command.arg("keygen").args(args).current_dir(self.path(person, ""));
        Process::start(&mut command).end().expect_success().out
    }

    fn command(&self, person: &str, what: &str, args: &[&str]) -> Command {
        let mut command = tern();
        command.args([what, "prog.mpc", "--protocol", self.protocol, "--hosts", "hosts.toml"]).args(args);
        command.current_dir(self.path(person, ""));
        command
    }

    fn serve(&self, party: usize) -> Process {
        let number = party.to_string();
        let args = ["--party", &number, "--store", "store"];
        let mut process = Process::start(&mut self.command(&number, "serve", &args));
        process.wait_for("serving clients at");
        process
    }

    /// Servers of all parties that hold shares.
    fn serve_all(&self) -> Vec<Process> {
        let model = Protocol::from_name(self.protocol).unwrap().model();
        (0..self.parties).filter(|party| model.computes(*party)).map(|party| self.serve(party)).collect()
    }

    fn client(&self, client: &str, what: &str, args: &[&str]) -> Ended {
        let mut all = vec!["--as", client];
        all.extend(args);
        if !args.contains(&"--wait") {
            all.extend(["--wait", "20s"]);
        }
        Process::start(&mut self.command(client, what, &all)).end()
    }

    fn send_both(&self) {
        self.client("hospital", "send", &["--input", "x=x.csv"]).expect_success();
        self.client("clinic", "send", &["--input", "n=n.csv"]).expect_success();
    }

    fn run(&self, args: &[&str]) -> Vec<Ended> {
        let start = |party: usize| {
            let number = party.to_string();
            let all = ["--party", &number, "--store", "store", "--out", "out"];
            Process::start(self.command(&number, "run", &all).args(args))
        };
        let runs: Vec<Process> = (0..self.parties).map(start).collect();
        runs.into_iter().map(Process::end).collect()
    }

    /// A file below a server's store, whatever the program's hash is.
    fn stored(&self, party: usize, file: &str) -> PathBuf {
        let store = self.path(&party.to_string(), "store");
        let program = fs::read_dir(store).unwrap().next().unwrap().unwrap().path();
        program.join(file)
    }
}

fn values(path: PathBuf, name: &str) -> Vec<f64> {
    match read(&Source::member(path, name), name).unwrap().into_values() {
        Values::F64(values) => values,
        Values::I64(values) => values.into_iter().map(|value| value as f64).collect(),
        other => panic!("{other:?}"),
    }
}

/// Under every protocol: two clients give, servers compute, a third client gets.
#[test]
fn what_is_sent_is_computed_with_and_received() {
    for protocol in ["rep3", "rep4", "dealer"] {
        let world = World::new(protocol, PROGRAM);
        let _servers = world.serve_all();
        world.send_both();
        world.run(&[]).into_iter().for_each(|run| drop(run.expect_success()));
        world.client("analyst", "receive", &["--out", "got"]).expect_success();
        assert_eq!(
            values(world.path("analyst", "got/w.npz"), "w"),
            [2.0, 4.0, 6.0, 8.0, -10.0, 13.0, 14.0, 16.0],
            "{protocol}"
        );
        assert_eq!(values(world.path("analyst", "got/m.npz"), "m"), [8.0, -8.0], "{protocol}");
        // nobody else gets it, and nothing is left of the sending at the client
        let others = world.client("clinic", "receive", &["--result", "w"]);
        others.expect_failure(&["w goes to client analyst, this is client clinic"]);
        let left = fs::read_dir(world.path("hospital", "")).unwrap();
        assert!(left.flatten().all(|file| !file.file_name().to_string_lossy().contains("sending")));
    }
}

/// What is put out in a loop, as often as it is: 2, 4, 8, … times the first number, which is 1.
fn looped(stop: &str) -> String {
    format!(
        "
input x: fix[4, 2] from client hospital
input n: int[2] from client clinic
fn main() {{
    var y = x
    for i in 0..5 {{
        y = y * 2
        output w = y to client analyst
        {stop}
    }}
    output m = n to client analyst
}}
"
    )
}

#[test]
fn all_results_of_a_loop_are_received() {
    for (stop, count) in [("", 5), ("if reveal(y[0, 0]) > 7.0 { break }", 3)] {
        let world = World::new("rep3", &looped(stop));
        let _servers = world.serve_all();
        world.send_both();
        world.run(&[]).into_iter().for_each(|run| drop(run.expect_success()));
        let ended = world.client("analyst", "receive", &["--out", "got"]).expect_success();
        for i in 0..count {
            let file = world.path("analyst", &format!("got/w.{i:04}.npz"));
            assert_eq!(values(file, "w")[0], f64::from(2 << i), "{ended:#?}");
        }
        assert!(!world.path("analyst", &format!("got/w.{count:04}.npz")).exists(), "{ended:#?}");
        assert_eq!(values(world.path("analyst", "got/w.npz"), "w")[0], f64::from(1 << count));
        assert_eq!(values(world.path("analyst", "got/m.npz"), "m"), [7.0, -9.0]);
    }
}

/// They are fetched as they come, and results of two runs are not taken for one.
#[test]
fn results_of_a_loop_are_of_one_run() {
    let world = World::new("rep3", &looped(""));
    let _servers = world.serve_all();
    world.send_both();
    world.run(&[]).into_iter().for_each(|run| drop(run.expect_success()));
    let old = fs::read(world.stored(0, "analyst/results/w.0003.shares-0.tern")).unwrap();
    world.run(&[]).into_iter().for_each(|run| drop(run.expect_success()));
    let new = world.stored(0, "analyst/results/w.0003.shares-0.tern");
    let kept = fs::read(&new).unwrap();
    fs::remove_file(&new).unwrap();
    fs::write(&new, old).unwrap();
    let ended = world.client("analyst", "receive", &["--out", "got", "--wait", "1s"]);
    ended.expect_failure(&["has of w.0003 is of another run than those before it"]);
    assert!(world.path("analyst", "got/w.0002.npz").exists());
    fs::write(&new, kept).unwrap();
    world.client("analyst", "receive", &["--out", "got"]).expect_success();
    assert_eq!(values(world.path("analyst", "got/w.npz"), "w")[0], 32.0);
}

/// On one machine whoever gives the command plays the clients too.
#[test]
fn a_local_run_plays_its_clients() {
    let world = World::new("rep3", PROGRAM);
    fs::copy(world.path("hospital", "x.csv"), world.path("clinic", "x.csv")).unwrap();
    let mut run = tern();
    run.args(["run", "prog.mpc", "--input", "x=x.csv", "--input", "n=n.csv", "--out", "out"]);
    Process::start(run.current_dir(world.path("clinic", ""))).end().expect_success();
    assert_eq!(values(world.path("clinic", "out/w.npz"), "w")[5], 13.0);
    assert_eq!(values(world.path("clinic", "out/m.npz"), "m"), [8.0, -8.0]);
    let left = fs::read_dir(world.path("clinic", "out")).unwrap().flatten();
    assert!(left.into_iter().all(|file| !file.file_name().to_string_lossy().ends_with(".tern")));
}

#[test]
fn clients_and_servers_that_are_not_who_they_should_be() {
    let world = World::new("rep3", PROGRAM);
    let mut servers = world.serve_all();
    let send = |client: &str, args: &[&str]| {
        let mut all = vec!["--input", "x=x.csv"];
        all.extend(args);
        world.client(client, "send", &all)
    };
    // a name that nobody has, and one that has another key
    let ended =
        Process::start(&mut world.command("hospital", "send", &["--as", "nobody", "--input", "x=x.csv"]));
    ended
        .end()
        .expect_failure(&["there is no client nobody in hosts.toml; there are: analyst, clinic, hospital"]);
    fs::copy(world.path("clinic", "clinic.key.pem"), world.path("hospital", "clinic.key.pem")).unwrap();
    fs::copy(world.path("clinic", "clinic.cert.pem"), world.path("hospital", "clinic.cert.pem")).unwrap();
    send("hospital", &["--key", "clinic.key.pem"]).expect_failure(&[
        "is not the one of client hospital in the hosts file",
        "it is the one of client clinic",
    ]);
    // somebody else's input
    fs::copy(world.path("hospital", "x.csv"), world.path("clinic", "x.csv")).unwrap();
    send("clinic", &[]).expect_failure(&["x comes from client hospital, this is client clinic"]);
    // a client that has made itself another key and another list
    let hosts = fs::read_to_string(world.path("hospital", "hosts.toml")).unwrap();
    let entry = world.keygen("hospital", &["hospital", "--client", "--dir", "new"]);
    let new = entry.lines().nth(1).unwrap();
    let old = hosts.lines().skip_while(|line| *line != "[clients.hospital]").nth(1).unwrap();
    fs::write(world.path("hospital", "new/hosts.toml"), hosts.replace(old, new)).unwrap();
    let mut command = tern();
    command.args(["send", "prog.mpc", "--as", "hospital", "--hosts", "new/hosts.toml", "--input", "x=x.csv"]);
    let ended = Process::start(command.current_dir(world.path("hospital", ""))).end();
    assert!(!ended.status.success(), "{ended:#?}");
    assert_eq!(ended.err.matches("refuses the certificate sha256:").count(), 3, "{ended:#?}");
    // a server that is another one
    let print = hosts.lines().find(|line| line.starts_with("fingerprint")).unwrap();
    let other = print.replace("sha256:", "sha256:00").replace(&print[print.len() - 3..], "\"");
    fs::write(world.path("hospital", "hosts.toml"), hosts.replacen(print, &other, 1)).unwrap();
    let ended = send("hospital", &[]);
    assert!(ended.err.contains("party 0 (server0) is not who it should be: at 127.0.0.1:"), "{ended:#?}");
    fs::write(world.path("hospital", "hosts.toml"), &hosts).unwrap();
    // whatever has happened, the right one comes through
    send("hospital", &["--replace"]).expect_success();
    servers[0].signal("-INT");
    let server = servers.remove(0).end().expect_success();
    assert!(server.err.contains("an unknown client, with the certificate sha256:"), "{server:#?}");
    assert!(server.out.contains("client hospital has given x: "), "{server:#?}");
    assert!(!server.err.contains("panicked"), "{server:#?}");
}

#[test]
fn what_does_not_belong_to_the_program() {
    let world = World::new("rep3", PROGRAM);
    let _servers = world.serve_all();
    let send = |args: &[&str]| world.client("hospital", "send", args);
    fs::write(world.path("hospital", "short.csv"), "1,2\n3,4\n").unwrap();
    let ended = send(&["--input", "x=short.csv"]);
    assert!(ended.err.contains("error[D") && ended.err.contains("fix[4, 2]"), "{ended:#?}");
    fs::write(world.path("hospital", "prog.mpc"), PROGRAM.replace("x * 2", "x * 3")).unwrap();
    let ended = send(&["--input", "x=x.csv"]);
    assert_eq!(
        ended.err.matches("refuses: it runs another program: prog with the hash ").count(),
        3,
        "{ended:#?}"
    );
    let ended = world.client("analyst", "receive", &["--wait", "1s", "--result", "w"]);
    ended.expect_failure(&["there is no w yet"]);
    fs::write(world.path("analyst", "prog.mpc"), PROGRAM.replace("x * 2", "x * 3")).unwrap();
    let ended = world.client("analyst", "receive", &["--result", "w"]);
    assert!(ended.err.contains("refuses: it runs another program"), "{ended:#?}");
}

#[test]
fn what_is_sent_twice_or_not_at_all() {
    let world = World::new("rep3", PROGRAM);
    let mut servers = world.serve_all();
    let send = |args: &[&str]| world.client("hospital", "send", args);
    send(&["--input", "x=x.csv"]).expect_success();
    let ended = send(&["--input", "x=x.csv"]);
    assert_eq!(
        ended.err.matches("refuses: x is here already, from another sending (set ").count(),
        3,
        "{ended:#?}"
    );
    // the clinic owes something
    for run in world.run(&["--wait-for-clients", "1s"]) {
        assert!(!run.status.success(), "{run:#?}");
        assert!(run.err.contains("waiting for n from client clinic"), "{run:#?}");
        assert!(run.err.contains("client clinic has not given n to party"), "{run:#?}");
    }
    world.client("clinic", "send", &["--input", "n=n.csv"]).expect_success();
    // one server has another sending than the others
    let old = fs::read(world.stored(1, "hospital/given/x.shares-1.tern")).unwrap();
    send(&["--input", "x=x.csv", "--replace"]).expect_success();
    let new = fs::read(world.stored(1, "hospital/given/x.shares-1.tern")).unwrap();
    assert_ne!(old, new);
    fs::write(world.stored(1, "hospital/given/x.shares-1.tern"), &old).unwrap();
    assert!(world.run(&[]).iter().all(|run| run.err.contains("set of shares of x")));
    // or one that is cut off
    fs::write(world.stored(1, "hospital/given/x.shares-1.tern"), &new[..new.len() - 9]).unwrap();
    let runs = world.run(&[]);
    assert!(runs[1].err.contains("x.shares-1.tern is a damaged file of shares"), "{runs:#?}");
    fs::write(world.stored(1, "hospital/given/x.shares-1.tern"), &new).unwrap();
    world.run(&[]).into_iter().for_each(|run| drop(run.expect_success()));

    // a result of which one server has changed its part, and one that is another run's
    let path = world.stored(2, "analyst/results/w.shares-2.tern");
    let mut file = ShareFile::read::<ShareError>(&path, |_| Ok(())).unwrap();
    file.words[0][1] ^= 1;
    file.write(fs::File::create(&path).unwrap()).unwrap();
    let ended = world.client("analyst", "receive", &["--result", "w"]);
    ended.expect_failure(&["the shares of w of party 0 and those of party 2 do not agree"]);
    file.head.set.replace_range(0..1, if file.head.set.starts_with('0') { "1" } else { "0" });
    file.write(fs::File::create(&path).unwrap()).unwrap();
    let ended = world.client("analyst", "receive", &["--result", "w"]);
    ended.expect_failure(&[
        "what party 0 (server0) has and what party 2 (server2) has do not belong together: set",
    ]);
    servers.iter_mut().for_each(|server| server.signal("-INT"));
    servers.into_iter().for_each(|server| drop(server.end().expect_success()));
}

/// A server that is down gets its part later, in the same sending.
#[test]
fn a_server_that_was_down() {
    let world = World::new("rep3", PROGRAM);
    let _two = [world.serve(0), world.serve(2)];
    let send = |args: &[&str]| world.client("hospital", "send", args);
    let ended = send(&["--input", "x=x.csv", "--wait", "1s"]);
    assert!(!ended.status.success(), "{ended:#?}");
    assert!(ended.err.contains("party 1 (server1) is unreachable at 127.0.0.1:"), "{ended:#?}");
    assert!(ended.err.contains("the same command goes on where it was"), "{ended:#?}");
    assert_eq!(ended.out.matches(" has it, ").count(), 2, "{ended:#?}");
    let _third = world.serve(1);
    let ended = send(&["--input", "x=x.csv"]).expect_success();
    assert!(ended.out.contains("x: an earlier sending goes on"), "{ended:#?}");
    assert_eq!(ended.out.matches(", 0 bytes sent").count(), 2, "{ended:#?}");
    let set = |party| {
        let path = world.stored(party, &format!("hospital/given/x.shares-{party}.tern"));
        ShareFile::read::<ShareError>(&path, |_| Ok(())).unwrap().head.set
    };
    assert_eq!([set(0), set(1)], [set(1), set(2)]);
}

/// Lets the first connection to an address through for so many bytes, and the others as they are.
fn breaking(to: String, bytes: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = listener.local_addr().unwrap().to_string();
    let pass = |mut from: TcpStream, mut to: TcpStream, mut left: usize| {
        thread::spawn(move || {
            let mut room = [0; 1 << 12];
            while let Ok(count @ 1..) = from.read(&mut room) {
                let count = count.min(left);
                left -= count;
                if to.write_all(&room[..count]).is_err() || left == 0 {
                    break;
                }
            }
            let _ = to.shutdown(std::net::Shutdown::Both);
            let _ = from.shutdown(std::net::Shutdown::Both);
        });
    };
    thread::spawn(move || {
        for (i, client) in listener.incoming().flatten().enumerate() {
            let server = TcpStream::connect(&to).unwrap();
            let most = if i == 0 { bytes } else { usize::MAX };
            pass(server.try_clone().unwrap(), client.try_clone().unwrap(), usize::MAX);
            pass(client, server, most);
        }
    });
    here
}

/// A connection that breaks in the middle is taken up again, and what has arrived is not sent a second time.
#[test]
fn a_connection_that_breaks() {
    const ROWS: usize = 20_000;
    let program = "input x: fix[20000, 2] from client hospital\nfn main() {\n    output s = sum(x) to client analyst\n}\n";
    let world = World::new("rep3", program);
    let _servers = world.serve_all();
    let rows: String = (0..ROWS).map(|i| format!("{},{}\n", i % 7, i % 3)).collect();
    fs::write(world.path("hospital", "x.csv"), rows).unwrap();
    let hosts = fs::read_to_string(world.path("hospital", "hosts.toml")).unwrap();
    let broken = hosts.replace(&world.doors[1], &breaking(world.doors[1].clone(), 200_000));
    fs::write(world.path("hospital", "hosts.toml"), broken).unwrap();
    let ended = world.client("hospital", "send", &["--input", "x=x.csv"]).expect_success();
    assert!(ended.err.contains("the connection with party 1 (server1) broke"), "{ended:#?}");
    let sent = |party: usize| {
        let line = ended.out.lines().find(|line| line.contains(&format!("party {party} ("))).unwrap();
        let (_, rest) = line.split_once("has it, ").unwrap();
        rest.split_once(' ').unwrap().0.replace(',', "").parse::<usize>().unwrap()
    };
    assert!(ended.out.contains("hospital sends 5,120,000 bits to all servers together"), "{ended:#?}");
    // 40,000 words of 64 bits, and what the file says of itself
    assert!((320_000..321_000).contains(&sent(0)) && sent(2) < 1000, "{ended:#?}");
    assert!((120_000..200_000).contains(&sent(1)), "{ended:#?}");
    world.run(&[]).into_iter().for_each(|run| drop(run.expect_success()));
    world.client("analyst", "receive", &[]).expect_success();
    let expected = (0..ROWS).map(|i| (i % 7 + i % 3) as f64).sum::<f64>();
    assert_eq!(values(world.path("analyst", "tern-out/s.npz"), "s"), [expected]);
}

/// Strangers who say nothing, or something else, and clients that claim too much.
#[test]
fn strangers_do_not_disturb_a_server() {
    let world = World::new("rep3", PROGRAM);
    let mut servers = world.serve_all();
    let silent: Vec<TcpStream> = (0..150).map(|_| TcpStream::connect(&world.doors[0]).unwrap()).collect();
    for nonsense in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xff], &[0; 100]] {
        let mut stream = TcpStream::connect(&world.doors[0]).unwrap();
        stream.write_all(nonsense).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
    }
    world.client("hospital", "send", &["--input", "x=x.csv"]).expect_success();
    drop(silent);
    servers[0].signal("-INT");
    let server = servers.remove(0).end().expect_success();
    assert!(!server.err.contains("panicked"), "{server:#?}");
    assert!(server.err.contains("refused: 127.0.0.1:"), "{server:#?}");
}
