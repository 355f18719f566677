//! Runs that are watched: figures over HTTP, and logs.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{ENDLESS, Process, World, all_succeed, free_port};

/// What `GET path` gives, with its head.
fn get(port: u16, path: &str) -> std::io::Result<String> {
    request(port, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
}

fn request(port: u16, text: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(text.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The number behind a name with its labels.
fn figure(page: &str, name: &str) -> f64 {
    let line = page.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
    let line = line.unwrap_or_else(|| panic!("no {name} in {page}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// The page, as soon as something has gone over the links.
fn page_of_a_run(port: u16) -> String {
    let begun = Instant::now();
    loop {
        let page = get(port, "/metrics").unwrap_or_default();
        if page.contains("tern_rounds_total") && figure(&page, "tern_rounds_total") > 20.0 {
            return page;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "no rounds: {page}");
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn figures_of_a_run_are_shown_while_it_goes_on() {
    let world = World::new(&[ENDLESS]);
    let port = free_port();
    let watched = Process::start(world.command(1).args(["--metrics-listen", &port.to_string()]));
    let mut others = [world.start(0), world.start(2)];
    others[0].wait_for("begun");
    // connections that say nothing take nobody's place for long
    let silent: Vec<TcpStream> =
        (0..12).map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap()).collect();
    let page = page_of_a_run(port);
    assert!(page.starts_with("HTTP/1.1 200 OK") && page.trim_end().ends_with("# EOF"), "{page}");
    assert!(page.contains("program=\"prog\"") && page.contains("party=\"1\""), "{page}");
    for peer in [0, 2] {
        for name in ["sent", "received"] {
            assert!(figure(&page, &format!("tern_{name}_bytes_total{{peer=\"{peer}\"}}")) > 0.0, "{page}");
        }
    }
    assert_eq!(figure(&page, "tern_iterations"), 100_000_000.0);
    assert_eq!(figure(&page, "tern_parties_missing"), 0.0);
    assert!(figure(&page, "tern_memory_bytes") > 1e6 && figure(&page, "tern_waited_seconds_total") > 0.0);
    let begun = Instant::now();
    while figure(&page_of_a_run(port), "tern_rounds_total") <= figure(&page, "tern_rounds_total") {
        assert!(begun.elapsed() < Duration::from_secs(30), "no more rounds: {page}");
        sleep(Duration::from_millis(50));
    }
    assert!(get(port, "/").unwrap().starts_with("HTTP/1.1 404"));
    let post = "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    assert!(request(port, post).unwrap().starts_with("HTTP/1.1 405"));
    drop((silent, watched, others));
}

#[test]
fn a_port_that_is_taken_ends_the_run_before_it_begins() {
    let world = World::new(&[]);
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = Process::start(world.command(0).args(["--metrics-listen", &port])).end();
    assert!(
        !ended.status.success() && ended.err.contains("error: --metrics-listen 127.0.0.1:"),
        "{ended:#?}"
    );
}

#[test]
fn figures_that_others_can_reach_are_said_to_be() {
    let world = World::new(&[]);
    let warns = |address: &str| {
        let listen = format!("{address}:{}", free_port());
        let ended = Process::start(world.command(0).args(["--metrics-listen", &listen])).end();
        ended.expect_failure(&["unreachable"]); // nobody else is there
        ended.err.contains(&format!("whoever reaches {listen} sees how far this run is"))
    };
    assert!(warns("0.0.0.0") && !warns("127.0.0.1"));
}

/// A line is an object with a time, whatever happens; and the log of a party has none of its data.
#[test]
fn a_log_has_a_line_per_event_and_no_data() {
    let world = World::new(&[]);
    let planted = "13.3701171875";
    std::fs::write(world.path(0, "x.csv"), format!("{planted},1\n1.5,2\n-2.5,3\n3.5,-4\n")).unwrap();
    let logged = |party: usize| Process::start(world.command(party).args(["--log", "json"]));
    let ended = all_succeed([0, 1, 2].map(logged));
    for party in &ended {
        assert_eq!(party.out, "", "{party:#?}");
        let lines: Vec<Value> =
            party.err.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
        let of = |message: &str| lines.iter().filter(|line| line["message"] == message).count();
        assert!(lines.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()));
        assert_eq!(
            (of("start"), of("met"), of("begun"), of("done"), of("metric")),
            (1, 1, 1, 1, 2),
            "{lines:#?}"
        );
        assert!(!party.err.contains(planted), "{}", party.err);
    }
}

#[test]
fn a_failure_is_the_last_line_of_the_log() {
    let world = World::new(&[]);
    let ended = Process::start(world.command(0).args(["--log", "json"])).end();
    let last: Value = serde_json::from_str(ended.err.lines().last().unwrap()).unwrap();
    assert!(!ended.status.success() && last["level"] == "ERROR", "{ended:#?}");
    assert!(last["message"].as_str().unwrap().contains("unreachable"), "{last}");
    let text = Process::start(world.command(0).args(["--log", "text"])).end();
    assert!(text.err.lines().last().unwrap().contains("ERROR"), "{text:#?}");
}
