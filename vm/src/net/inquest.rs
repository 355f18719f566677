//! Whom to blame for silence.
//!
//! A party that hears nothing from another, or whose connection to it breaks, cannot know whether the other has died or only the connection
//! between the two has. A third party does: it hears the other, or it does not. So whoever loses a party first tells all others that
//! it ends the run, and whom it has lost, and waits a moment for the first answer. They look at their own links, answer, and end their runs too.
//! If two parties accuse a third at the same time, each takes the other's accusation for its answer.
//!
//! Nobody is waited for when only the answer is missing: a party that is busy does without, as before.

use std::time::{Duration, Instant};

use tern_bytecode::validate::names::legible;

use super::error::NetError;
use super::frame::{self, Frame, Report};
use super::party::Party;
use super::rounds::Rounds;

/// How long whoever has lost a neighbour waits for the third party's word.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How long the third party waits for a stream to end that has ended elsewhere.
const SETTLE: Duration = Duration::from_millis(300);

/// What a third party makes of one that another has lost.
enum Heard {
    Alive,
    Lost,
    /// It has just said itself why it ends.
    Said(NetError),
}

impl Rounds {
    /// A party is silent or gone, as `found` says: the error to report, after asking the others.
    pub(super) fn inquire(&mut self, peer: Party, found: NetError) -> NetError {
        if self.suspect.replace(peer).is_some() {
            return found; // an inquest is under way, and has its own conclusion
        }
        let accusation = frame::abort(&Report::failed(self.me, Some(peer), found.to_string()));
        let others: Vec<Party> = self.peers().filter(|other| *other != peer).collect();
        let mut told = Vec::new();
        for &other in &others {
            let written = self.transport.write(other, &accusation).and_then(|()| self.transport.flush(other));
            self.incoming[other].discard();
            if written.is_ok() {
                told.push(other);
            }
        }
        let nobody = told.is_empty();
        let answer = self.answer(told, peer);
        if answer.is_ok() {
            self.reported = None; // what others have said meanwhile is in the conclusion
        }
        let silent = others.iter().all(|other| self.last_heard[*other].elapsed() > self.stall / 2);
        let who = self.who[peer].clone();
        match (answer, found) {
            (Err(said), _) => said,
            (Ok(Some((witness, true))), found) => {
                NetError::Cut { who, witness: self.who[witness].clone(), cause: found.to_string() }
            }
            (Ok(Some((witness, false))), NetError::Stalled { who, waited, .. }) => {
                NetError::Stalled { who, waited, witness: Some(self.who[witness].clone()) }
            }
            (Ok(None), found) if nobody || silent => match others.first() {
                Some(other) => {
                    let other = self.who[*other].clone();
                    NetError::Alone { who, other, cause: found.to_string() }
                }
                None => found,
            },
            (Ok(_), found) => found,
        }
    }

    /// Who of those that were asked has answered first, and whether it hears the suspect; none if nobody does in time. An error if one of them
    /// has ended the run for a reason of its own.
    fn answer(&mut self, mut asked: Vec<Party>, suspect: Party) -> Result<Option<(Party, bool)>, NetError> {
        let deadline = Instant::now() + PATIENCE;
        while !asked.is_empty() {
            let mut gone = Vec::new();
            for &witness in &asked {
                let drained = self.drain(witness, &mut &mut [][..]);
                if self.accuses[witness] {
                    return Ok(Some((witness, false)));
                }
                // The word stands before the end of the run that follows from it.
                if let Some(hears) = self.incoming[witness].witness(suspect) {
                    return Ok(Some((witness, hears)));
                }
                match drained {
                    Ok(()) => {}
                    Err(said @ NetError::Aborted { .. }) => return Err(said),
                    Err(_) => gone.push(witness),
                }
            }
            asked.retain(|witness| !gone.contains(witness));
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.wait_for(&asked, left).is_err() {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// A party has ended the run: the error to report here.
    pub(super) fn told(&mut self, peer: Party, report: Report) -> NetError {
        let Report { origin, suspect, declines, reason } = report;
        let who = self.who[peer].clone();
        // One line that shows as it is, whatever the party sent.
        let reason = legible(&reason.replace('\n', "; "));
        let accused = suspect.filter(|accused| *accused != peer && self.who.get(*accused).is_some());
        if let Some(accused) = accused {
            self.accuses[peer] = true;
            if self.suspect.is_none()
                && let Some(error) = self.testify(peer, accused, &reason)
            {
                return error;
            }
        }
        self.reported = Some(Report { origin, suspect: None, declines, reason: reason.clone() });
        let origin = match origin {
            origin if origin == self.me => self.me.into(),
            origin => self.who.get(origin).unwrap_or(&who).clone(),
        };
        NetError::Aborted { who, origin, suspect, declines, reason }
    }

    /// Tells a party whether this one hears another. The error, if it does not know that itself.
    fn testify(&mut self, peer: Party, accused: Party, cause: &str) -> Option<NetError> {
        self.suspect = Some(accused);
        let heard = self.hear(accused);
        let hears = matches!(heard, Heard::Alive);
        let word = Frame::Witness { of: accused, hears };
        let written = self.transport.write(peer, &word.encode());
        // Whoever asked may be gone; then nobody needs the answer.
        let _ = written.and_then(|()| self.transport.flush(peer));
        match heard {
            Heard::Alive => {
                let (one, other) = (self.who[peer].clone(), self.who[accused].clone());
                let cut = NetError::CutBetween { one, other, cause: cause.to_owned() };
                let text = format!(
                    "the connection between {} and {} is cut: {cause}",
                    self.who[peer], self.who[accused]
                );
                self.reported = Some(Report::failed(peer, None, text));
                Some(cut)
            }
            Heard::Lost => None,
            Heard::Said(said) => Some(said),
        }
    }

    fn hear(&mut self, peer: Party) -> Heard {
        self.incoming[peer].discard();
        let deadline = Instant::now() + SETTLE;
        loop {
            match self.drain(peer, &mut &mut [][..]) {
                Ok(()) => {}
                // Whoever accuses is alive.
                Err(NetError::Aborted { .. }) if self.accuses[peer] => return Heard::Alive,
                Err(said @ NetError::Aborted { .. }) => return Heard::Said(said),
                Err(_) => return Heard::Lost,
            }
            if self.transport.is_interrupted(peer) {
                return Heard::Lost;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.wait_for(&[peer], left).is_err() {
                let recent = self.last_heard[peer].elapsed() < self.stall / 2 + SETTLE;
                return if recent { Heard::Alive } else { Heard::Lost };
            }
        }
    }

    fn wait_for(&mut self, peers: &[Party], limit: Duration) -> std::io::Result<()> {
        let on = self.incoming.as_ref().map(|peer, link| peers.contains(&peer) && link.is_listening());
        self.transport.wait(on, limit.min(SETTLE))
    }
}
