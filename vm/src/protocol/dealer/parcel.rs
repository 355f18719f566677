//! What is dealt: shares of values that the dealer computes from the keys alone.
//!
//! A value that the dealer knows is shared between the parties by one message: one of them draws its share from the key that it has in common with the
//! dealer, the other is sent the rest, which is uniform to it, since it does not have that key. Of a tensor the first half of the elements are sent to
//! party 1, the others to party 0, so that both links carry as much ([`tern_bytecode::model::dealer`]).
//!
//! All that one execution of an instruction takes is a *parcel*, in the order in which it is dealt and taken.

use tern_bytecode::model::dealer::{first, first_bits};

use super::draw::Draw;
use super::op::Op;
use crate::bits::{self, words};
use crate::ring::Ring;
use crate::rounds::pack::{pack_into, pack_planes, packed, unpack, unpack_planes};

/// What is sent to each party.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pub(super) to: [Vec<u8>; 2],
}

impl Outgoing {
    /// Shares elements modulo 2^`bits`.
    pub(super) fn elements<R: Ring>(&mut self, op: Op<'_, R>, draw: Draw, mut value: Vec<R>, bits: u32) {
        let cut = first(value.len() as u64) as usize;
        let (one, zero) = value.split_at_mut(cut);
        for (of, part) in [(0, one), (1, zero)] {
            let stream = op.stream_of(of, draw).values(bits);
            op.each(part, [stream], [], |x, [share], []| x - share);
            let (to, n) = (&mut self.to[1 - of], packed(part.len(), bits));
            let start = to.len();
            to.resize(start + n, 0);
            pack_into(part, bits, &mut to[start..]);
        }
        op.recycle(value);
    }

    /// Shares planes of `n` bits.
    pub(super) fn planes<R: Ring>(&mut self, op: Op<'_, R>, draw: Draw, planes: &[u64], n: usize) {
        let (cut, width) = (first_bits(n as u64) as usize, words(n));
        let parts = [(0, 0..words(cut), cut), (1, words(cut)..width, n - cut)];
        for (of, range, n) in parts {
            let part = planes.chunks_exact(width.max(1)).flat_map(|plane| &plane[range.clone()]);
            let mut part: Vec<u64> = part.copied().collect();
            let share = op.words_of(of, draw, part.len());
            bits::apply(&op.world.threads, &mut part, [&share[..]], |x, [share]| x ^ share);
            self.to[1 - of].extend_from_slice(&pack_planes(&part, n));
        }
    }
}

/// What a party is sent.
#[derive(Debug)]
pub(super) struct Parcel {
    bytes: Vec<u8>,
    taken: usize,
}

impl Parcel {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, taken: 0 }
    }

    /// Its room, for the next one.
    pub(super) fn into_room(self) -> Vec<u8> {
        self.bytes
    }

    fn next(&mut self, n: usize) -> &[u8] {
        self.taken += n;
        &self.bytes[self.taken - n..self.taken]
    }

    /// This party's shares of `n` elements modulo 2^`bits`.
    pub(super) fn elements<R: Ring>(&mut self, op: Op<'_, R>, draw: Draw, n: usize, bits: u32) -> Vec<R> {
        let mut shares = op.room(n);
        let (one, zero) = shares.split_at_mut(first(n as u64) as usize);
        let (drawn, sent) = if op.leads() { (one, zero) } else { (zero, one) };
        op.stream_of(op.me(), draw).fill_bits(&op.world.threads, bits, 0, drawn);
        unpack(self.next(packed(sent.len(), bits)), bits, sent);
        shares
    }

    /// This party's shares of `count` planes of `n` bits.
    pub(super) fn planes<R: Ring>(&mut self, op: Op<'_, R>, draw: Draw, n: usize, count: usize) -> Vec<u64> {
        let (cut, width) = (first_bits(n as u64) as usize, words(n));
        let (one, zero) = (0..words(cut), words(cut)..width);
        let (drawn, sent, bits) = if op.leads() { (one, zero, n - cut) } else { (zero, one, cut) };
        let of_key = op.words_of(op.me(), draw, drawn.len() * count);
        let of_message = unpack_planes(self.next(bits.div_ceil(8) * count), bits, count);
        let mut planes = vec![0; width * count];
        for (i, plane) in planes.chunks_exact_mut(width.max(1)).enumerate() {
            plane[drawn.clone()].copy_from_slice(&of_key[i * drawn.len()..][..drawn.len()]);
            plane[sent.clone()].copy_from_slice(&of_message[i * sent.len()..][..sent.len()]);
        }
        planes
    }
}
