//! The `tern` command as a user meets it.

mod inspect;
mod messages;
mod mnist;
mod report;
mod shell;
mod test_blocks;
