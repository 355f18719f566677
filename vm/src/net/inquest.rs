//! Whom to blame for silence.
//!
//! A party that hears nothing from a neighbour, or whose connection to it breaks, cannot know whether the neighbour has died or only the connection
//! between the two has. The third party does: it hears the neighbour, or it does not. So whoever loses a neighbour first tells the third party that
//! it ends the run, and whom it has lost, and waits a moment for the answer. The third one looks at its own link, answers, and ends its run too.
//! If two parties accuse the third at the same time, each takes the other's accusation for its answer.
//!
//! Nobody is waited for when only the answer is missing: a party that is busy does without, as before.

use std::time::{Duration, Instant};

use tern_bytecode::validate::names::legible;

use super::error::NetError;
use super::frame::{self, Frame, Report};
use super::party::{Pair, Side};
use super::rounds::Rounds;

/// How long whoever has lost a neighbour waits for the third party's word.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How long the third party waits for a stream to end that has ended elsewhere.
const SETTLE: Duration = Duration::from_millis(300);

/// What the third party makes of a neighbour that another one has lost.
enum Heard {
    Alive,
    Lost,
    /// It has just said itself why it ends.
    Said(NetError),
}

impl Rounds {
    /// The neighbour on `side` is silent or gone, as `found` says: the error to report, after asking the other neighbour.
    pub(super) fn inquire(&mut self, side: Side, found: NetError) -> NetError {
        if self.suspect.replace(side).is_some() {
            return found; // an inquest is under way, and has its own conclusion
        }
        let (third, lost) = (side.other(), self.me.at(side));
        let accusation = frame::abort(self.me, Some(lost), &found.to_string());
        let told = self.transport.write(third, &accusation).and_then(|()| self.transport.flush(third));
        self.incoming[third].discard();
        let answer = if told.is_ok() { self.answer(third, side) } else { Ok(None) };
        let (who, witness) = (self.who[side].clone(), self.who[third].clone());
        if answer.is_ok() {
            self.reported = None; // what others have said meanwhile is in the conclusion
        }
        let silent = self.last_heard[third].elapsed() > self.stall / 2;
        match (answer, found) {
            (Err(said), _) => said,
            (Ok(Some(true)), found) => NetError::Cut { who, witness, cause: found.to_string() },
            (Ok(Some(false)), NetError::Stalled { who, waited, .. }) => {
                NetError::Stalled { who, waited, witness: Some(witness) }
            }
            (Ok(None), found) if told.is_err() || silent => {
                NetError::Alone { who, other: witness, cause: found.to_string() }
            }
            (Ok(_), found) => found,
        }
    }

    /// Whether the third party hears the suspect, if it says so in time. An error if it has ended the run for a reason of its own.
    fn answer(&mut self, third: Side, suspect: Side) -> Result<Option<bool>, NetError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let drained = self.drain(third, &mut &mut [][..]);
            if self.accuses[third] {
                return Ok(Some(false));
            }
            // The word stands before the end of the run that follows from it.
            if let Some(hears) = self.incoming[third].witness(self.me.at(suspect)) {
                return Ok(Some(hears));
            }
            match drained {
                Ok(()) => {}
                Err(said @ NetError::Aborted { .. }) => return Err(said),
                Err(_) => return Ok(None),
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.wait_for(third, left).is_err() {
                return Ok(None);
            }
        }
    }

    /// The neighbour on `side` has ended the run: the error to report here.
    pub(super) fn told(&mut self, side: Side, Report { origin, suspect, reason }: Report) -> NetError {
        let who = self.who[side].clone();
        // One line that shows as it is, whatever the neighbour sent.
        let reason = legible(&reason.replace('\n', "; "));
        let accused = suspect.and_then(|party| self.me.side_of(party)).filter(|&accused| accused != side);
        if let Some(accused) = accused {
            self.accuses[side] = true;
            if self.suspect.is_none()
                && let Some(error) = self.testify(side, accused, &reason)
            {
                return error;
            }
        }
        self.reported = Some((origin, reason.clone()));
        let origin = match self.me.side_of(origin) {
            Some(side) => self.who[side].clone(),
            None => self.me.into(),
        };
        NetError::Aborted { who, origin, suspect, reason }
    }

    /// Tells the neighbour on `side` whether this party hears the other one. The error, if the neighbour does not know it itself.
    fn testify(&mut self, side: Side, accused: Side, cause: &str) -> Option<NetError> {
        self.suspect = Some(accused);
        let heard = self.hear(accused);
        let hears = matches!(heard, Heard::Alive);
        let word = Frame::Witness { of: self.me.at(accused), hears };
        let written = self.transport.write(side, &word.encode());
        // Whoever asked may be gone; then nobody needs the answer.
        let _ = written.and_then(|()| self.transport.flush(side));
        match heard {
            Heard::Alive => {
                let (one, other) = (self.who[side].clone(), self.who[accused].clone());
                let cut = NetError::CutBetween { one, other, cause: cause.to_owned() };
                let text = format!(
                    "the connection between {} and {} is cut: {cause}",
                    self.who[side], self.who[accused]
                );
                self.reported = Some((self.me.at(side), text));
                Some(cut)
            }
            Heard::Lost => None,
            Heard::Said(said) => Some(said),
        }
    }

    fn hear(&mut self, side: Side) -> Heard {
        self.incoming[side].discard();
        let deadline = Instant::now() + SETTLE;
        loop {
            match self.drain(side, &mut &mut [][..]) {
                Ok(()) => {}
                // Whoever accuses is alive.
                Err(NetError::Aborted { .. }) if self.accuses[side] => return Heard::Alive,
                Err(said @ NetError::Aborted { .. }) => return Heard::Said(said),
                Err(_) => return Heard::Lost,
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.wait_for(side, left).is_err() {
                let recent = self.last_heard[side].elapsed() < self.stall / 2 + SETTLE;
                return if recent { Heard::Alive } else { Heard::Lost };
            }
        }
    }

    fn wait_for(&mut self, side: Side, limit: Duration) -> std::io::Result<()> {
        let on = Pair::from_fn(|other| other == side && self.incoming[side].is_listening());
        self.transport.wait(on, limit.min(SETTLE))
    }
}
