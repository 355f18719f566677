//! Which point a run goes on from.
//!
//! Every party looks at its own files first: one of another program, other arguments or another party is refused, naming what differs. Then all
//! tell each other which points they have, and the last that all have is the one; whoever has a later one goes back. What each has chosen
//! is compared, so that nobody can tell different parties different things.
//!
//! A file is *pending* until all have said that theirs is on disk, then *settled* by a new name. Whoever is killed in between may have it either way,
//! and either serves. The names tell what to do if no point is common: a settled one was complete everywhere, so somebody has lost it, which is an
//! error; pending ones alone were never complete, and the run begins anew.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::file::{self, Head, Refusal};
use super::{Checkpoints, Start, ending};
use crate::machine::host::RunId;
use crate::net::{Links, Party, Who};
use crate::protocol::{PartyError, Terms};

/// Bytes of what a party says of its points.
const LIMIT: usize = 1 << 12;
/// Points that it speaks of, the latest; there are more only where somebody has copied them.
const SPOKEN: usize = 64;
/// The end of the names of files of points that all parties have.
const SETTLED: &str = "checkpoint";
/// The same of points of which a party does not know yet whether all have them.
const PENDING: &str = "pending";

/// Which attempt has written a point: what two attempts have written under one number does not go together.
type Attempt = [u8; 16];

/// Points that a party has on disk, all of one run, with the attempts that have written them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Points {
    run: Option<[u8; 16]>,
    points: BTreeMap<u64, Attempt>,
    /// The last that all parties have had, if there is one.
    settled: Option<u64>,
    /// Whether the run came to its end: then nothing is lost with its points.
    ended: bool,
    /// Whether the party was told to go on and not to begin.
    resume: bool,
}

/// How far a file has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Pending,
    Settled,
}

/// The name of a file.
pub(super) fn file_of(directory: &Path, me: Option<Party>, point: u64, stage: Stage) -> PathBuf {
    let suffix = if stage == Stage::Settled { SETTLED } else { PENDING };
    directory.join(format!("{}.{point:012}.{suffix}", who(me)))
}

pub(super) fn who(me: Option<Party>) -> String {
    me.map_or("emulator".to_string(), |me| format!("party-{}", me.index()))
}

pub(super) fn whose(me: Option<Party>) -> String {
    me.map_or("the emulator".to_string(), |me| me.to_string())
}

/// The files of a party, by point.
fn files(directory: &Path, me: Option<Party>) -> io::Result<Vec<(u64, Stage, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(rest) = name.strip_prefix(&format!("{}.", who(me))) else { continue };
        let (number, stage) = match rest.split_once('.') {
            Some((number, SETTLED)) => (number, Stage::Settled),
            Some((number, PENDING)) => (number, Stage::Pending),
            _ => continue,
        };
        if let Ok(point) = number.parse() {
            found.push((point, stage, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Removes a party's files but those of these points, and what it was writing when it was killed.
pub(super) fn remove_but(directory: &Path, me: Option<Party>, keep: &[u64]) -> io::Result<()> {
    for (point, _, path) in files(directory, me)? {
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
    let ended = ending::found(directory, terms, me).is_some();
    let mut points = Points { resume: checkpoints.resume, ended, ..Points::default() };
    let mut refused = None;
    for (point, stage, path) in files(directory, me).map_err(cannot)?.into_iter().rev().take(SPOKEN) {
        match file::check(&path) {
            Ok(head) => {
                let (run, attempt) = (head.run, head.attempt);
                differs(&path, head, (terms, &whose(me), point))?;
                // An older file of another run is not of the one that was interrupted last.
                if *points.run.get_or_insert(run) == run {
                    points.points.entry(point).or_insert(attempt);
                }
            }
            // Nobody has said that it was complete.
            Err(_) if stage == Stage::Pending => continue,
            Err(refusal) => refused = refused.or(Some(refusal)),
        }
        if stage == Stage::Settled {
            points.settled = points.settled.or(Some(point));
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
    match (own.run, own.points.last_key_value()) {
        (Some(run), Some((&point, _))) => {
            let lost = own.settled.filter(|settled| *settled > point);
            begin_at(checkpoints, None, Chosen { run, point, lost }).map(Some)
        }
        _ if checkpoints.resume => Err(Refusal::Nothing { directory: checkpoints.directory.clone() }),
        _ => Ok(None),
    }
}

/// What all parties have chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Chosen {
    run: [u8; 16],
    point: u64,
    /// A later point that all parties have had, and somebody has lost.
    lost: Option<u64>,
}

/// All go on from it, so all have it: whoever did not know that knows it now.
fn begin_at(checkpoints: &Checkpoints, me: Option<Party>, chosen: Chosen) -> Result<Start, Refusal> {
    let Chosen { run, point, lost } = chosen;
    let directory = &checkpoints.directory;
    let [pending, file] = [Stage::Pending, Stage::Settled].map(|stage| file_of(directory, me, point, stage));
    if !file.exists() {
        let cannot = |cause| Refusal::Directory { directory: directory.clone(), cause };
        fs::rename(pending, &file).map_err(cannot)?;
    }
    Ok(Start { run: RunId(run), point, file, lost })
}

/// The point that all parties go on from, or none if all begin.
///
/// # Errors
/// This party's files are refused; others' are of another run; there is no common point although somebody was told to go on, or has
/// one that all have had.
pub(crate) fn agree(
    checkpoints: &Checkpoints,
    terms: &Terms,
    links: &mut Links,
) -> Result<Option<Start>, PartyError> {
    let me = Some(links.me());
    let own = look(checkpoints, terms, me)?;
    let said = postcard::to_stdvec(&own).expect("numbers and flags");
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
    Ok(chosen.map(|chosen| begin_at(checkpoints, me, chosen)).transpose()?)
}

fn named(who: Option<&Who>) -> String {
    who.map_or("this party".to_string(), ToString::to_string)
}

/// The last point that all have; the first is this party's. If there is none, the run begins, unless somebody has one that all have had.
fn common(all: &[(Option<Who>, Points)]) -> Result<Option<Chosen>, PartyError> {
    // What belongs to a run that came to its end is not lost.
    let complete = || all.iter().filter(|(_, points)| points.settled.is_some() && !points.ended);
    one_run(complete().filter_map(|(who, points)| Some((who.as_ref(), points.run?))))?;
    let (_, own) = &all[0];
    let has = |points: &Points, (point, attempt): (&u64, &Attempt)| points.points.get(point) == Some(attempt);
    let shared = own.points.iter().rev().find(|point| all.iter().all(|(_, points)| has(points, *point)));
    if let (Some(run), Some((&point, _))) = (own.run, shared) {
        let lost = all.iter().filter_map(|(_, points)| points.settled).max().filter(|last| *last > point);
        return Ok(Some(Chosen { run, point, lost }));
    }
    if complete().next().is_none() && !all.iter().any(|(_, points)| points.resume) {
        return Ok(None);
    }
    let lists = all.iter().map(|(who, points)| match points.points.is_empty() {
        true => format!("{} has none", named(who.as_ref())),
        false => {
            let list: Vec<String> = points.points.keys().map(u64::to_string).collect();
            format!("{} has {}", named(who.as_ref()), list.join(", "))
        }
    });
    let lists: Vec<String> = lists.collect();
    Err(PartyError::NoCommonPoint { lists: lists.join("; ") })
}

/// Refuses points of different runs.
fn one_run<'a>(mut runs: impl Iterator<Item = (Option<&'a Who>, [u8; 16])>) -> Result<(), PartyError> {
    let Some((one, run)) = runs.next() else { return Ok(()) };
    let Some((other, another)) = runs.find(|(_, another)| *another != run) else { return Ok(()) };
    let who = other.or(one).expect("this party is one of the two at most").clone();
    let cause = format!(
        "has checkpoints of another run: {} of {}, {} of {}\n   = help: those of the run that is not to go on are to be removed",
        named(one),
        RunId(run),
        named(other),
        RunId(another)
    );
    Err(PartyError::Points { who, cause })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points that all have had but the last ones, which are pending.
    fn points(run: u8, settled: &[u64], pending: &[u64]) -> Points {
        let list: BTreeMap<u64, Attempt> = settled.iter().chain(pending).map(|p| (*p, [run; 16])).collect();
        let run = (!list.is_empty()).then_some([run; 16]);
        Points { run, points: list, settled: settled.iter().max().copied(), ..Points::default() }
    }

    fn none() -> Points {
        points(0, &[], &[])
    }

    fn chosen(lists: [Points; 3]) -> Result<Option<u64>, String> {
        chosen_and_lost(lists).map(|point| point.map(|(point, _)| point))
    }

    /// The point, and a later one that somebody has lost: the same whoever asks.
    fn chosen_and_lost(lists: [Points; 3]) -> Result<Option<(u64, Option<u64>)>, String> {
        let parties = [Party::P0, Party::P1, Party::P2];
        let views = [0, 1, 2].map(|me| {
            let mut all = vec![(None, lists[me].clone())];
            let others = (0..3).filter(|other| *other != me);
            all.extend(others.map(|other| (Some(Who::from(parties[other])), lists[other].clone())));
            let choice = common(&all).map(|c| c.map(|c| (c.point, c.lost)));
            choice.map_err(|error| error.to_string())
        });
        assert!(views.iter().all(|view| view.is_err() == views[0].is_err()), "{views:?}");
        assert!(views[0].is_err() || views.iter().all(|view| *view == views[0]), "{views:?}");
        views[0].clone()
    }

    #[test]
    fn the_last_point_that_all_have() {
        let lists = [points(1, &[3, 6], &[]), points(1, &[6], &[9]), points(1, &[3, 6], &[])];
        assert_eq!(chosen_and_lost(lists), Ok(Some((6, None))));
        // all have written it, and nobody has come to know that
        let lists = [points(1, &[6], &[9]), points(1, &[6], &[9]), points(1, &[6], &[9])];
        assert_eq!(chosen(lists), Ok(Some(9)));
        // one has come to know it
        let lists = [points(1, &[6, 9], &[]), points(1, &[3, 6], &[9]), points(1, &[6], &[9])];
        assert_eq!(chosen_and_lost(lists), Ok(Some((9, None))));
        // one has lost it since
        let lists = [points(1, &[6, 9], &[]), points(1, &[6, 9], &[]), points(1, &[6], &[])];
        assert_eq!(chosen_and_lost(lists), Ok(Some((6, Some(9)))));
    }

    #[test]
    fn a_first_point_that_not_all_have_is_none() {
        for others in [[none(), none()], [none(), points(1, &[], &[3])], [points(1, &[], &[3]), none()]] {
            let [next, prev] = others;
            assert_eq!(chosen([points(1, &[], &[3]), next, prev]), Ok(None));
        }
        let all = [points(1, &[], &[3]), points(1, &[], &[3]), points(1, &[], &[3])];
        assert_eq!(chosen(all), Ok(Some(3)));
        // nor are pending ones of different attempts one
        let two = [points(1, &[], &[3]), points(2, &[], &[3]), points(1, &[], &[3])];
        assert_eq!(chosen(two), Ok(None));
    }

    #[test]
    fn a_point_that_all_have_had_is_not_thrown_away() {
        // even the first: whoever has none has lost it
        let lists = [points(1, &[3], &[]), points(1, &[], &[3]), none()];
        let told = chosen(lists).unwrap_err();
        assert!(told.contains("this party has 3; party 1 has 3; party 2 has none"), "{told}");
        let lists = [points(1, &[3, 6], &[]), points(1, &[9], &[]), none()];
        assert!(chosen(lists).is_err());
    }

    #[test]
    fn who_was_told_to_go_on_does_not_begin() {
        let told = |points| Points { resume: true, ..points };
        assert!(chosen([told(none()), none(), none()]).is_err());
        assert!(chosen([none(), told(points(1, &[], &[3])), none()]).is_err());
    }

    #[test]
    fn what_is_left_of_a_run_that_came_to_its_end_is_not_lost() {
        let ended = |points| Points { ended: true, ..points };
        assert_eq!(chosen([ended(points(1, &[3, 6], &[])), none(), none()]), Ok(None));
        // those that do not know of the end go on to it together
        let lists = [ended(points(1, &[3, 6], &[])), points(1, &[3, 6], &[]), ended(points(1, &[6], &[]))];
        assert_eq!(chosen(lists), Ok(Some(6)));
        let lists = [ended(points(1, &[3], &[])), points(2, &[3], &[]), points(2, &[3], &[])];
        assert!(chosen(lists).is_err(), "the others have had it");
    }

    #[test]
    fn points_of_different_runs_are_named() {
        let told = chosen([points(1, &[3], &[]), points(2, &[3], &[]), points(1, &[3], &[])]).unwrap_err();
        assert!(told.starts_with("party 1 has checkpoints of another run"), "{told}");
        assert!(told.contains(&"02".repeat(16)), "{told}");
    }

    #[test]
    fn what_a_killed_party_was_writing_goes_too() {
        let directory = tempfile::tempdir().unwrap();
        let (one, two) = (Some(Party::P1), Some(Party::P2));
        let file = |me, point, stage| file_of(directory.path(), me, point, stage);
        let part = |me| {
            let name = file(me, 3, Stage::Pending);
            directory.path().join(format!(".{}.7.part", name.file_name().unwrap().to_str().unwrap()))
        };
        let kept = [file(one, 6, Stage::Settled), file(one, 6, Stage::Pending), part(two)];
        let gone = [file(one, 3, Stage::Settled), file(one, 9, Stage::Pending), part(one)];
        kept.iter().chain(&gone).for_each(|path| fs::write(path, "").unwrap());
        remove_but(directory.path(), one, &[6]).unwrap();
        assert!(kept.iter().all(|path| path.exists()) && !gone.iter().any(|path| path.exists()));
    }
}
