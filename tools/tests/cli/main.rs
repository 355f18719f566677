//! The `tern` command as a user meets it.

mod book;
mod cases;
mod cifar10;
mod data;
mod doc;
mod editor;
mod format;
mod grammar;
mod import;
mod inspect;
mod manual;
mod measure;
mod messages;
mod mnist;
mod names;
mod neovim;
mod pipes;
mod places;
mod plot;
mod report;
mod reproduce;
mod shell;
mod test_blocks;
mod torch;
mod tree_sitter;
mod weights;
