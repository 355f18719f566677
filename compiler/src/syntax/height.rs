//! A bound for the height of the tree that a text will have, kept while its tokens pass, so that trees too high for
//! recursion are never built.
//!
//! What stands between two brackets is a level. Its commas and lines part it, and parts do not add up. Within a part every
//! operator may put what is before it one deeper, as `a + b + c` does, or what is behind it, as `- - a` does; so the
//! height is at most the number of operators plus that of the highest bracket in it.

/// The heights of the open levels.
#[derive(Debug, Default)]
pub struct Height {
    outside: Level,
    open: Vec<Level>,
    /// Operators in the current parts of all levels.
    operators: usize,
}

#[derive(Debug, Default)]
struct Level {
    /// Operators in the current part.
    operators: usize,
    /// The highest bracket in it.
    bracket: usize,
    /// The highest part before.
    earlier: usize,
}

impl Height {
    /// The bound for the tree that ends here.
    pub fn current(&mut self) -> usize {
        self.operators + self.level().bracket
    }

    /// An operator, or a word that nests like one.
    pub fn operator(&mut self) {
        self.operators += 1;
        self.level().operators += 1;
    }

    /// A comma or the end of a line.
    pub fn part(&mut self) {
        self.operators -= self.level().operators;
        let level = self.level();
        *level = Level { earlier: level.highest(), ..Level::default() };
    }

    /// An opening bracket, which nests by itself: `f(a)(b)`.
    pub fn open(&mut self) {
        self.operator();
        self.open.push(Level::default());
    }

    /// A closing bracket.
    pub fn close(&mut self) {
        let closed = self.open.pop().unwrap_or_default();
        self.operators -= closed.operators;
        let level = self.level();
        level.bracket = level.bracket.max(closed.highest());
    }

    fn level(&mut self) -> &mut Level {
        self.open.last_mut().unwrap_or(&mut self.outside)
    }
}

impl Level {
    fn highest(&self) -> usize {
        self.earlier.max(self.operators + self.bracket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `+` is an operator, `,` parts, and the brackets are brackets.
    fn height(text: &str) -> usize {
        let mut height = Height::default();
        for c in text.chars() {
            match c {
                '+' => height.operator(),
                ',' => height.part(),
                '(' => height.open(),
                ')' => height.close(),
                _ => {}
            }
        }
        height.current()
    }

    #[test]
    fn operators_and_brackets_add_up_and_parts_do_not() {
        for (text, expected) in [
            ("a", 0),
            ("a + b + c", 2),
            ("a + b, c", 0),
            ("(a, b + c, d)", 2),
            ("(a + b) + (c + d + e)", 5),
            ("((a))", 2),
            ("f(a)(b)(c)", 3),
            ("a + (b + (c", 4),
            ("(a + b, (c)) + d", 3),
        ] {
            assert_eq!(height(text), expected, "{text}");
        }
    }
}
