//! The end of a run that keeps points: nobody goes before all know that it has come.
//!
//! A party whose results are on disk says so. Whoever has heard that from all leaves a mark on its disk, *ended*, and says that. Whoever has heard
//! *that* from all changes its mark to *over*: all have theirs, so nobody needs it any more. It removes its points, and last of all the mark.
//!
//! A party that is killed on the way is started again with the same command line:
//!
//! | its mark | what it knows | what it does |
//! |---|---|---|
//! | none | nothing of the end; the others wait, at least with *ended* | goes on with them |
//! | *ended* | all have their results; perhaps not all know that | goes on with those that do not; if nobody comes, it is over |
//! | *over* | all know it | nothing is left to be done |

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::choice::{clear, who, whose};
use super::{Checkpoints, Ending, file};
use crate::data::{Access, write_atomically};
use crate::machine::host::RunId;
use crate::machine::{Options, Seeds};
use crate::net::{Links, Party};
use crate::protocol::{PartyError, Terms};

/// What a mark is of.
type Of = (Terms, String, [u8; 16]);

fn mark(directory: &Path, me: Option<Party>, ending: Ending) -> PathBuf {
    let name = if ending == Ending::Over { "over" } else { "ended" };
    directory.join(format!("{}.{name}", who(me)))
}

/// The mark that a run of these terms has left.
pub(super) fn found(directory: &Path, terms: &Terms, me: Option<Party>) -> Option<Ending> {
    let is_of_this = |ending: &Ending| {
        let bytes = fs::read(mark(directory, me, *ending)).ok()?;
        let (theirs, party, _): Of = postcard::from_bytes(&bytes).ok()?;
        (theirs == *terms && party == whose(me)).then_some(())
    };
    [Ending::Over, Ending::Ended].into_iter().find(|ending| is_of_this(ending).is_some())
}

/// Removes marks.
pub(super) fn remove(directory: &Path, me: Option<Party>) -> io::Result<()> {
    for ending in [Ending::Ended, Ending::Over] {
        match fs::remove_file(mark(directory, me, ending)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// This party's results are on disk: waits until those of all are, and marks that. Whether all parties have their marks.
///
/// # Errors
/// If it is not known whether all have their results.
pub(crate) fn conclude(
    checkpoints: &Checkpoints,
    terms: &Terms,
    public_seed: &[u8; 32],
    links: &mut Links,
) -> Result<bool, PartyError> {
    let (me, directory) = (Some(links.me()), &checkpoints.directory);
    links.swap(&[1], 1)?;
    let run = checkpoints.start.as_ref().map_or(Seeds::run_id(public_seed), |start| start.run);
    // Without a mark there is no harm, as long as the party is not killed in the next moment.
    let _ = leave(directory, terms, me, run);
    if links.swap(&[1], 1).is_err() {
        return Ok(false);
    }
    let [ended, over] = [Ending::Ended, Ending::Over].map(|ending| mark(directory, me, ending));
    let _ = fs::rename(ended, over).and_then(|()| file::sync(directory));
    clear(checkpoints, me);
    Ok(true)
}

fn leave(directory: &Path, terms: &Terms, me: Option<Party>, run: RunId) -> io::Result<()> {
    let of: Of = (terms.clone(), whose(me), run.0);
    let bytes = postcard::to_stdvec(&of).map_err(io::Error::other)?;
    write_atomically(&mark(directory, me, Ending::Ended), Access::Owner, |out| out.write_all(&bytes))?;
    file::sync(directory)
}

impl Checkpoints {
    /// Whether the last run here, of the same program with the same options, came to its end, and its party did not live to say so.
    pub fn ending(&self, program: &tern_bytecode::Program, options: &Options, me: Party) -> Option<Ending> {
        found(&self.directory, &Terms::of(program, options), Some(me))
    }

    /// Forgets a run that is over: the next one begins. Called when everything has been said of it that there is to say, since a
    /// party that is killed before is told so when it is started again.
    pub fn forget(&self, me: Party) {
        clear(self, Some(me));
        // What stays behind says what is true: that the run came to its end.
        let _ = remove(&self.directory, Some(me));
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::super::choice::{Stage, agree, file_of};
    use super::*;
    use crate::machine::Every;
    use crate::net::memory;

    fn terms(program: &str) -> Terms {
        Terms::made(&[("program", program)])
    }

    /// Three parties in threads, each with a directory of its own. Whoever is done leaves: at once, or when all are.
    fn all<T: Send>(
        folder: &Path,
        together: bool,
        work: impl Fn(&Checkpoints, &mut Links) -> T + Sync,
    ) -> Vec<T> {
        thread::scope(|scope| {
            let work = &work;
            let party = |mut links: Links| {
                let directory = folder.join(links.me().index().to_string());
                fs::create_dir_all(&directory).expect("a directory");
                let checkpoints = Checkpoints::new(directory, Every::Iterations(1), false);
                scope.spawn(move || (work(&checkpoints, &mut links), together.then_some(links)))
            };
            let links = memory::mesh(3, Duration::from_secs(20)).into_iter();
            let parties: Vec<_> = links.map(party).collect();
            let done: Vec<_> = parties.into_iter().map(|party| party.join().expect("a thread")).collect();
            done.into_iter().map(|(value, _)| value).collect()
        })
    }

    fn marks(folder: &Path, of: &Terms) -> [Option<Ending>; 3] {
        [Party::P0, Party::P1, Party::P2].map(|me| found(&folder.join(me.index().to_string()), of, Some(me)))
    }

    #[test]
    fn all_know_the_end_and_their_points_are_gone() {
        let folder = tempfile::tempdir().unwrap();
        let known = all(folder.path(), true, |checkpoints, links| {
            let point = file_of(&checkpoints.directory, Some(links.me()), 3, Stage::Settled);
            fs::write(&point, "").unwrap();
            (conclude(checkpoints, &terms("a"), &[7; 32], links).unwrap(), point.exists())
        });
        assert_eq!(known, [(true, false); 3]);
        assert_eq!(marks(folder.path(), &terms("a")), [Some(Ending::Over); 3]);
        // of this run, and of no other
        assert_eq!(marks(folder.path(), &terms("b")), [None; 3]);
        let zero = Checkpoints::new(folder.path().join("0"), Every::Iterations(1), false);
        zero.forget(Party::P0);
        assert_eq!(fs::read_dir(folder.path().join("0")).unwrap().count(), 0);
        // what is left of it at the others does not keep another run from beginning
        let begun =
            all(folder.path(), true, |checkpoints, links| agree(checkpoints, &terms("a"), links).unwrap());
        assert_eq!(begun, [None, None, None]);
    }

    #[test]
    fn who_is_killed_before_it_knows_of_the_end_finds_the_others_and_their_points() {
        let folder = tempfile::tempdir().unwrap();
        let known = all(folder.path(), false, |checkpoints, links| {
            let point = file_of(&checkpoints.directory, Some(links.me()), 3, Stage::Settled);
            fs::write(&point, "").unwrap();
            match links.me() {
                // killed when it has said that its results are there
                Party::P1 => {
                    links.swap(&[1], 1).unwrap();
                    thread::sleep(Duration::from_secs(1)); // the others have heard it
                    (false, point.exists())
                }
                _ => (conclude(checkpoints, &terms("a"), &[7; 32], links).unwrap(), point.exists()),
            }
        });
        assert_eq!(known, [(false, true); 3]);
        assert_eq!(marks(folder.path(), &terms("a")), [Some(Ending::Ended), None, Some(Ending::Ended)]);
    }

    #[test]
    fn who_is_killed_before_its_results_are_there_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let known = all(folder.path(), false, |checkpoints, links| match links.me() {
            Party::P1 => true,
            _ => conclude(checkpoints, &terms("a"), &[7; 32], links).is_err(),
        });
        assert_eq!(known, [true; 3]);
        assert_eq!(marks(folder.path(), &terms("a")), [None; 3]);
    }
}
