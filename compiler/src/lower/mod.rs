//! From syntax to the intermediate representation: names, types, shapes and stages are checked, calls are specialised and inlined.
