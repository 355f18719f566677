//! CIFAR-10 in its binary version: fetched from archives and folders, and read by programs. Images here are made up.

use std::fs;
use std::path::Path;
use std::process::Command;

use sha2::{Digest, Sha256};
use tern_tools::fetch::{Archive, Bar, Dataset, Outcome, Wanted, prepare};

use crate::shell::{Shell, repository};

const FOLDER: &str = "cifar-10-batches-bin";

/// Records of a label and an image that nobody would recognise.
fn records(count: usize, first: usize) -> Vec<u8> {
    let record = |n: usize| {
        let image = (0..3072).map(move |i| ((n * 7919 + i * i) % 251) as u8);
        std::iter::once((n % 10) as u8).chain(image)
    };
    (first..first + count).flat_map(record).collect()
}

/// The program on some of these, in the emulator.
fn alexnet(options: &str) -> String {
    let program = repository("programs/cifar10_alexnet.mpc");
    format!("emulate {program} --arg N=8 --arg BATCH=4 --arg TEST=4 --arg EPOCHS=1 --seed 1 {options}")
}

fn with_batches(batches: &[(&str, Vec<u8>)]) -> Shell {
    let shell = Shell::new();
    shell.make_folder("cifar");
    for (name, bytes) in batches {
        shell.write(&format!("cifar/{name}.bin"), bytes);
    }
    shell
}

#[test]
fn a_network_trains_on_the_extracted_files() {
    let mut shell = with_batches(&[
        ("data_batch_1", records(5, 0)),
        ("data_batch_2", records(3, 5)),
        ("test_batch", records(4, 8)),
    ]);
    let events = shell.succeeds(&alexnet("--data cifar --json"));
    assert!(events.contains("\"name\":\"accuracy\""), "{events}");
}

#[test]
fn images_and_labels_arrive_as_the_format_has_them() {
    let all = records(6, 0);
    let mut shell = with_batches(&[("data_batch_1", all.clone())]);
    shell.write(
        "sums.mpc",
        "input train_x: fix[6, 3, 32, 32] from party 0, scale = 1/256
input train_y: fix[6, 10] from party 1, one_hot
fn main() {
    metric(\"top left, green\", reveal(sum(train_x[.., 1, 0, 0])))
    metric(\"second row, blue\", reveal(sum(train_x[4, 2, 1, ..])))
    metric(\"label\", reveal(train_y[3, 3]))
}
",
    );
    let events = shell.succeeds("emulate sums.mpc --data cifar --json");
    let value = |name: &str| {
        let line = events.lines().find(|line| line.contains(name)).expect(name);
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        event["value"].as_f64().unwrap()
    };
    let sum = |bytes: &mut dyn Iterator<Item = &u8>| bytes.map(|byte| f64::from(*byte)).sum::<f64>() / 256.0;
    assert_eq!(value("top left, green"), sum(&mut all.chunks(3073).map(|record| &record[1 + 1024])));
    let fifth = &all[4 * 3073 + 1..][2 * 1024 + 32..][..32];
    assert_eq!(value("second row, blue"), sum(&mut fifth.iter()));
    assert_eq!(value("label"), 1.0);
}

#[test]
fn files_that_are_not_the_format_are_named_with_the_record() {
    let mut wrong = records(8, 0);
    wrong[2 * 3073] = 12;
    let long = [records(8, 0), vec![1, 2, 3]].concat();
    let test = || ("test_batch", records(4, 8));
    let train = || ("data_batch_1", records(8, 0));
    for (batches, complaint) in [
        (
            vec![("data_batch_1", wrong), test()],
            "record 2 of data_batch_1.bin, counted from 0, has the label 12, which is not below 10",
        ),
        (
            vec![("data_batch_1", long), test()],
            "data_batch_1.bin has 24587 bytes, which are not records of 3073",
        ),
        (vec![("data_batch_1", Vec::new()), test()], "data_batch_1.bin has 0 bytes"),
        (vec![("data_batch_2", records(8, 0)), test()], "there is no data_batch_1.bin, but a later one"),
        (vec![train()], "there is no test_batch.bin"),
        (vec![("data_batch_1", records(5, 0)), test()], "train_x has 5 rows where 8 are declared"),
    ] {
        let mut shell = with_batches(&batches);
        let errors = shell.refused(&alexnet("--data cifar"));
        assert!(errors.contains(complaint), "{complaint}\n{errors}");
    }
    let mut shell = with_batches(&[train(), test()]);
    shell.write("cifar/train_y.csv", "1\n2\n");
    let errors = shell.refused(&alexnet("--data cifar"));
    assert!(errors.contains("train_y can be cifar/train_y.csv or cifar:train_y"), "{errors}");
}

/// A data set of two files, in an archive that GNU tar makes.
fn with_dataset(test: impl FnOnce(&Dataset<'_>, &Path)) {
    let home = tempfile::tempdir().unwrap();
    let inner = home.path().join(FOLDER);
    fs::create_dir(&inner).unwrap();
    let contents = [records(2, 0), records(3, 2)];
    let names = ["data_batch_1.bin", "test_batch.bin"];
    for (name, bytes) in names.iter().zip(&contents) {
        fs::write(inner.join(name), bytes).unwrap();
    }
    fs::write(inner.join("readme.html"), "not wanted").unwrap();
    let tar = |arguments: &[&str]| {
        assert!(Command::new("tar").current_dir(&home).args(arguments).status().unwrap().success());
    };
    tar(&["czf", "batches.tar.gz", FOLDER]);
    let sums = contents
        .each_ref()
        .map(|bytes| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let wanted = |i: usize| Wanted { name: names[i], bytes: contents[i].len() as u64, sha256: &sums[i] };
    let archive = Archive { name: "batches.tar.gz", folder: FOLDER, page: "https://example.org/batches" };
    let files = [wanted(0), wanted(1)];
    // Nobody listens there.
    let mirrors = ["http://127.0.0.1:1/"];
    test(&Dataset { name: "cifar10", files: &files, archive: Some(archive), mirrors: &mirrors }, home.path());
}

#[test]
fn an_archive_or_its_files_are_checked_and_unpacked() {
    with_dataset(|dataset, home| {
        let inner = home.join(FOLDER);
        let target = home.join("from archive");
        let summary = prepare(dataset, Some(home), &target, &Bar::default()).unwrap();
        let archive = Outcome::Copied(home.join("batches.tar.gz"));
        assert!(summary.files.iter().all(|(_, outcome)| *outcome == archive), "{summary:?}");
        for file in dataset.files {
            assert_eq!(fs::read(target.join(file.name)).unwrap(), fs::read(inner.join(file.name)).unwrap());
        }
        assert_eq!(fs::read_dir(&target).unwrap().count(), 2, "these files and nothing else");
        let again = prepare(dataset, None, &target, &Bar::default()).unwrap();
        assert!(again.files.iter().all(|(_, outcome)| *outcome == Outcome::Kept), "{again:?}");
        fs::remove_file(home.join("batches.tar.gz")).unwrap();
        for (from, name) in [(home, "folder above"), (&inner, "folder itself")] {
            let summary = prepare(dataset, Some(from), &home.join(name), &Bar::default()).unwrap();
            let there = Outcome::Copied(inner.join("test_batch.bin"));
            assert_eq!(summary.files[1], ("test_batch.bin".into(), there));
        }
    });
}

#[test]
fn what_is_wrong_with_an_archive_is_said_with_a_way_out() {
    with_dataset(|dataset, home| {
        let (path, target) = (home.join("batches.tar.gz"), home.join("to"));
        let complaint = |from: Option<&Path>| {
            format!("{:#}", prepare(dataset, from, &target, &Bar::default()).unwrap_err())
        };
        let offline = complaint(None);
        assert!(
            offline.contains("batches.tar.gz could not be downloaded\n  http://127.0.0.1:1/"),
            "{offline}"
        );
        assert!(offline.contains("get it in another way (https://example.org/batches)"), "{offline}");
        assert!(offline.ends_with("tern data cifar10 --from FOLDER"), "{offline}");
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(complaint(Some(home)).contains("batches.tar.gz is not that of the data set"));
        fs::write(&path, b"no archive at all").unwrap();
        assert!(complaint(Some(home)).contains("is not that of the data set"));
        fs::remove_file(&path).unwrap();
        let mut changed = records(3, 2);
        changed[77] ^= 1;
        fs::write(home.join(FOLDER).join("test_batch.bin"), changed).unwrap();
        assert!(complaint(Some(home)).contains("its SHA-256 is not the known one"));
        fs::remove_file(home.join(FOLDER).join("test_batch.bin")).unwrap();
        assert!(complaint(Some(home)).contains("has neither test_batch.bin nor batches.tar.gz"));
        assert!(!target.join("test_batch.bin").exists());
    });
}
