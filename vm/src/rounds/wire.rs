//! Ring elements as they travel: k bits each, without gaps, where that is less than their limbs have.
//!
//! Packing and unpacking happen between memory and the links, a piece at a time, so that it stays in the second cache; protocols deal with elements alone.

use super::pack::{pack_into, packed, unpack};
use crate::net::{Links, NetError, Party};
use crate::ring::Ring;

/// Elements that are packed at a time: of any ring, whole bytes, and many records of TLS, of which a link copies the first.
const PIECE: usize = 1 << 15;

/// Room for packed pieces.
#[derive(Debug, Default)]
pub(super) struct Wire {
    room: Vec<u8>,
}

impl Wire {
    /// Bytes of `n` elements.
    pub(super) fn length<R: Ring>(n: usize) -> usize {
        packed(n, R::BITS)
    }

    pub(super) fn send<R: Ring>(
        &mut self,
        links: &mut Links,
        to: Party,
        elements: &[R],
    ) -> Result<(), NetError> {
        if R::WHOLE {
            return links.send(to, bytemuck::cast_slice(elements));
        }
        for piece in elements.chunks(PIECE) {
            let bytes = self.room::<R>(piece.len());
            pack_into(piece, R::BITS, bytes);
            links.send(to, bytes)?;
        }
        Ok(())
    }

    pub(super) fn receive<R: Ring>(
        &mut self,
        links: &mut Links,
        from: Party,
        elements: &mut [R],
    ) -> Result<(), NetError> {
        if R::WHOLE {
            return links.receive(from, bytemuck::cast_slice_mut(elements));
        }
        for piece in elements.chunks_mut(PIECE) {
            let bytes = self.room::<R>(piece.len());
            links.receive(from, bytes)?;
            unpack(bytes, R::BITS, piece);
        }
        Ok(())
    }

    fn room<R: Ring>(&mut self, n: usize) -> &mut [u8] {
        self.room.resize(Self::length::<R>(PIECE), 0);
        &mut self.room[..Self::length::<R>(n)]
    }
}
