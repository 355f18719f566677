//! Pseudo-random streams: AES-128 in counter mode, addressed by what the randomness is for.
//!
//! A [`Stream`] belongs to a [`Key`] and an address (purpose, instruction, counter). Its bytes are AES(block 0), AES(block 1), ...
//! where a block is, as a big-endian number of 128 bits,
//!
//! | purpose | instruction | counter | number of the block |
//! |---|---|---|---|
//! | 16 bits | 32 bits | 44 bits | 36 bits |
//!
//! so that no two addresses share a block. What an element is depends on the address and the element's index alone, not on what was
//! drawn before: element i of s bytes is the little-endian number in bytes i·s to (i+1)·s of the stream.

use std::fmt;

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use bytemuck::Pod;
use zeroize::Zeroizing;

use crate::par::Threads;
use crate::ring::pack::{pack_into, packed, unpack_from};
use crate::ring::{Ring, Target, slices};

/// Bytes of a block of AES.
const BLOCK: usize = 16;
/// Bytes that are generated at a time: they stay in the first cache.
const CHUNK: usize = 4096;
const COUNTER_BITS: u32 = 44;
const NUMBER_BITS: u32 = 36;

/// A key of 16 bytes, expanded. It is erased from memory when dropped.
pub struct Key(Aes128);

impl Key {
    /// Expands a key.
    pub fn new(key: &[u8; 16]) -> Self {
        Self(Aes128::new(&(*key).into()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// The loops of a program run more often than a stream's address can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("iteration {counter}: randomness can be addressed for 2^{COUNTER_BITS} iterations only")]
pub struct CounterTooLarge {
    counter: u64,
}

/// Whether streams can be addressed by this counter.
///
/// # Errors
/// If it has more than 44 bits.
pub fn check_counter(counter: u64) -> Result<(), CounterTooLarge> {
    if counter >> COUNTER_BITS == 0 { Ok(()) } else { Err(CounterTooLarge { counter }) }
}

/// The stream of a key at one address.
#[derive(Clone, Copy, Debug)]
pub struct Stream<'k> {
    key: &'k Key,
    /// Block 0.
    start: u128,
}

impl<'k> Stream<'k> {
    /// The stream for `purpose` (within the instruction), `instruction`, and the instruction's `counter`-th execution.
    ///
    /// # Errors
    /// If the counter has more than 44 bits.
    pub fn new(key: &'k Key, purpose: u16, instruction: u32, counter: u64) -> Result<Self, CounterTooLarge> {
        check_counter(counter)?;
        let fields = u128::from(purpose) << 32 | u128::from(instruction);
        let start = (fields << COUNTER_BITS | u128::from(counter)) << NUMBER_BITS;
        Ok(Self { key, start })
    }

    /// Words `first..first + out.len()` of the stream; elements of a ring are had by [`fill_bits`](Self::fill_bits).
    ///
    /// # Panics
    /// Beyond 2^40 bytes of a stream, more than the memory of any machine it serves.
    pub fn fill<T: Pod + Send>(&self, threads: &Threads, first: u64, out: &mut [T]) {
        threads.for_pieces(out, BLOCK, |at, piece| {
            let position = (first + at as u64) * size_of::<T>() as u64;
            self.fill_bytes(position, bytemuck::cast_slice_mut(piece));
        });
    }

    /// Values of `bits` bits, not signed. A value takes s bytes of the stream, s being the least of 1, 2, 4, 8, 16, 24 and
    /// 32 with bits <= 8 s, and is their lowest `bits` bits.
    ///
    /// # Panics
    /// If the ring has fewer bits, and as [`fill`](Self::fill).
    pub fn fill_bits<R: Ring>(&self, threads: &Threads, bits: u32, first: u64, out: &mut [R]) {
        assert!(bits <= R::BITS, "values of {bits} bits in a ring of {}", R::BITS);
        let values = self.values(bits);
        threads.for_pieces(out, BLOCK, |at, piece| {
            let mut drawn = Zeroizing::new([0u64; CHUNK / 8]);
            let length = CHUNK / drawn_bytes(bits);
            for (i, out) in piece.chunks_mut(length).enumerate() {
                values.chunk(first + (at + i * length) as u64, out, &mut drawn);
            }
        });
    }

    /// The stream as values of so many bits: those of [`fill_bits`](Self::fill_bits).
    pub fn values(self, bits: u32) -> Values<'k> {
        Values { source: Source::Stream(self), bits }
    }

    /// Bytes `position..position + out.len()` of the stream.
    ///
    /// # Panics
    /// As [`fill`](Self::fill).
    pub fn fill_bytes(&self, position: u64, out: &mut [u8]) {
        let end = position.checked_add(out.len() as u64);
        assert!(end.is_some_and(|end| end <= (BLOCK as u64) << NUMBER_BITS), "the end of a random stream");
        let skipped = (position % BLOCK as u64) as usize;
        let mut number = position / BLOCK as u64;
        let head = if skipped == 0 { 0 } else { out.len().min(BLOCK - skipped) };
        let (head, rest) = out.split_at_mut(head);
        if !head.is_empty() {
            head.copy_from_slice(&self.block(number)[skipped..][..head.len()]);
            number += 1;
        }
        let (blocks, tail) = rest.as_chunks_mut::<BLOCK>();
        for blocks in blocks.chunks_mut(CHUNK / BLOCK) {
            number_blocks(blocks, self.start + u128::from(number));
            number += blocks.len() as u64;
            self.key.0.encrypt_blocks(Array::cast_slice_from_core_mut(blocks));
        }
        if !tail.is_empty() {
            tail.copy_from_slice(&self.block(number)[..tail.len()]);
        }
    }

    /// A random order of `0..n`, every order with the same probability, by Fisher and Yates: for i from n-1 down to 1,
    /// entry i is exchanged with entry [`below`](Draws::below)(i + 1), entries being 0, 1, ... at first.
    pub fn permutation(&self, n: usize) -> Vec<u64> {
        let mut draws = self.draws();
        let mut order: Vec<u64> = (0..n as u64).collect();
        for i in (1..n).rev() {
            order.swap(i, draws.below(i as u64 + 1) as usize);
        }
        order
    }

    /// The 64-bit words of the stream, one after the other: for public randomness, where how many are needed is not known
    /// beforehand.
    pub fn draws(&self) -> Draws<'k> {
        Draws { stream: *self, next: 0, words: [0; 64] }
    }

    fn block(&self, number: u64) -> [u8; BLOCK] {
        let mut block = (self.start + u128::from(number)).to_be_bytes().into();
        self.key.0.encrypt_block(&mut block);
        block.into()
    }
}

/// Consecutive numbers from `first` on. Those that differ in their lower half alone are made in vector lanes.
fn number_blocks(blocks: &mut [[u8; BLOCK]], first: u128) {
    let (high, low) = (((first >> 64) as u64).to_be(), first as u64);
    if low.checked_add(blocks.len() as u64).is_none() {
        let numbers = (0..).map(|i: u128| first.wrapping_add(i).to_be_bytes());
        return blocks.iter_mut().zip(numbers).for_each(|(block, number)| *block = number);
    }
    Target::best().run(
        #[inline(always)]
        || {
            for (i, block) in (0..).zip(blocks) {
                let halves = [high, (low + i).to_be()];
                *block = bytemuck::cast(halves);
            }
        },
    );
}

/// Numbers of so many bits, from a stream ([`Stream::values`]) or from a message ([`Values::packed`]).
#[derive(Clone, Copy, Debug)]
pub struct Values<'k> {
    source: Source<'k>,
    bits: u32,
}

#[derive(Clone, Copy, Debug)]
enum Source<'k> {
    Stream(Stream<'k>),
    Packed(&'k [u8]),
    Elements(&'k [u8]),
}

impl<'k> Values<'k> {
    /// Elements of a ring, which [`combine`](Self::combine) wants to be its own.
    pub fn elements<R: Ring>(elements: &'k [R]) -> Self {
        Self { source: Source::Elements(bytemuck::cast_slice(elements)), bits: R::BITS }
    }

    /// Numbers of `bits` bits that were packed ([`pack`](crate::ring::pack::pack)).
    pub fn packed(bytes: &'k [u8], bits: u32) -> Self {
        Self { source: Source::Packed(bytes), bits }
    }

    /// dst\[i\] = f(dst\[i\], \[number i of masks\[0\], ...\], \[src\[0\]\[i\], ...\]): masks are drawn and used in one pass over memory.
    ///
    /// # Panics
    /// If a source is shorter than the destination, and as [`Stream::fill_bits`].
    pub fn combine<R: Ring, const S: usize, const T: usize>(
        threads: &Threads,
        dst: &mut [R],
        masks: [Self; S],
        src: [&[R]; T],
        f: impl Fn(R, [R; S], [R; T]) -> R + Sync,
    ) {
        let target = Target::best();
        let kernel = |dst: &mut [R], numbers: [&[R]; S], src: [&[R]; T]| {
            slices::apply_both_on(target, dst, numbers, src, &f);
        };
        Self::combine_by(threads, dst, masks, src, &kernel);
    }

    /// [`Self::combine`], compiled once per kind of operands and not once per operation: the kernel is called once per chunk.
    fn combine_by<R: Ring, const S: usize, const T: usize>(
        threads: &Threads,
        dst: &mut [R],
        masks: [Self; S],
        src: [&[R]; T],
        kernel: Kernel<'_, R, S, T>,
    ) {
        assert!(masks.iter().all(|values| values.bits <= R::BITS), "values that the ring does not have");
        threads.for_pieces(dst, BLOCK, |at, piece| {
            let mut room = Room::new();
            let length = CHUNK / R::BYTES;
            for (i, dst) in piece.chunks_mut(length).enumerate() {
                room.combine(at + i * length, dst, masks, src, kernel);
            }
        });
    }

    /// `n` numbers of `bits` bits, packed into `out`: the lowest of f(\[number i of masks\[0\], ...\], \[src\[0\]\[i\], ...\]), in one pass.
    ///
    /// # Panics
    /// As [`combine`](Self::combine), and if `out` has not the size of `n` such numbers.
    pub fn combine_packed<R: Ring, const S: usize, const T: usize>(
        threads: &Threads,
        out: &mut [u8],
        (n, bits): (usize, u32),
        masks: [Self; S],
        src: [&[R]; T],
        f: impl Fn([R; S], [R; T]) -> R + Sync,
    ) {
        let target = Target::best();
        let f = |_, masks, src| f(masks, src);
        let kernel = |dst: &mut [R], numbers: [&[R]; S], src: [&[R]; T]| {
            slices::apply_both_on(target, dst, numbers, src, &f);
        };
        Self::combine_packed_by(threads, out, (n, bits), masks, src, &kernel);
    }

    /// [`Self::combine_packed`], compiled once per kind of operands.
    fn combine_packed_by<R: Ring, const S: usize, const T: usize>(
        threads: &Threads,
        out: &mut [u8],
        (n, bits): (usize, u32),
        masks: [Self; S],
        src: [&[R]; T],
        kernel: Kernel<'_, R, S, T>,
    ) {
        assert_eq!(out.len(), packed(n, bits), "room for the numbers");
        assert!(masks.iter().all(|values| values.bits <= R::BITS), "values that the ring does not have");
        // pieces and chunks begin with a byte
        let (length, size) = (CHUNK / R::BYTES / 8 * 8, bits as usize);
        threads.for_pieces(out, size, |at, piece| {
            let mut room = Room::new();
            let mut made = Zeroizing::new([0u64; CHUNK / 8]);
            for (i, out) in piece.chunks_mut(length / 8 * size).enumerate() {
                let first = at / size * 8 + i * length;
                let count = (out.len() * 8 / size).min(n - first);
                let made = bytemuck::cast_slice_mut::<u64, R>(&mut made[..count * R::LIMBS]);
                room.combine(first, made, masks, src, kernel);
                pack_into(made, bits, out);
            }
        });
    }

    /// All numbers, where they are elements in memory and need no copying.
    fn in_memory<R: Ring>(&self) -> Option<&'k [R]> {
        match self.source {
            Source::Elements(bytes) => bytemuck::try_cast_slice(bytes).ok(),
            Source::Packed(bytes) if R::WHOLE && self.bits == R::BITS => bytemuck::try_cast_slice(bytes).ok(),
            Source::Packed(_) | Source::Stream(_) => None,
        }
    }

    /// Numbers `first` and following, of at most [`CHUNK`] bytes in the stream; `drawn` is room for these.
    fn chunk<R: Ring>(&self, first: u64, out: &mut [R], drawn: &mut [u64; CHUNK / 8]) {
        let stream = match self.source {
            Source::Stream(stream) => stream,
            Source::Packed(bytes) => return unpack_from(bytes, first as usize, self.bits, out),
            Source::Elements(bytes) => {
                let bytes = &bytes[first as usize * R::BYTES..][..size_of_val(out)];
                return bytemuck::cast_slice_mut(out).copy_from_slice(bytes);
            }
        };
        let size = drawn_bytes(self.bits);
        let position = first * size as u64;
        if self.bits == R::BITS {
            stream.fill_bytes(position, bytemuck::cast_slice_mut(out));
            return slices::reduce(out);
        }
        let words = &mut drawn[..(out.len() * size).div_ceil(8)];
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(words);
        stream.fill_bytes(position, &mut bytes[..out.len() * size]);
        widen(out, words, size, self.bits);
    }
}

/// What becomes of elements, numbers and further elements, in one pass.
type Kernel<'f, R, const S: usize, const T: usize> = &'f (dyn Fn(&mut [R], [&[R]; S], [&[R]; T]) + Sync);

/// Memory for the numbers that a piece of work is about, in the first cache.
struct Room<const S: usize> {
    numbers: Zeroizing<[[u64; CHUNK / 8]; S]>,
    narrow: Zeroizing<[u64; CHUNK / 8]>,
}

impl<const S: usize> Room<S> {
    fn new() -> Self {
        Self { numbers: Zeroizing::new([[0; CHUNK / 8]; S]), narrow: Zeroizing::new([0; CHUNK / 8]) }
    }

    /// [`Values::combine`] for elements `first` and following, of at most [`CHUNK`] bytes.
    fn combine<R: Ring, const T: usize>(
        &mut self,
        first: usize,
        dst: &mut [R],
        masks: [Values<'_>; S],
        src: [&[R]; T],
        kernel: Kernel<'_, R, S, T>,
    ) {
        let words = dst.len() * R::LIMBS;
        let mut numbers = [&[][..]; S];
        for (i, room) in self.numbers.iter_mut().enumerate() {
            let there = masks[i].in_memory().and_then(|elements| elements.get(first..first + dst.len()));
            numbers[i] = there.unwrap_or_else(|| {
                let room = bytemuck::cast_slice_mut::<u64, R>(&mut room[..words]);
                masks[i].chunk(first as u64, room, &mut self.narrow);
                room
            });
        }
        let src = slices::ranges(src, first, dst.len());
        kernel(dst, numbers, src);
    }
}

/// A reader of words; see [`Stream::draws`].
#[derive(Debug)]
pub struct Draws<'k> {
    stream: Stream<'k>,
    next: u64,
    words: [u64; 64],
}

impl Draws<'_> {
    /// The next word.
    pub fn word(&mut self) -> u64 {
        let at = (self.next % 64) as usize;
        if at == 0 {
            self.stream.fill_bytes(self.next * 8, bytemuck::cast_slice_mut(&mut self.words));
        }
        self.next += 1;
        self.words[at]
    }

    /// A uniform number in `0..n`, n > 0: the next word below the largest multiple of n that 64 bits hold, modulo n.
    pub fn below(&mut self, n: u64) -> u64 {
        let excess = (u64::MAX % n + 1) % n; // 2^64 mod n
        loop {
            let word = self.word();
            if word <= u64::MAX - excess {
                return word % n;
            }
        }
    }
}

/// How many bytes of a stream a value of so many bits takes.
fn drawn_bytes(bits: u32) -> usize {
    match bits.div_ceil(8) {
        0 | 1 => 1,
        2 => 2,
        3 | 4 => 4,
        bytes => bytes.next_multiple_of(8) as usize,
    }
}

/// Turns drawn numbers of `size` bytes into elements of `bits` bits.
fn widen<R: Ring>(out: &mut [R], drawn: &[u64], size: usize, bits: u32) {
    fn each<R: Ring, T: Pod + Into<u64>>(out: &mut [R], drawn: &[u64], bits: u32) {
        let mask = R::ONE.shl(bits) - R::ONE;
        let mask = mask.limbs()[0];
        Target::best().run(
            #[inline(always)]
            move || {
                for (out, &x) in out.iter_mut().zip(bytemuck::cast_slice::<u64, T>(drawn)) {
                    *out = R::from_u64(x.into() & mask);
                }
            },
        );
    }
    match size {
        1 => each::<R, u8>(out, drawn, bits),
        2 => each::<R, u16>(out, drawn, bits),
        4 => each::<R, u32>(out, drawn, bits),
        8 => each::<R, u64>(out, drawn, bits),
        _ => {
            for (out, limbs) in out.iter_mut().zip(drawn.chunks_exact(size / 8)) {
                *out = R::from_limbs(limbs).low_bits(bits);
            }
        }
    }
}

#[cfg(test)]
mod tests;
