//! How long the allocator keeps pages that were freed.
//!
//! The vectors of a round are as large as those of the round before, and not exactly so: what is given back to the system in between is
//! cleared by it and faulted in again, which took up to a third of a party's time.
#![allow(unsafe_code)] // mimalloc's options are functions of C

use std::time::Duration;

use libmimalloc_sys::{mi_option_get, mi_option_set, mi_option_t};

/// `mi_option_purge_delay` of mimalloc 2, in milliseconds; its crate gives unstable options no names.
const PURGE_DELAY: mi_option_t = 15;
/// What mimalloc 2 has without being told: another number here is another option.
const AT_FIRST: core::ffi::c_long = 10;

/// Keeps pages for so long before they go back to the system. To be called by the first thread of a process, before there are others.
pub fn keep(time: Duration) {
    let millis = time.as_millis().try_into().unwrap_or(core::ffi::c_long::MAX);
    // SAFETY: both functions take any option and any value; they want no other thread to set options meanwhile, which is what the caller sees to.
    unsafe {
        if mi_option_get(PURGE_DELAY) == AT_FIRST {
            mi_option_set(PURGE_DELAY, millis);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_is_the_one_that_is_meant() {
        // unless the environment says something else
        assert!(std::env::var_os("MIMALLOC_PURGE_DELAY").is_none());
        keep(Duration::from_millis(1234));
        // SAFETY: as above; no other test touches options.
        assert_eq!(unsafe { mi_option_get(PURGE_DELAY) }, 1234);
    }
}
