//! What can go wrong while a program runs.

use std::fmt;

use tern_bytecode::Program;
use tern_bytecode::program::Line;

use crate::protocol::PartyError;

/// A fault with the instruction and the source line at which it happened.
#[derive(Debug, thiserror::Error)]
pub struct RunError {
    /// Index of the instruction, once known.
    pub at: Option<u32>,
    /// Source file and line, counted from 1, if the instruction belongs to one.
    pub place: Option<(String, u32)>,
    /// What happened.
    #[source]
    pub fault: Fault,
}

/// What happened.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The program breaks a rule of the bytecode.
    #[error(transparent)]
    Invalid(#[from] tern_bytecode::Fault),
    /// The program is for another ring than the back-end.
    #[error("the program computes modulo 2^{program}, the back-end modulo 2^{backend}")]
    Ring {
        /// Bits of the program's ring.
        program: u32,
        /// Bits of the back-end's.
        backend: u32,
    },
    /// The program needs more memory than it may have.
    #[error("the program needs {needed} bytes of memory, {limit} are allowed")]
    Memory {
        /// Bytes needed.
        needed: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The operating system has no memory left.
    #[error("cannot allocate {needed} bytes for a tensor")]
    Allocation {
        /// Bytes asked for.
        needed: u64,
    },
    /// The operating system refused to start threads.
    #[error(transparent)]
    Threads(#[from] crate::par::ThreadsError),
    /// No randomness for fresh keys.
    #[error("the operating system gives no random numbers: {0}")]
    Entropy(getrandom::Error),
    /// An index that is no row.
    #[error("index {index} is not a row of a tensor of {rows} rows")]
    Index {
        /// The index.
        index: i64,
        /// The number of rows.
        rows: usize,
    },
    /// Public integers, divided by zero.
    #[error("division of public integers by zero")]
    DivisionByZero,
    /// A public number that the program's precision cannot hold, where it meets secrets.
    #[error(
        "the public number {value} is beyond {what}, which holds what is below {bound} in absolute value (--fixed)"
    )]
    Unrepresentable {
        /// The number; `inf` and `NaN` are none.
        value: String,
        /// `fix` or `int`.
        what: &'static str,
        /// All numbers of the precision are below it in absolute value.
        bound: f64,
    },
    /// A public number that is needed as a whole number of 64 bits.
    #[error("the public number {value} is no whole number of 64 bits")]
    NotWhole {
        /// The number.
        value: f64,
    },
    /// Arithmetic of public whole numbers beyond 64 bits.
    #[error("a result of public whole numbers is beyond 64 bits")]
    IntegerOverflow,
    /// Loops within loops that run more often than 64 bits count.
    #[error("the loops around this one run more than 2^64 times in all")]
    TooManyIterations,
    /// Loops within loops that run more often than randomness can be addressed.
    #[error(transparent)]
    Counter(#[from] crate::prg::CounterTooLarge),
    /// An input could not be provided.
    #[error("input {name}: {cause}")]
    Input {
        /// The input's name in the program.
        name: String,
        /// Why.
        cause: HostError,
    },
    /// An output could not be taken.
    #[error("output {name}: {cause}")]
    Output {
        /// The output's name in the program.
        name: String,
        /// Why.
        cause: HostError,
    },
    /// The host cannot begin.
    #[error("{0}")]
    Begin(HostError),
    /// The host cannot keep the results.
    #[error("{0}")]
    Finish(HostError),
    /// A checkpoint cannot be used, or none can be kept.
    #[error(transparent)]
    Checkpoint(Box<super::checkpoint::Refusal>),
    /// The host cannot take back what it had put out.
    #[error("what was put out before the checkpoint cannot be taken back: {0}")]
    Restore(HostError),
    /// The host asked the run to stop.
    #[error("the run was cancelled")]
    Cancelled,
    /// A fault of the protocol: of a link or of a peer.
    #[error(transparent)]
    Protocol(Box<dyn std::error::Error + Send + Sync>),
}

impl From<super::checkpoint::Refusal> for Fault {
    fn from(refusal: super::checkpoint::Refusal) -> Fault {
        Fault::Checkpoint(Box::new(refusal))
    }
}

/// Why a host could not do what it was asked for.
pub type HostError = Box<dyn std::error::Error + Send + Sync>;

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((file, line)) = &self.place {
            write!(f, "{file}:{line}: ")?;
        }
        write!(f, "{}", self.fault)?;
        self.at.map_or(Ok(()), |at| write!(f, " (instruction {at})"))
    }
}

impl<F: Into<Fault>> From<F> for RunError {
    fn from(fault: F) -> RunError {
        RunError { at: None, place: None, fault: fault.into() }
    }
}

impl RunError {
    /// What other parties are told: nothing about the files and disks of this one.
    pub fn for_others(&self) -> String {
        match &self.fault {
            Fault::Begin(_) => "it cannot write where its results should go".into(),
            Fault::Finish(_) => "it cannot keep its results".into(),
            Fault::Checkpoint(_) | Fault::Restore(_) => "its checkpoint cannot be used".into(),
            Fault::Protocol(cause) if matches!(cause.downcast_ref(), Some(PartyError::Checkpoint(_))) => {
                "its checkpoint cannot be used".into()
            }
            _ => self.to_string(),
        }
    }

    /// Whether the run cannot begin here, or go on from where it was, until somebody mends that: whoever waits for this party waits in vain.
    pub fn is_of_the_beginning(&self) -> bool {
        match &self.fault {
            Fault::Begin(_) | Fault::Checkpoint(_) | Fault::Restore(_) | Fault::Memory { .. } => true,
            Fault::Protocol(cause) => matches!(
                cause.downcast_ref(),
                Some(
                    PartyError::Differs { .. }
                        | PartyError::Shares { .. }
                        | PartyError::Parties { .. }
                        | PartyError::Dealt(_)
                        | PartyError::Unkept { .. }
                        | PartyError::Points { .. }
                        | PartyError::NoCommonPoint { .. }
                        | PartyError::Checkpoint(_)
                )
            ),
            _ => false,
        }
    }

    /// The fault with its place; one that has a place keeps it.
    pub fn located(mut self, program: &Program, at: u32) -> RunError {
        if self.at.is_none() {
            self.at = Some(at);
            self.place = place(program, at);
        }
        self
    }
}

/// The source file and line of an instruction, if it belongs to one.
pub fn place(program: &Program, at: u32) -> Option<(String, u32)> {
    program.lines.get(at as usize).and_then(|line| place_of(program, *line))
}

/// The name of the file and the line, if there are such.
pub fn place_of(program: &Program, line: Line) -> Option<(String, u32)> {
    let file = program.files.get(line.file as usize).filter(|_| line.line > 0)?;
    Some((file.clone(), line.line))
}
