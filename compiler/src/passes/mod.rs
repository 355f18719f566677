//! Passes over the intermediate representation.
//!
//! [`PIPELINE`] is the list of passes, in order; each states what holds after it. [`run`] runs them all and lets an [`Observer`]
//! look on. Between passes, debug builds verify the program; release builds do so at the end.
//!
//! What emission may rely on: forms are explicit. Products and some selections are additive, replicated values are made of them by `reshare`, or by
//! `trunc`, which takes either form; the operands of `add` and `sub` have one kind, `promote` and `widen` having been written out, while
//! products may have a plain operand. Signs have their widths, selections by one bit share its half, and what is only
//! assumed of ranges stands in `assume`.

pub mod compared;
pub mod convolutions;
pub mod cost;
pub mod cse;
pub mod dce;
pub mod differentiate;
pub mod early_signs;
pub mod fold;
pub mod forms;
pub mod fuse_truncations;
pub mod graph;
pub mod hidden;
pub mod interval;
pub mod late_truncation;
pub mod narrow;
pub mod pattern;
pub mod pool_relu;
pub mod promises;
pub mod ranges;
pub mod reals;
pub mod select_quotients;
pub mod select_sharing;
pub mod transfer;

use std::time::{Duration, Instant};

use crate::diagnostics::{Diagnostic, Severity};
use crate::ir::Program;
use crate::ir::verify::{Invalid, verify};

/// A pass.
#[derive(Debug, Clone, Copy)]
pub struct Pass {
    /// By which it is asked for.
    pub name: &'static str,
    /// Changes the program; may leave messages, of which errors end the compilation.
    pub run: fn(&mut Program, &mut Vec<Diagnostic>),
    /// What holds afterwards.
    pub ensures: &'static str,
}

const CSE: Pass = Pass {
    name: "cse",
    run: |program, _| cse::run(program),
    ensures: "nothing is computed twice in a block",
};

const DCE: Pass =
    Pass { name: "dce", run: |program, _| dce::run(program), ensures: "what nothing uses is gone" };

const FUSE_TRUNCATIONS: Pass = Pass {
    name: "fuse_truncations",
    run: |program, _| fuse_truncations::run(program),
    ensures: "no truncation feeds only another, directly or through a public factor, where the head-room allows",
};

/// All passes, in order.
pub const PIPELINE: &[Pass] = &[
    Pass {
        name: "pool_relu",
        run: |program, _| pool_relu::run(program),
        ensures: "no rectifier feeds only maxima with fewer elements",
    },
    Pass {
        name: "differentiate",
        run: |program, messages| messages.extend(differentiate::run(program).err().into_iter().flatten()),
        ensures: "there is neither grad nor custom",
    },
    Pass { name: "fold", run: |program, _| fold::run(program), ensures: "what constants decide is decided" },
    CSE,
    DCE,
    Pass {
        name: "convolutions",
        run: |program, _| convolutions::run(program),
        ensures: "no patches of a contraction are laid over one another where windows can be gathered",
    },
    DCE,
    FUSE_TRUNCATIONS, // terms of sums
    Pass {
        name: "late_truncation",
        run: |program, _| late_truncation::run(program),
        ensures: "sums of products are truncated once, where the head-room allows",
    },
    FUSE_TRUNCATIONS, // and the sums
    CSE,
    DCE,
    Pass {
        name: "narrow",
        run: narrow::run,
        ensures: "signs have the smallest width that their ranges allow",
    },
    Pass {
        name: "early_signs",
        run: |program, _| early_signs::run(program),
        ensures: "compiled for few rounds, signs are tested, and wait for no truncation that rounds at random",
    },
    Pass {
        name: "forms",
        run: |program, messages| {
            messages.extend(hidden::check(program));
            forms::run(program);
        },
        ensures: "products are additive, replicated values are made of them by reshare or trunc",
    },
    Pass {
        name: "select_sharing",
        run: |program, _| select_sharing::run(program),
        ensures: "of the selections by one bit in a block only the first shares it",
    },
    Pass {
        name: "select_quotients",
        run: |program, _| select_quotients::run(program),
        ensures: "no truncation that rounds at random feeds only a later selection, with three parties",
    },
    CSE,
    DCE,
    Pass {
        name: "promises",
        run: |program, _| promises::run(program),
        ensures: "every value whose range is taken on trust has an assume",
    },
];

/// Looks on while passes run.
pub trait Observer {
    /// Called after a pass, with the time that it took.
    fn after(&mut self, pass: &Pass, program: &Program, elapsed: Duration);
}

/// Sees nothing.
impl Observer for () {
    fn after(&mut self, _: &Pass, _: &Program, _: Duration) {}
}

impl<F: FnMut(&Pass, &Program, Duration)> Observer for F {
    fn after(&mut self, pass: &Pass, program: &Program, elapsed: Duration) {
        self(pass, program, elapsed);
    }
}

/// Why there is no program in the end.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Failure {
    /// The program is at fault; warnings are among the messages as well.
    #[error("{} messages", .0.len())]
    Messages(Vec<Diagnostic>),
    /// A pass is at fault.
    #[error("after {pass}: {invalid}")]
    Broken {
        /// The pass.
        pass: &'static str,
        /// The rule that it broke.
        invalid: Invalid,
    },
}

/// Runs all passes. Returns warnings.
///
/// # Errors
/// If a pass finds that the program cannot be compiled, or breaks it.
pub fn run(program: &mut Program, observer: &mut dyn Observer) -> Result<Vec<Diagnostic>, Failure> {
    run_passes(PIPELINE, program, observer)
}

/// Runs some passes.
///
/// # Errors
/// As for [`run`].
pub fn run_passes(
    passes: &[Pass],
    program: &mut Program,
    observer: &mut dyn Observer,
) -> Result<Vec<Diagnostic>, Failure> {
    let mut messages = Vec::new();
    for (i, pass) in passes.iter().enumerate() {
        let start = Instant::now();
        (pass.run)(program, &mut messages);
        observer.after(pass, program, start.elapsed());
        if messages.iter().any(|m| m.severity == Severity::Error) {
            return Err(Failure::Messages(messages));
        }
        if cfg!(debug_assertions) || i + 1 == passes.len() {
            verify(program).map_err(|invalid| Failure::Broken { pass: pass.name, invalid })?;
        }
    }
    Ok(messages)
}
