//! What the expressions of a program came to, for whoever shows programs: editors. Nothing in the compiler depends on it.
//!
//! A function that is called several times is lowered each time; what is kept of its expressions is what they were the last time, which is
//! the type that a loop's variables have risen to.

use std::collections::{BTreeMap, HashMap};

use super::Lowerer;
use super::value::Value;
use crate::diagnostics::Span;

/// What is known of an expression or a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// As messages describe it: `secret fix[128, 10]`, or a constant's value.
    pub what: String,
    /// The fields of a model, with what they are.
    pub fields: Vec<(String, String)>,
}

/// What is known of the user's files, by place: of whole expressions, and of names where they are declared.
pub type Seen = BTreeMap<Span, Sight>;

/// The values themselves, as long as the program is being lowered.
#[derive(Debug, Default)]
pub(super) struct Watched(HashMap<Span, Value>);

impl Watched {
    /// In words.
    pub(super) fn seen(self) -> Seen {
        self.0.into_iter().map(|(span, value)| (span, Sight::of(&value))).collect()
    }
}

impl Sight {
    fn of(value: &Value) -> Sight {
        let fields = match value {
            Value::Record(record) => {
                record.fields.iter().map(|(name, value)| (name.to_string(), value.describe())).collect()
            }
            _ => Vec::new(),
        };
        Sight { what: value.describe(), fields }
    }
}

impl Lowerer<'_> {
    /// Keeps what is at this place of a user's file.
    pub(super) fn watch(&mut self, span: Span, value: &Value) {
        if !value.is_error() && self.is_user(span) {
            self.watched.0.insert(span, value.clone());
        }
    }
}
