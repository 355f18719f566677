//! The text form of the intermediate representation, both ways.
