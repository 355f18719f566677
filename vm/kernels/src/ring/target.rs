//! Which instructions the processor has, found once, and code compiled for each of them.

#![allow(unsafe_code)] // calling code compiled for instructions that were found at run time

use std::sync::OnceLock;

/// A set of vector instructions, from the least to the most capable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target(Level);

/// Proof that the processor has [`Level::Avx512`]'s instructions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HasAvx512(());

/// Proof that the processor has [`Level::Avx512Ifma`]'s instructions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HasIfma(pub(crate) HasAvx512);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// What every processor of the architecture has.
    Portable,
    /// x86-64 with 256-bit integer vectors.
    Avx2,
    /// x86-64 with 512-bit vectors: F, BW, DQ, VL.
    Avx512,
    /// The above with 52-bit multiply-add, byte permutations and bit-matrix products: IFMA, VBMI, GFNI.
    Avx512Ifma,
}

impl Target {
    /// The plain form of every kernel, present on all processors.
    pub const PORTABLE: Self = Self(Level::Portable);

    /// The variable of the environment that narrows the choice, for measuring what other processors would take.
    pub const VARIABLE: &str = "TERN_VECTORS";

    /// The best set this processor has, within what [`Target::VARIABLE`] allows.
    pub fn best() -> Self {
        static BEST: OnceLock<Target> = OnceLock::new();
        *BEST.get_or_init(|| {
            let most = std::env::var(Self::VARIABLE).ok().and_then(|name| Self::named(&name).ok());
            Self(most.map_or(Level::Avx512Ifma, |Self(level)| level).min(detect()))
        })
    }

    /// The set of a name: `portable`, `avx2`, `avx512` or `ifma`, whether the processor has it or not.
    ///
    /// # Errors
    /// With what there is, if there is no such set.
    pub fn named(name: &str) -> Result<Self, String> {
        match name {
            "portable" => Ok(Self(Level::Portable)),
            "avx2" => Ok(Self(Level::Avx2)),
            "avx512" => Ok(Self(Level::Avx512)),
            "ifma" => Ok(Self(Level::Avx512Ifma)),
            _ => Err(format!("{}={name}: there are portable, avx2, avx512 and ifma", Self::VARIABLE)),
        }
    }

    /// Every set this processor has, the best one last.
    pub fn available() -> impl Iterator<Item = Self> {
        let all = [Level::Portable, Level::Avx2, Level::Avx512, Level::Avx512Ifma];
        all.into_iter().filter(|&level| level <= Self::best().0).map(Self)
    }

    /// Proof of AVX-512, if this set has it.
    pub(crate) fn avx512(self) -> Option<HasAvx512> {
        (self.0 >= Level::Avx512).then_some(HasAvx512(()))
    }

    /// Proof of AVX-512 with IFMA, VBMI and GFNI, if this set has them.
    pub(crate) fn ifma(self) -> Option<HasIfma> {
        (self.0 >= Level::Avx512Ifma).then_some(HasIfma(HasAvx512(())))
    }

    /// Runs `body` compiled for this set. Only what is inlined into the closure profits: write
    /// `target.run(#[inline(always)] || ...)` and mark what it calls `#[inline(always)]`.
    #[inline(always)]
    pub fn run<T>(self, body: impl FnOnce() -> T) -> T {
        #[cfg(target_arch = "x86_64")]
        match self.0 {
            Level::Portable => body(),
            // SAFETY: a Target of this level exists only if `detect` found its instructions.
            Level::Avx2 => unsafe { run_avx2(body) },
            // SAFETY: as above; `detect` orders the levels by inclusion.
            Level::Avx512 | Level::Avx512Ifma => unsafe { run_avx512(body) },
        }
        #[cfg(not(target_arch = "x86_64"))]
        body()
    }
}

impl HasAvx512 {
    /// Runs `body` compiled for AVX-512; see [`Target::run`].
    #[inline(always)]
    pub(crate) fn run<T>(self, body: impl FnOnce() -> T) -> T {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: HasAvx512 is only made where `detect` found the instructions.
        unsafe {
            run_avx512(body)
        }
        #[cfg(not(target_arch = "x86_64"))]
        body()
    }
}
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,fma")]
fn run_avx2<T>(body: impl FnOnce() -> T) -> T {
    body()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
fn run_avx512<T>(body: impl FnOnce() -> T) -> T {
    body()
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Level {
    use std::arch::is_x86_feature_detected as has;
    if !(has!("avx2") && has!("bmi1") && has!("bmi2") && has!("fma")) {
        return Level::Portable;
    }
    if !(has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl")) {
        return Level::Avx2;
    }
    if !(has!("avx512ifma") && has!("avx512vbmi") && has!("gfni")) {
        return Level::Avx512;
    }
    Level::Avx512Ifma
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Level {
    Level::Portable
}
