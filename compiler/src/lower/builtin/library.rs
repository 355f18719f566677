//! Functions of the library that the language itself calls, as for the quotient of secrets.

use crate::lower::modules::LIBRARY;

/// A function of the library.
#[derive(Debug, Clone, Copy)]
pub(in crate::lower) struct LibraryFunction {
    pub(in crate::lower) module: &'static str,
    pub(in crate::lower) name: &'static str,
}

/// The function with its declaration looked up in the library's text while the compiler is compiled: a name that is not there is an error
/// then.
macro_rules! library {
    ($module:ident::$name:ident) => {{
        const FUNCTION: $crate::lower::builtin::library::LibraryFunction = {
            let (module, name) = (stringify!($module), stringify!($name));
            let declaration = concat!("\nfn ", stringify!($name), "(");
            assert!(
                $crate::lower::builtin::library::declares(module, declaration),
                concat!("the library has no ", stringify!($module), "::", stringify!($name))
            );
            $crate::lower::builtin::library::LibraryFunction { module, name }
        };
        FUNCTION
    }};
}
pub(in crate::lower) use library;

/// Whether the text of a module of the library has these words in it.
pub(in crate::lower) const fn declares(module: &str, words: &str) -> bool {
    let mut i = 0;
    while i < LIBRARY.len() {
        let (name, text) = LIBRARY[i];
        let whole = name.len() == module.len() && begins(name.as_bytes(), 0, module.as_bytes());
        if whole && contains(text.as_bytes(), words.as_bytes()) {
            return true;
        }
        i += 1;
    }
    false
}

const fn contains(text: &[u8], words: &[u8]) -> bool {
    let mut at = 0;
    while at + words.len() <= text.len() {
        if begins(text, at, words) {
            return true;
        }
        at += 1;
    }
    false
}

/// Whether the text has these words at an offset.
const fn begins(text: &[u8], at: usize, words: &[u8]) -> bool {
    let mut i = 0;
    while i < words.len() {
        if text[at + i] != words[i] {
            return false;
        }
        i += 1;
    }
    true
}
