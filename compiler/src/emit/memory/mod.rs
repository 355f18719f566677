//! Which stores share a buffer.
//!
//! 1. [`live`]: when each store holds something that is read later.
//! 2. [`coalesce`]: stores that a copy connects become one where their lives allow it, and the copy disappears. So carried values
//!    are updated in place.
//! 3. [`assign`]: the largest first, each store goes to the smallest buffer of its kind that is free throughout its life.

pub mod assign;
pub mod coalesce;
pub mod live;

use super::code::Code;
use super::linear::Linear;

pub use assign::Plan;

/// Plans the memory of a scheduled program.
pub fn plan(code: &Code, linear: &Linear) -> Plan {
    let lives = live::lives(code, linear);
    let groups = coalesce::coalesce(code, linear, lives);
    assign::assign(code, groups)
}
