//! Instructions and their operands, generated from the table.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::program::Kind;

/// A register: an index into the program's views.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reg(pub u32);

/// An operand that may be absent.
pub type MaybeReg = Option<Reg>;

/// Who plays which part in an operation, and over which links it sends: a number whose meaning the program's protocol gives
/// ([`crate::model`]). All routes of a protocol do the same over different links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Route(pub u8);

/// How many leading axes of a [`Instr::Contract`]'s operands belong to which group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Axes {
    /// Axes common to all three operands.
    pub batch: u8,
    /// Axes of `a` that stay.
    pub rows: u8,
    /// Axes summed over.
    pub inner: u8,
    /// Axes of `b` that stay.
    pub cols: u8,
}

macro_rules! operations {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* $variant),* }

        impl $name {
            /// Every operation with its name in text forms.
            pub const ALL: &'static [($name, &'static str)] = &[$(($name::$variant, $text)),*];
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($name::$variant => $text),* })
            }
        }
    };
}

operations! {
    /// Operations of one double.
    RealUnary {
        /// -a
        Neg = "neg",
        /// |a|
        Abs = "abs",
        /// Square root.
        Sqrt = "sqrt",
        /// e^a
        Exp = "exp",
        /// Natural logarithm.
        Ln = "ln",
        /// Largest whole number not above.
        Floor = "floor",
        /// Smallest whole number not below.
        Ceil = "ceil",
        /// Sine.
        Sin = "sin",
        /// Cosine.
        Cos = "cos",
    }
}

operations! {
    /// Operations of two doubles.
    RealBinary {
        /// a + b
        Add = "add",
        /// a - b
        Sub = "sub",
        /// a * b
        Mul = "mul",
        /// a / b
        Div = "div",
        /// a to the power of b
        Pow = "pow",
        /// The smaller.
        Min = "min",
        /// The larger.
        Max = "max",
    }
}

operations! {
    /// Operations of two integers.
    IntBinary {
        /// a + b
        Add = "add",
        /// a - b
        Sub = "sub",
        /// a * b
        Mul = "mul",
        /// Quotient, rounded down.
        Div = "div",
        /// Remainder, with the sign of b.
        Rem = "rem",
        /// Bitwise and.
        And = "and",
        /// Bitwise or.
        Or = "or",
        /// Bitwise exclusive or.
        Xor = "xor",
        /// The smaller.
        Min = "min",
        /// The larger.
        Max = "max",
    }
}

operations! {
    /// Comparisons.
    Comparison {
        /// a < b
        Lt = "lt",
        /// a <= b
        Le = "le",
        /// a == b
        Eq = "eq",
        /// a != b
        Ne = "ne",
    }
}

/// How an instruction uses a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Every element is written.
    Write,
    /// Some elements are written.
    Update,
    /// Elements are read.
    Read,
}

/// One operand of an instruction, as validator and disassembler see it.
#[derive(Debug, Clone)]
pub struct Operand {
    /// The operand's name in the table.
    pub name: &'static str,
    /// What it is.
    pub value: OperandValue,
}

/// A register with its role and the kinds that the table allows, or an immediate.
#[derive(Debug, Clone)]
pub enum OperandValue {
    /// A register.
    Reg(Reg, Role, &'static [Kind]),
    /// A route.
    Route(Route),
    /// Another immediate, as text.
    Imm(String),
}

/// What can stand in an operand's place; implemented for registers and immediates.
trait Field: Sized {
    fn register(&self) -> Option<Reg> {
        None
    }
    fn mapped(self, _f: &mut impl FnMut(Reg) -> Reg) -> Self {
        self
    }
    fn route(&self) -> Option<Route> {
        None
    }
    fn route_mut(&mut self) -> Option<&mut Route> {
        None
    }
    fn text(&self) -> String;
}

impl Field for Reg {
    fn register(&self) -> Option<Reg> {
        Some(*self)
    }
    fn mapped(self, f: &mut impl FnMut(Reg) -> Reg) -> Reg {
        f(self)
    }
    fn text(&self) -> String {
        format!("%{}", self.0)
    }
}

impl Field for Option<Reg> {
    fn register(&self) -> Option<Reg> {
        *self
    }
    fn mapped(self, f: &mut impl FnMut(Reg) -> Reg) -> Option<Reg> {
        self.map(f)
    }
    fn text(&self) -> String {
        "-".into()
    }
}

macro_rules! display_fields {
    ($($ty:ty),*) => { $(impl Field for $ty { fn text(&self) -> String { self.to_string() } })* };
}
display_fields!(u32, i64, RealUnary, RealBinary, IntBinary, Comparison, Axes);

impl Field for Route {
    fn route(&self) -> Option<Route> {
        Some(*self)
    }
    fn route_mut(&mut self) -> Option<&mut Route> {
        Some(self)
    }
    fn text(&self) -> String {
        self.0.to_string()
    }
}

impl fmt::Display for Axes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}·{}·{}·{}", self.batch, self.rows, self.inner, self.cols)
    }
}

macro_rules! role {
    (write) => {
        Some(Role::Write)
    };
    (update) => {
        Some(Role::Update)
    };
    (read) => {
        Some(Role::Read)
    };
    (imm) => {
        None
    };
}

macro_rules! property {
    (in_place in_place) => {
        true
    };
    (cut cut) => {
        true
    };
    ($asked:ident $($other:ident)?) => {
        false
    };
}

macro_rules! define {
    (@enum $($(#[doc = $doc:literal])* $variant:ident = $name:ident { $($op:ident : $role:ident $([$($kind:ident)*])? $ty:ident),* } $($property:ident)? ),* $(,)?) => {
        /// An instruction.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Instr {
            $(
                $(#[doc = $doc])*
                $variant { $(
                    #[doc = concat!(stringify!($role), $(": ", $(stringify!($kind), " ",)*)?)]
                    $op: $ty
                ),* }
            ),*
        }

        impl Instr {
            /// The name in listings.
            pub fn name(&self) -> &'static str {
                match self { $(Instr::$variant { .. } => stringify!($name).trim_end_matches('_')),* }
            }

            /// The operands in the table's order.
            #[allow(unused_mut, unused_variables)] // rows without operands
            pub fn operands(&self) -> Vec<Operand> {
                match self {
                    $(Instr::$variant { $($op),* } => {
                        let mut list = Vec::with_capacity(6);
                        $(
                            let kinds: &'static [Kind] = &[$($(Kind::$kind),*)?];
                            push(&mut list, stringify!($op), $op, role!($role), kinds);
                        )*
                        list
                    }),*
                }
            }

            /// The route, if it has one.
            #[allow(unused_variables)] // rows without operands
            pub fn route_mut(&mut self) -> Option<&mut Route> {
                match self {
                    $(Instr::$variant { $($op),* } => {
                        $(
                            if let Some(route) = Field::route_mut($op) {
                                return Some(route);
                            }
                        )*
                        None
                    }),*
                }
            }

            /// Whether it goes element by element and may write over an operand.
            pub fn in_place(&self) -> bool {
                match self { $(Instr::$variant { .. } => property!(in_place $($property)?)),* }
            }

            /// Whether it may be done in parts, along any axis of its result.
            pub fn can_be_cut(&self) -> bool {
                match self { $(Instr::$variant { .. } => property!(cut $($property)?)),* }
            }

            /// The same instruction on other registers.
            #[allow(unused_mut, unused_variables)] // rows without operands
            pub fn map_registers(&self, mut f: impl FnMut(Reg) -> Reg) -> Instr {
                match *self {
                    $(Instr::$variant { $($op),* } => Instr::$variant { $($op: Field::mapped($op, &mut f)),* }),*
                }
            }
        }

        /// Name and documentation of every instruction, in the order of the table.
        pub const REFERENCE: &[(&str, &str)] = &[$((stringify!($name), concat!($($doc, "\n"),*))),*];
    };
    ($($section:ident { $($row:tt)* })*) => {
        define! { @enum $($($row)*)* }
    };
}

fn push(
    list: &mut Vec<Operand>,
    name: &'static str,
    field: &impl Field,
    role: Option<Role>,
    kinds: &'static [Kind],
) {
    let value = match (role, field.register(), field.route()) {
        (Some(role), Some(reg), _) => OperandValue::Reg(reg, role, kinds),
        (_, _, Some(route)) => OperandValue::Route(route),
        (_, None, None) | (None, Some(_), None) => OperandValue::Imm(field.text()),
    };
    list.push(Operand { name, value });
}

crate::for_each_instruction!(define);

impl Instr {
    /// The number of the mask that it may draw.
    pub fn mask(&self) -> Option<u32> {
        match *self {
            Instr::Open { mask, .. } | Instr::TruncateOpened { mask, .. } => Some(mask),
            _ => None,
        }
    }

    /// The same, to be set.
    pub fn mask_mut(&mut self) -> Option<&mut u32> {
        match self {
            Instr::Open { mask, .. } | Instr::TruncateOpened { mask, .. } => Some(mask),
            _ => None,
        }
    }

    /// How many bits of each element of its result the parties tell each other under a mask, if they do.
    pub fn opens(&self) -> Option<u32> {
        match *self {
            Instr::Open { width, .. } => Some(width),
            Instr::TruncateOpened { more, .. } if more > 0 => Some(more),
            _ => None,
        }
    }

    /// Registers with their roles.
    pub fn registers(&self) -> impl Iterator<Item = (Reg, Role)> {
        self.operands().into_iter().filter_map(|o| match o.value {
            OperandValue::Reg(reg, role, _) => Some((reg, role)),
            OperandValue::Route(_) | OperandValue::Imm(_) => None,
        })
    }
}
