//! What the machine asks of its surroundings: data in, results out, and whether to go on.

use std::fmt;
use std::ops::ControlFlow;

use super::checkpoint::Point;
use super::error::HostError;
use crate::ring::Ring;

/// The surroundings of a run. Inputs and outputs are named by their index in the program; every method is called from the thread
/// that runs the machine.
pub trait Host {
    /// Called once, when everything has been checked and the first instruction follows.
    ///
    /// # Errors
    /// If the host cannot begin; the run ends.
    fn begin(&mut self, run: RunId) -> Result<(), HostError> {
        let _ = run;
        Ok(())
    }

    /// Called once behind the last instruction. A party tells the others that it has finished when this has returned, so results are where
    /// they last by then.
    ///
    /// # Errors
    /// If results cannot be kept; the run has failed, for all parties.
    fn finish(&mut self) -> Result<(), HostError> {
        Ok(())
    }

    /// Whether the run is to end, asked before every instruction.
    fn is_stopped(&self) -> bool {
        false
    }

    /// Whether a checkpoint is to be kept as soon as can be, if any are kept.
    fn wants_point(&self) -> bool {
        false
    }

    /// Writes the elements of `input` from `start` on, in row-major order: fixed-point numbers with the input's declared fraction bits.
    /// Called with pieces of one input in rising order.
    ///
    /// # Errors
    /// If there is no such data; the run ends.
    fn input(&mut self, input: usize, start: u64, elements: ElementsMut<'_>) -> Result<(), HostError>;

    /// The set that the file of an input from shares belongs to: the parties compare what they have.
    fn share_set(&self, input: usize) -> Option<String> {
        let _ = input;
        None
    }

    /// Takes a whole output, in row-major order, with the output's declared fraction bits.
    ///
    /// # Errors
    /// If it cannot be kept; the run ends.
    fn output(&mut self, output: usize, elements: Elements<'_>) -> Result<(), HostError>;

    /// Takes the values that the program reports under `name`, with the loops around the report, outermost first.
    fn metric(&mut self, name: &str, values: &[f64], loops: &[Trip]);

    /// Takes a value that the program shows while debugging; emulator only.
    fn debug(&mut self, label: &str, shape: &[u32], values: &[f64]) {
        let _ = (label, shape, values);
    }

    /// What of the results so far must be there when the run goes on from a checkpoint that is written now.
    fn save(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// Called behind [`begin`](Self::begin) if the run goes on from a checkpoint: takes back what [`save`](Self::save) gave, and forgets what
    /// came later.
    ///
    /// # Errors
    /// If that is impossible; the run ends.
    fn restore(&mut self, state: &[u8]) -> Result<(), HostError> {
        let _ = state;
        Ok(())
    }

    /// Hears, behind [`begin`](Self::begin), that the run goes on from a checkpoint, perhaps although all parties have had a later one, which
    /// somebody has lost.
    fn goes_on(&mut self, point: u64, lost: Option<u64>) {
        let _ = (point, lost);
    }

    /// Hears what became of a checkpoint.
    fn point(&mut self, point: &Point) {
        let _ = point;
    }

    /// Called at the start of every loop iteration, with the loops in progress, outermost first. `Break` cancels the run.
    fn tick(&mut self, loops: &[Trip]) -> ControlFlow<()> {
        let _ = loops;
        ControlFlow::Continue(())
    }
}

/// What the parties of a run have in common and, unless they were given one seed, no other run has. It is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunId(pub [u8; 16]);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A loop in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Trip {
    /// Index of the loop's instruction.
    pub at: u32,
    /// The iteration, counted from 0.
    pub now: u32,
    /// How many there are.
    pub trips: u32,
    /// The counters of this loop and all around it as one number, this one fastest.
    pub iteration: u64,
}

/// Ring elements whose ring is known at run time only: little-endian limbs of 64 bits in two's complement.
#[derive(Debug, Clone, Copy)]
pub struct Elements<'a> {
    /// Limbs per element.
    pub limbs: usize,
    /// The limbs of all elements.
    pub words: &'a [u64],
}

/// The same to write.
#[derive(Debug)]
pub struct ElementsMut<'a> {
    /// Limbs per element.
    pub limbs: usize,
    /// The limbs of all elements.
    pub words: &'a mut [u64],
}

impl<'a> Elements<'a> {
    /// Elements of a known ring.
    pub fn new<R: Ring>(elements: &'a [R]) -> Self {
        Self { limbs: R::LIMBS, words: bytemuck::must_cast_slice(elements) }
    }

    /// Their number.
    pub fn len(&self) -> usize {
        self.words.len() / self.limbs
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The numbers that the elements stand for, with `frac` fraction bits.
    pub fn to_f64(&self, frac: u32) -> impl Iterator<Item = f64> + use<'a> {
        let scale = 2f64.powi(-(frac as i32));
        self.words.chunks_exact(self.limbs).map(move |limbs| signed(limbs).to_f64() * scale)
    }
}

impl<'a> ElementsMut<'a> {
    /// Elements of a known ring.
    pub fn new<R: Ring>(elements: &'a mut [R]) -> Self {
        Self { limbs: R::LIMBS, words: bytemuck::must_cast_slice_mut(elements) }
    }

    /// Their number.
    pub fn len(&self) -> usize {
        self.words.len() / self.limbs
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The elements as those of ring `R`; `None` if theirs is another.
    pub fn of<R: Ring>(self) -> Option<&'a mut [R]> {
        if self.limbs == R::LIMBS { bytemuck::try_cast_slice_mut(self.words).ok() } else { None }
    }
}

/// The element with these limbs, sign-extended to the widest ring.
fn signed(limbs: &[u64]) -> crate::ring::Z256 {
    let missing = 64 * (4 - limbs.len().min(4)) as u32;
    crate::ring::Z256::from_limbs(limbs).shl(missing).sar(missing)
}
