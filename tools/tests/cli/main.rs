//! The `tern` command as a user meets it.

mod cases;
mod data;
mod doc;
mod inspect;
mod messages;
mod mnist;
mod names;
mod pipes;
mod places;
mod plot;
mod report;
mod reproduce;
mod shell;
mod test_blocks;
mod torch;
mod weights;
