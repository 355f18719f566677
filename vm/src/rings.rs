//! From the bits of a program's ring, which are known at run time, to the type of its elements.

/// `in_ring!(bits, R => expression)`: the expression with `R` as the type of elements modulo 2^bits. Programs are validated before they run, so there is one.
macro_rules! in_ring {
    ($bits:expr, $ring:ident => $body:expr) => {{
        macro_rules! of {
            ($of:ty) => {{
                type $ring = $of;
                $body
            }};
        }
        match $bits {
            52 => of!(crate::ring::Z52),
            64 => of!(crate::ring::Z64),
            104 => of!(crate::ring::Z104),
            128 => of!(crate::ring::Z128),
            192 => of!(crate::ring::Z192),
            _ => of!(crate::ring::Z256),
        }
    }};
}

pub(crate) use in_ring;
