//! The `tern` command as a user meets it.

mod doc;
mod inspect;
mod messages;
mod mnist;
mod plot;
mod report;
mod shell;
mod test_blocks;
mod torch;
mod weights;
