//! Which point a run goes on from.
//!
//! Every party looks at its own files first: one of another program, other arguments or another party is refused, naming what differs. Then all
//! tell each other which points they have, and the last that all have is the one; whoever has a later one goes back. What each has chosen
//! is compared, so that nobody can tell different parties different things.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::file::{self, Head, Refusal};
use super::{Checkpoints, Start};
use crate::machine::host::RunId;
use crate::net::{Links, Party, Who};
use crate::protocol::{PartyError, Terms};

/// Bytes of what a party says of its points.
const LIMIT: usize = 1 << 12;
/// The end of the names of files.
const SUFFIX: &str = "checkpoint";

/// Points that a party has on disk, all of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Points {
    run: Option<[u8; 16]>,
    points: BTreeSet<u64>,
    /// Whether all parties have had points: whoever has none has lost its own.
    had: bool,
    /// Whether the party was told to go on and not to begin.
    resume: bool,
}

/// The name of a file.
pub(super) fn file_of(directory: &Path, me: Option<Party>, point: u64) -> PathBuf {
    directory.join(format!("{}.{point:012}.{SUFFIX}", who(me)))
}

fn who(me: Option<Party>) -> String {
    me.map_or("emulator".to_string(), |me| format!("party-{}", me.index()))
}

pub(super) fn whose(me: Option<Party>) -> String {
    me.map_or("the emulator".to_string(), |me| me.to_string())
}

/// The files of a party, by point.
fn files(directory: &Path, me: Option<Party>) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(rest) = name.strip_prefix(&format!("{}.", who(me))) else { continue };
        let Some(number) = rest.strip_suffix(&format!(".{SUFFIX}")) else { continue };
        if let Ok(point) = number.parse() {
            found.push((point, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Removes a party's files but those of these points, and what it was writing when it was killed.
pub(super) fn remove_but(directory: &Path, me: Option<Party>, keep: &[u64]) -> io::Result<()> {
    for (point, path) in files(directory, me)? {
        if !keep.contains(&point) {
            fs::remove_file(path)?;
        }
    }
    parts(directory, me)?.into_iter().try_for_each(fs::remove_file)
}

/// Files of a party that are not complete, as [`crate::data::write_atomically`] calls them.
fn parts(directory: &Path, me: Option<Party>) -> io::Result<Vec<PathBuf>> {
    let begin = format!(".{}.", who(me));
    let is_part = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(&begin) && name.ends_with(".part")
    };
    let paths = fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path()));
    paths.filter(|path| path.as_ref().map_or(true, is_part)).collect()
}

/// The run has come to its end: nothing is to go on any more.
pub(crate) fn clear(checkpoints: &Checkpoints, me: Option<Party>) {
    // What stays behind is refused, or gone on from, when the directory is used again.
    let _ = remove_but(&checkpoints.directory, me, &[]);
}

/// This party's points, of which damaged ones are none as long as there is another.
fn look(checkpoints: &Checkpoints, terms: &Terms, me: Option<Party>) -> Result<Points, Refusal> {
    let directory = &checkpoints.directory;
    let cannot = |cause| Refusal::Directory { directory: directory.clone(), cause };
    fs::create_dir_all(directory).map_err(cannot)?;
    let mut points = Points { resume: checkpoints.resume, ..Points::default() };
    let mut refused = None;
    for (point, path) in files(directory, me).map_err(cannot)?.into_iter().rev() {
        match file::check(&path) {
            Ok(head) => {
                let (run, had) = (head.run, !head.common.is_empty());
                differs(&path, head, (terms, &whose(me), point))?;
                // An older file of another run is not of the one that was interrupted last.
                if *points.run.get_or_insert(run) == run {
                    points.points.insert(point);
                    points.had |= had;
                }
            }
            Err(refusal) => refused = refused.or(Some(refusal)),
        }
    }
    match refused {
        Some(refusal) if points.points.is_empty() => Err(refusal),
        _ => Ok(points),
    }
}

/// Refuses a file of something else.
fn differs(path: &Path, head: Head, (terms, whose, point): (&Terms, &str, u64)) -> Result<(), Refusal> {
    let refuse = |what: &str, theirs: &str, ours: &str| {
        let text = |text: &str| tern_bytecode::validate::names::legible(text);
        let (what, theirs, ours) = (text(what), text(theirs), text(ours));
        Err(Refusal::Differs { file: path.into(), what, theirs, ours })
    };
    if head.whose != whose {
        return refuse("the party", &head.whose, whose);
    }
    if let Some((what, ours, theirs)) = terms.difference(&head.terms) {
        return refuse(what, theirs, ours);
    }
    if head.point != point {
        return refuse("the point", &head.point.to_string(), &point.to_string());
    }
    Ok(())
}

/// The point that somebody goes on from who runs alone.
pub(crate) fn choose_alone(checkpoints: &Checkpoints, terms: &Terms) -> Result<Option<Start>, Refusal> {
    let own = look(checkpoints, terms, None)?;
    match (own.run, own.points.last()) {
        (Some(run), Some(&point)) => Ok(Some(begin_at(checkpoints, None, run, point))),
        _ if checkpoints.resume => Err(Refusal::Nothing { directory: checkpoints.directory.clone() }),
        _ => Ok(None),
    }
}

fn begin_at(checkpoints: &Checkpoints, me: Option<Party>, run: [u8; 16], point: u64) -> Start {
    Start { run: RunId(run), point, file: file_of(&checkpoints.directory, me, point) }
}

/// The point that all parties go on from, or none if all begin.
///
/// # Errors
/// This party's files are refused; others' are of another run; there is no common point although somebody was told to go on.
pub(crate) fn agree(
    checkpoints: &Checkpoints,
    terms: &Terms,
    links: &mut Links,
) -> Result<Option<Start>, PartyError> {
    let me = Some(links.me());
    let own = look(checkpoints, terms, me)?;
    let said = postcard::to_stdvec(&own).expect("numbers and a flag");
    let received = links.swap(&said, LIMIT)?;
    let mut all = vec![(None, own.clone())];
    for (party, bytes) in received.iter() {
        let who = links.who(party).clone();
        let points = postcard::from_bytes(bytes).map_err(|_| PartyError::Points {
            who: who.clone(),
            cause: "says what cannot be understood of its checkpoints".into(),
        })?;
        all.push((Some(who), points));
    }
    let chosen = common(&all);
    // Also by whoever fails, so that all know why before anybody ends.
    let echo = postcard::to_stdvec(&chosen.as_ref().ok()).expect("numbers");
    let echoes = links.swap(&echo, LIMIT);
    let chosen = chosen?;
    for (party, theirs) in echoes?.iter() {
        if *theirs != echo {
            let cause = "has chosen another checkpoint to go on from".to_string();
            return Err(PartyError::Points { who: links.who(party).clone(), cause });
        }
    }
    Ok(chosen.map(|(run, point)| begin_at(checkpoints, me, run, point)))
}

/// The last point that all have; the first is this party's.
fn common(all: &[(Option<Who>, Points)]) -> Result<Option<([u8; 16], u64)>, PartyError> {
    let named = |who: &Option<Who>| who.as_ref().map_or("this party".to_string(), ToString::to_string);
    let mut runs = all.iter().filter_map(|(who, points)| Some((who, points.run?)));
    let first = runs.next();
    if let (Some((one, run)), Some((other, another))) =
        (first, runs.find(|(_, run)| Some(*run) != first.map(|f| f.1)))
    {
        let who = other.as_ref().or(one.as_ref()).expect("this party is one of the two at most").clone();
        let cause = format!(
            "has checkpoints of another run: {} of {}, {} of {}\n   = help: those of the run that is not to go on are to be removed",
            named(one),
            RunId(run),
            named(other),
            RunId(another)
        );
        return Err(PartyError::Points { who, cause });
    }
    let mut points = all.iter().map(|(_, points)| points.points.clone());
    let mut shared = points.next().unwrap_or_default();
    points.for_each(|points| shared = &shared & &points);
    match (first, shared.last()) {
        (Some((_, run)), Some(&point)) => Ok(Some((run, point))),
        _ if all.iter().any(|(_, points)| points.resume || points.had) => {
            let lists = all.iter().map(|(who, points)| match points.points.is_empty() {
                true => format!("{} has none", named(who)),
                false => {
                    let list: Vec<String> = points.points.iter().map(u64::to_string).collect();
                    format!("{} has {}", named(who), list.join(", "))
                }
            });
            let lists: Vec<String> = lists.collect();
            Err(PartyError::NoCommonPoint { lists: lists.join("; ") })
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(run: u8, list: &[u64], resume: bool) -> Points {
        let run = (!list.is_empty()).then_some([run; 16]);
        Points { run, points: list.iter().copied().collect(), had: list.len() > 2, resume }
    }

    fn chosen(lists: [Points; 3]) -> Result<Option<u64>, String> {
        let [own, next, prev] = lists;
        let all = [(None, own), (Some(Who::from(Party::P1)), next), (Some(Who::from(Party::P2)), prev)];
        common(&all).map(|point| point.map(|(_, point)| point)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_last_point_that_all_have() {
        let lists = [points(1, &[3, 6], false), points(1, &[6, 9], false), points(1, &[6], true)];
        assert_eq!(chosen(lists), Ok(Some(6)));
        let lists = [points(1, &[3, 6], false), points(1, &[9], false), points(1, &[], false)];
        assert_eq!(chosen(lists), Ok(None));
        // a party that has lost what it had does not make the others throw theirs away
        let lists = [points(1, &[3, 6, 9], false), points(1, &[9], false), points(1, &[], false)];
        assert!(chosen(lists).is_err());
    }

    #[test]
    fn what_keeps_them_from_going_on_is_named() {
        let lists = [points(1, &[3, 6], true), points(1, &[9], false), points(1, &[], false)];
        let told = chosen(lists).unwrap_err();
        assert!(told.contains("this party has 3, 6; party 1 has 9; party 2 has none"), "{told}");
        let lists = [points(1, &[3], false), points(2, &[3], false), points(1, &[3], false)];
        let told = chosen(lists).unwrap_err();
        assert!(told.starts_with("party 1 has checkpoints of another run"), "{told}");
        assert!(told.contains(&"02".repeat(16)), "{told}");
    }

    #[test]
    fn what_a_killed_party_was_writing_goes_too() {
        let directory = tempfile::tempdir().unwrap();
        let (one, two) = (Some(Party::P1), Some(Party::P2));
        let part = |me| {
            let name = file_of(directory.path(), me, 3);
            directory.path().join(format!(".{}.7.part", name.file_name().unwrap().to_str().unwrap()))
        };
        let kept = [file_of(directory.path(), one, 6), part(two)];
        let gone = [file_of(directory.path(), one, 3), part(one)];
        kept.iter().chain(&gone).for_each(|path| fs::write(path, "").unwrap());
        remove_but(directory.path(), one, &[6]).unwrap();
        assert!(kept.iter().all(|path| path.exists()) && !gone.iter().any(|path| path.exists()));
    }
}
