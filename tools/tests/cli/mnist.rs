//! Fetching a data set from folders and from mirrors that fail in every way a mirror can.

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use tern_tools::fetch::{Dataset, Outcome, Progress, Wanted, prepare};
use tern_tools::mnist::MNIST;

const NAMES: [&str; 2] = ["images-idx3-ubyte", "labels-idx1-ubyte"];

/// Two files that do not shrink much when they are packed.
fn contents() -> [Vec<u8>; 2] {
    [40_000u32, 7].map(|length| (0..length).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Runs a test with the data set of [`contents`] and these mirrors.
fn with_dataset<R>(mirrors: &[&str], test: impl FnOnce(&Dataset) -> R) -> R {
    let contents = contents();
    let sums = contents
        .each_ref()
        .map(|bytes| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let files: [Wanted; 2] =
        std::array::from_fn(|i| Wanted { name: NAMES[i], bytes: contents[i].len() as u64, sha256: &sums[i] });
    test(&Dataset { name: "mnist", files: &files, archive: None, mirrors })
}

/// What was told of the progress.
#[derive(Default)]
struct Log {
    bytes: RefCell<BTreeMap<String, u64>>,
    current: RefCell<String>,
    warnings: RefCell<Vec<String>>,
}

impl Progress for Log {
    fn begin(&self, file: &str, _: u64) {
        self.bytes.borrow_mut().insert(file.to_string(), 0);
        *self.current.borrow_mut() = file.to_string();
    }
    fn advance(&self, bytes: u64) {
        *self.bytes.borrow_mut().entry(self.current.borrow().clone()).or_default() += bytes;
    }
    fn end(&self) {}
    fn warn(&self, text: &str) {
        self.warnings.borrow_mut().push(text.to_string());
    }
}

/// A server with a folder for each way to answer; gives its address.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || listener.incoming().for_each(|stream| answer(stream.unwrap())));
    address
}

fn answer(mut stream: TcpStream) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let request = lines.next().unwrap().unwrap();
    // The rest of the request, up to the empty line, does not matter.
    for line in lines {
        if line.unwrap().is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap();
    let (folder, name) = path[1..].split_once('/').unwrap();
    let which = NAMES.iter().position(|known| name == format!("{known}.gz")).unwrap();
    let whole = contents()[which].clone();
    let packed = gzip(&whole);
    let mut corrupt = packed.clone();
    let middle = corrupt.len() / 2;
    corrupt[middle] ^= 0x55;
    let mut other = whole.clone();
    other[3] ^= 1;
    let (status, promised, body) = match folder {
        "good" => ("200 OK", packed.len(), packed),
        "plain" => ("200 OK", whole.len(), whole),
        "short" => ("200 OK", packed.len(), packed[..packed.len() - 5].to_vec()),
        "cut" => ("200 OK", packed.len() - 5, packed[..packed.len() - 5].to_vec()),
        "corrupt" => ("200 OK", corrupt.len(), corrupt),
        "other" => ("200 OK", gzip(&other).len(), gzip(&other)),
        "long" => ("200 OK", gzip(&[&whole[..], b"!"].concat()).len(), gzip(&[&whole[..], b"!"].concat())),
        "empty" => ("200 OK", 0, Vec::new()),
        _ => ("404 Not Found", 4, b"none".to_vec()),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {promised}\r\nConnection: close\r\n\r\n");
    // A client that has seen enough may have gone.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}

fn check_folder(folder: &Path) {
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert_eq!(found, NAMES.map(|name| folder.join(name)), "these files and no part of one");
    for (path, bytes) in found.iter().zip(contents()) {
        assert_eq!(fs::read(path).unwrap(), bytes);
    }
}

#[test]
fn a_second_mirror_makes_good_what_the_first_did() {
    let server = server();
    for (folder, complaint) in [
        ("missing", "404"),
        ("short", "it broke off after"),
        ("cut", "it broke off after"),
        ("corrupt", "labels-idx1-ubyte.gz: "),
        ("other", "its SHA-256 is not the known one"),
        ("long", "it has more than 40000 bytes"),
        ("empty", "it has 0 bytes instead of 40000"),
    ] {
        let target = tempfile::tempdir().unwrap();
        let (bad, good) = (format!("{server}/{folder}/"), format!("{server}/good/"));
        let log = Log::default();
        let summary = with_dataset(&[&bad, &good], |set| prepare(set, None, target.path(), &log)).unwrap();
        check_folder(target.path());
        for ((name, outcome), wanted) in summary.files.iter().zip(NAMES) {
            assert_eq!(
                (name.as_str(), outcome),
                (wanted, &Outcome::Downloaded(format!("{good}{wanted}.gz")))
            );
        }
        let warnings = log.warnings.into_inner().join("\n");
        assert!(warnings.contains(complaint) && warnings.contains(&bad), "{folder}: {warnings}");
        assert_eq!(log.bytes.into_inner().into_values().collect::<Vec<_>>(), [40_000, 7], "{folder}");
    }
}

#[test]
fn when_no_mirror_serves_every_reason_is_given() {
    let server = server();
    let (missing, cut) = (format!("{server}/missing/"), format!("{server}/cut/"));
    // Nobody listens on a port that was just given back.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let closed = format!("http://{closed}/");
    let target = tempfile::tempdir().unwrap();
    let result =
        with_dataset(&[&missing, &cut, &closed], |set| prepare(set, None, target.path(), &Log::default()));
    let message = format!("{:#}", result.unwrap_err());
    for part in [
        "images-idx3-ubyte could not be downloaded",
        &missing,
        &cut,
        &closed,
        "tern data mnist --from FOLDER",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(fs::read_dir(target.path()).unwrap().count(), 0);
}

#[test]
fn what_is_there_is_kept_and_what_is_wrong_is_replaced() {
    let server = server();
    let good = format!("{server}/plain/");
    let target = tempfile::tempdir().unwrap();
    fs::write(target.path().join(NAMES[0]), &contents()[0]).unwrap();
    fs::write(target.path().join(NAMES[1]), b"wrong!!").unwrap();
    let summary = with_dataset(&[&good], |set| prepare(set, None, target.path(), &Log::default())).unwrap();
    check_folder(target.path());
    assert_eq!(summary.files[0].1, Outcome::Kept);
    assert_eq!(summary.files[1].1, Outcome::Downloaded(format!("{good}{}.gz", NAMES[1])));
}

#[test]
fn from_a_folder() {
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let fetch = || with_dataset(&[], |set| prepare(set, Some(source.path()), target.path(), &Log::default()));
    let error = format!("{:#}", fetch().unwrap_err());
    assert!(error.contains("has neither images-idx3-ubyte nor images-idx3-ubyte.gz"), "{error}");

    let packed = source.path().join("images-idx3-ubyte.gz");
    let dotted = source.path().join("labels.idx1-ubyte");
    fs::write(&packed, gzip(&contents()[0])).unwrap();
    fs::write(&dotted, b"too long for it").unwrap();
    let error = format!("{:#}", fetch().unwrap_err());
    assert!(error.contains("is not that of the data set: it has more than 7 bytes"), "{error}");

    fs::write(&dotted, &contents()[1]).unwrap();
    let summary = fetch().unwrap();
    check_folder(target.path());
    let outcomes: Vec<Outcome> = summary.files.into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes, [Outcome::Kept, Outcome::Copied(dotted)]);
}

#[test]
fn the_real_files_have_the_known_sums() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let places = ["../shared/data/mnist", "data/mnist"].map(|place| root.join(place));
    let Some(folder) = places.iter().find(|place| place.is_dir()) else {
        println!(
            "SKIPPED: no MNIST in ../shared/data/mnist or data/mnist; `tern data mnist` puts it into the latter"
        );
        return;
    };
    let target = tempfile::tempdir().unwrap();
    let summary = prepare(&MNIST, Some(folder), target.path(), &Log::default()).unwrap();
    assert_eq!(summary.files.len(), 4);
    let again = prepare(&MNIST, None, target.path(), &Log::default()).unwrap();
    assert!(again.files.iter().all(|(_, outcome)| *outcome == Outcome::Kept));
}
