//! The registers' memory: one buffer of one element type for each of the program's, and views on them.
//!
//! An instruction that writes to a buffer may read from the same one, either the very view that it writes (it works *in place*) or
//! elements apart from it; the validator sees to that. [`Memory::split`] turns this into borrows: the written range of the buffer on one
//! side, everything else on the other.

use std::io;
use std::ops::Range;

use smallvec::SmallVec;
use tern_bytecode::live::Live;
use tern_bytecode::program::Buffer;
use tern_bytecode::{Kind, Program, Reg, View};

use super::error::Fault;
use crate::par::Threads;
pub use crate::ring::cell::{Cell, Part, Store};
use crate::ring::{Axis, Layout, Ring, slices, views};
use crate::scarce;

/// The values of registers.
#[derive(Debug)]
pub struct Memory<R> {
    registers: Vec<Register>,
    stores: Vec<Store<R>>,
    bytes: u64,
    limit: u64,
}

#[derive(Debug)]
struct Register {
    buffer: usize,
    layout: Layout,
}

/// A strided view to read.
#[derive(Debug)]
pub struct Window<'a, T> {
    /// The elements.
    pub data: &'a [T],
    /// Which of them, in which order.
    pub layout: Layout,
}

/// A strided view to write.
#[derive(Debug)]
pub struct WindowMut<'a, T> {
    /// The elements.
    pub data: &'a mut [T],
    /// Which of them, in which order.
    pub layout: Layout,
}

impl<T> Window<'_, T> {
    /// As the kernels take it.
    pub fn view(&self) -> views::View<'_, T> {
        views::View::new(self.data, &self.layout)
    }
}

impl<T> WindowMut<'_, T> {
    /// As the kernels take it.
    pub fn view(&mut self) -> views::ViewMut<'_, T> {
        views::ViewMut::new(self.data, &self.layout)
    }
}

impl<R: Ring> Memory<R> {
    /// Memory for what everybody knows; shares are the back-end's.
    ///
    /// # Errors
    /// If it does not fit into `limit` bytes, or the system has no more.
    pub fn public(program: &Program, limit: u64) -> Result<Self, Fault> {
        Self::new(program, limit, |kind| matches!(kind, Kind::Plain | Kind::Real | Kind::Int))
    }

    /// Memory for all values in the clear.
    ///
    /// # Errors
    /// If it does not fit into `limit` bytes, or the system has no more.
    pub fn clear(program: &Program, limit: u64) -> Result<Self, Fault> {
        Self::new(program, limit, |kind| kind != Kind::Half)
    }

    fn new(program: &Program, limit: u64, here: impl Fn(Kind) -> bool) -> Result<Self, Fault> {
        let buffers = || program.buffers.iter().filter(|buffer| here(buffer.kind));
        let bytes = buffers().fold(0u64, |sum, buffer| sum.saturating_add(bytes::<R>(buffer)));
        if bytes > limit {
            return Err(Fault::Memory { needed: bytes, limit });
        }
        let store = |b: &Buffer| if here(b.kind) { zeroed(b) } else { Ok(Store::Absent) };
        let stores = program.buffers.iter().map(store).collect::<Result<_, _>>()?;
        let registers = program.views.iter().map(Register::new).collect();
        Ok(Self { registers, stores, bytes, limit })
    }

    /// Bytes in all buffers.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether so many bytes of working memory are allowed besides the buffers.
    ///
    /// # Errors
    /// If they are not.
    pub fn spare(&self, bytes: u64) -> Result<(), Fault> {
        let needed = self.bytes.saturating_add(bytes);
        if needed > self.limit { Err(Fault::Memory { needed, limit: self.limit }) } else { Ok(()) }
    }

    /// The register's view of its buffer.
    pub fn layout(&self, reg: Reg) -> &Layout {
        &self.register(reg).layout
    }

    /// A register to read.
    pub fn read<T: Cell<R>>(&self, reg: Reg) -> views::View<'_, T> {
        let register = self.register(reg);
        views::View::new(T::of(self.stores[register.buffer].part()), &register.layout)
    }

    /// The only element of a register.
    pub fn scalar<T: Cell<R>>(&self, reg: Reg) -> T {
        let view = self.read::<T>(reg);
        view.data[view.layout.offset]
    }

    /// A register to write.
    pub fn write<T: Cell<R>>(&mut self, reg: Reg) -> views::ViewMut<'_, T> {
        let register = &self.registers[reg.0 as usize];
        views::ViewMut::new(T::cells(&mut self.stores[register.buffer]), &register.layout)
    }

    /// The elements of a register in row-major order.
    ///
    /// # Errors
    /// If the copy does not fit into the memory that is left.
    pub fn load<T: Cell<R>>(&self, threads: &Threads, reg: Reg) -> Result<Vec<T>, Fault> {
        let layout = self.layout(reg);
        self.spare((layout.len() as u64).saturating_mul(size_of::<T>() as u64))?;
        let mut copy = zeros(layout.len() as u64)?;
        views::copy(threads, views::ViewMut::new(&mut copy, &row_major(layout)), self.read(reg));
        Ok(copy)
    }

    /// Writes the elements of a register, given in row-major order.
    ///
    /// # Panics
    /// If there are not as many as the register has.
    pub fn store<T: Cell<R>>(&mut self, threads: &Threads, reg: Reg, values: &[T]) {
        let layout = row_major(self.layout(reg));
        assert_eq!(values.len(), layout.len());
        views::copy(threads, self.write(reg), views::View::new(values, &layout));
    }

    /// A register to write, and everything else to read.
    pub fn split<T: Cell<R>>(&mut self, dst: Reg) -> (WindowMut<'_, T>, Rest<'_, R>) {
        let Self { registers, stores, .. } = self;
        let register = &registers[dst.0 as usize];
        let (before, rest) = stores.split_at_mut(register.buffer);
        let (store, after) = rest.split_first_mut().expect("registers are on buffers that exist: validated");
        let span = register.layout.span().expect("views lie in their buffers: validated");
        let (left, cells) = T::cells(store).split_at_mut(span.start);
        let (data, right) = cells.split_at_mut(span.len());
        let mut layout = register.layout.clone();
        layout.offset -= span.start;
        let (left, right) = (T::part(left), T::part(right));
        let rest = Rest { registers, written: register, before, after, left, right, end: span.end };
        (WindowMut { data, layout }, rest)
    }

    /// Writes what is live of the buffers that are here.
    ///
    /// # Errors
    /// Those of the file.
    pub fn write_live(&self, live: &Live, to: &mut dyn io::Write) -> io::Result<()> {
        ranges(live).try_for_each(|(at, part)| match &self.stores[at] {
            Store::Ring(cells) => to.write_all(bytemuck::cast_slice(&cells[part])),
            Store::Bit(cells) => to.write_all(&cells[part]),
            Store::Real(cells) => to.write_all(bytemuck::cast_slice(&cells[part])),
            Store::Int(cells) => to.write_all(bytemuck::cast_slice(&cells[part])),
            Store::Absent => Ok(()),
        })
    }

    /// Reads what [`write_live`](Self::write_live) wrote.
    ///
    /// # Errors
    /// Those of the file; bits that are none.
    pub fn read_live(&mut self, live: &Live, from: &mut dyn io::Read) -> io::Result<()> {
        ranges(live).try_for_each(|(at, part)| match &mut self.stores[at] {
            Store::Ring(cells) => {
                let cells = &mut cells[part];
                from.read_exact(bytemuck::cast_slice_mut(cells))?;
                slices::reduce(cells);
                Ok(())
            }
            Store::Bit(cells) => {
                let cells = &mut cells[part];
                from.read_exact(cells)?;
                match cells.iter().all(|bit| *bit <= 1) {
                    true => Ok(()),
                    false => Err(io::Error::other("a bit is neither 0 nor 1")),
                }
            }
            Store::Real(cells) => from.read_exact(bytemuck::cast_slice_mut(&mut cells[part])),
            Store::Int(cells) => from.read_exact(bytemuck::cast_slice_mut(&mut cells[part])),
            Store::Absent => Ok(()),
        })
    }

    fn register(&self, reg: Reg) -> &Register {
        &self.registers[reg.0 as usize]
    }
}

/// What is live, range by range: the buffer, and which of its elements.
pub fn ranges(live: &Live) -> impl Iterator<Item = (usize, Range<usize>)> {
    let part = |range: &Range<u64>| range.start as usize..range.end as usize;
    live.iter().flat_map(move |(at, parts)| parts.iter().map(move |range| (*at as usize, part(range))))
}

/// The memory without the range that is being written.
pub struct Rest<'a, R> {
    registers: &'a [Register],
    written: &'a Register,
    /// The buffers before and after the written one.
    before: &'a [Store<R>],
    after: &'a [Store<R>],
    /// What is left of the written buffer, on both sides of the written range.
    left: Part<'a, R>,
    right: Part<'a, R>,
    /// Where the right side begins.
    end: usize,
}

impl<'a, R: Ring> Rest<'a, R> {
    /// An operand, or `None` if the instruction works on it in place.
    pub fn operand<T: Cell<R>>(&self, reg: Reg) -> Option<Window<'a, T>> {
        let register = &self.registers[reg.0 as usize];
        let mut layout = register.layout.clone();
        let own = self.before.len();
        let part = if register.buffer < own {
            self.before[register.buffer].part()
        } else if register.buffer > own {
            self.after[register.buffer - own - 1].part()
        } else if register.layout.is_empty() {
            self.left
        } else if register.layout == self.written.layout {
            return None;
        } else if register.layout.span()?.end <= self.end {
            self.left
        } else {
            layout.offset -= self.end;
            self.right
        };
        Some(Window { data: T::of(part), layout })
    }

    /// An operand of an instruction that does not work in place.
    pub fn apart<T: Cell<R>>(&self, reg: Reg) -> Window<'a, T> {
        self.operand(reg).expect("the instruction does not work in place: validated")
    }
}

/// A buffer of zeros.
fn zeroed<R: Ring>(buffer: &Buffer) -> Result<Store<R>, Fault> {
    Ok(match buffer.kind {
        Kind::Plain | Kind::Shared | Kind::Additive => Store::Ring(zeros(buffer.len)?),
        Kind::Bit => Store::Bit(zeros(buffer.len)?),
        Kind::Real => Store::Real(zeros(buffer.len)?),
        Kind::Int => Store::Int(zeros(buffer.len)?),
        Kind::Half => Store::Absent,
    })
}

impl Register {
    fn new(view: &View) -> Self {
        // strides of axes without steps are free in the bytecode, and may be anything
        let used = |size: u32, stride: i64| if size > 1 && !view.is_empty() { stride as isize } else { 0 };
        let axes = view.dims.iter().map(|d| Axis { len: d.size as usize, stride: used(d.size, d.stride) });
        let offset = if view.is_empty() { 0 } else { view.offset as usize };
        Self { buffer: view.buffer as usize, layout: Layout { offset, axes: axes.collect() } }
    }
}

/// The dense view of the same shape.
pub fn row_major(layout: &Layout) -> Layout {
    let shape: SmallVec<[usize; 6]> = layout.axes.iter().map(|axis| axis.len).collect();
    Layout::contiguous(&shape)
}

/// The positions of a view whose elements lie in row-major order without gaps; `None` if they do not.
pub fn dense(layout: &Layout) -> Option<Range<usize>> {
    let along = |(a, b): (&Axis, &Axis)| a.len == 1 || a.stride == b.stride;
    let dense = layout.is_empty() || layout.axes.iter().zip(&row_major(layout).axes).all(along);
    dense.then(|| layout.offset..layout.offset + layout.len())
}

fn bytes<R: Ring>(buffer: &Buffer) -> u64 {
    let element = match buffer.kind {
        Kind::Plain | Kind::Shared | Kind::Additive | Kind::Half => R::BYTES as u64,
        Kind::Bit => 1,
        Kind::Real | Kind::Int => 8,
    };
    buffer.len.saturating_mul(element)
}

/// The cells of a buffer, or the fault that there is no room for them.
pub(crate) fn zeros<T: bytemuck::Zeroable>(len: u64) -> Result<Vec<T>, Fault> {
    let refused = |_| Fault::Allocation { needed: len.saturating_mul(size_of::<T>() as u64) };
    scarce::zeros(len as usize).map_err(refused)
}
