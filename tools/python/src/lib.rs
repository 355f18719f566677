//! The native half of the Python package `tern`: the library under the command, as Python sees it. The package's other half, in `tern/`, gives it
//! its names, types and documentation; what is here is called by that and by nobody else.
//!
//! | module | what it holds |
//! |---|---|
//! | `program` | a compiled program, its cost, and what it computes on clear data |
//! | `runs` | the same on shares, with local processes or as a real party, and clients |
//! | `kept` | checkpoints of a run |
//! | `given` | inputs from Python: arrays, state dictionaries, files |
//! | `arrays` | NumPy's arrays, copied once |
//! | `attend` | work on a thread of its own, while Python's own hears events and signals |
//! | `failed` | errors as exceptions with their fields |
//!
//! **Invariant.** The interpreter's lock is not held while anything is compiled, read or run.

mod arrays;
mod attend;
mod failed;
mod given;
mod kept;
mod program;
mod runs;
mod scarce;

use std::time::Duration;

use pyo3::prelude::*;
use tern_vm::erase::Erasing;
use tern_vm::scarce::Telling;

/// That of the command, for the same reasons.
#[global_allocator]
static ALLOCATOR: Erasing<Telling<mimalloc::MiMalloc>> = Erasing(Telling(mimalloc::MiMalloc));

/// How long freed pages are kept: longer than from one batch to the next.
const PAGES: Duration = Duration::from_secs(1);

#[pymodule(gil_used = true)]
mod _tern {
    use super::*;

    /// When Python loads the module, before there are threads of ours.
    #[pymodule_init]
    fn init(_module: &Bound<'_, PyModule>) -> PyResult<()> {
        tern_vm::pages::keep(PAGES);
        Ok(())
    }

    #[pymodule_export]
    use super::given::{is_part_of_weight, read_tensors, with_weights};
    #[pymodule_export]
    use super::program::{Program, compile, figure, rows_wanted};
    #[pymodule_export]
    use super::runs::{open, party, receive, run, send, serve, share, take_part};
}
