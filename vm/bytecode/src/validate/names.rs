//! Names. They come with the bytecode, so whoever made it chose them: some become names of files, all are
//! shown on terminals.

use std::collections::{HashMap, HashSet};

use super::Fault;
use crate::instr::Instr;
use crate::program::{Place, Program};

/// Bytes of a word at most: a file of that name, with what is put before and behind it, is one on any system.
pub const MAX_WORD: usize = 200;
/// Bytes of any other name at most.
pub const MAX_TEXT: usize = 4096;

/// Inputs and outputs are words, their fields words with points between; nothing is declared twice. Every other
/// name is text that shows as it is.
pub(super) fn check(program: &Program) -> Result<(), Fault> {
    let header = &program.header;
    text("the program's name", &header.name)?;
    for (name, value) in &header.args {
        text("the name of an argument", name)?;
        text("the value of an argument", value)?;
    }
    program.files.iter().try_for_each(|file| text("the name of a source file", file))?;
    program.names.iter().try_for_each(|name| text("the name of a metric", name))?;
    let places = program.inputs.iter().map(|i| i.from).chain(program.outputs.iter().map(|o| o.to));
    for place in places.filter(|place| matches!(place, Place::Client(_))) {
        if !program.client(place).is_some_and(is_word) {
            return Err(Fault::new("an input or output of a client whose name is not a word"));
        }
    }
    declared("input", program.inputs.iter().map(|i| (i.name.as_str(), i.field.as_str(), i.from)))?;
    declared("output", program.outputs.iter().map(|o| (o.name.as_str(), o.field.as_str(), o.to)))
}

/// What is written in one place: an output is one file, or in a loop one of each iteration.
pub(super) fn outputs(program: &Program) -> Result<(), Fault> {
    let mut written = HashSet::new();
    for (at, instr) in program.code.iter().enumerate() {
        let fault = |message: &str| Err(Fault { at: Some(at as u32), message: message.into() });
        match instr {
            Instr::Output { output, .. } if !written.insert(*output) => {
                return fault("an output that is written a second time");
            }
            _ => {}
        }
    }
    Ok(())
}

fn declared<'p>(what: &str, names: impl Iterator<Item = (&'p str, &'p str, Place)>) -> Result<(), Fault> {
    let (mut all, mut models, mut tensors) = (HashSet::new(), HashSet::new(), HashSet::new());
    let mut places = HashMap::new();
    for (name, field, place) in names {
        if !is_word(name) {
            return Err(Fault::new(format!("the {what} {name:?}: its name is not a word")));
        }
        let fits = field.len() <= MAX_TEXT && field.split('.').all(is_part);
        if !(field.is_empty() || fits) {
            return Err(Fault::new(format!("the field {field:?} of {what} {name} is not made of words")));
        }
        if field.is_empty() {
            tensors.insert(name)
        } else {
            models.insert(name)
        };
        let both = tensors.contains(name) && models.contains(name);
        if both || !all.insert((name, field)) {
            return Err(Fault::new(format!("the {what} {name} is declared twice")));
        }
        if *places.entry(name).or_insert(place) != place {
            return Err(Fault::new(format!("the {what} {name} is in several places")));
        }
    }
    Ok(())
}

/// What the language takes for a name, if a file can be called so.
pub fn is_word(name: &str) -> bool {
    is_part(name) && name.len() <= MAX_WORD && !name.starts_with(|c: char| c.is_ascii_digit())
}

fn is_part(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn text(what: &str, name: &str) -> Result<(), Fault> {
    if name.len() > MAX_TEXT {
        return Err(Fault::new(format!("{what} is too long: {} bytes", name.len())));
    }
    match name.chars().find(|c| !shows(*c)) {
        Some(c) => {
            Err(Fault::new(format!("{what} has a character that does not show: {}", c.escape_unicode())))
        }
        None => Ok(()),
    }
}

/// The text as a name can have it: escapes in place of what does not show, and as much as there is room for.
pub fn legible(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        let escape = if shows(c) { c.to_string() } else { c.escape_unicode().to_string() };
        if name.len() + escape.len() > MAX_TEXT - "…".len() {
            return name + "…";
        }
        name.push_str(&escape);
    }
    name
}

/// Whether a character shows as itself: no control, and none that turns the direction of others.
pub fn shows(c: char) -> bool {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !(c.is_control() || turns)
}
