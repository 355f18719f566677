//! The back-end without secrets: it defines what every instruction means.
//!
//! All values are in the clear in the machine's memory: [`Kind::Shared`](tern_bytecode::Kind) and `Additive` alike as ring elements, bits one to
//! a byte. With the same seed and nearest rounding the parties compute the same bits.

mod round;

use std::marker::PhantomData;

use tern_bytecode::instr::{Axes, MaybeReg};
use tern_bytecode::{Instr, Kind, Program, Reg, Route};

use super::registers::{given, put_out};
use super::{Backend, Terms};
use crate::machine::checkpoint::{choose_alone, clear};
use crate::machine::local::{self, convert, copy, update, zip};
use crate::machine::memory::{Cell, dense};
use crate::machine::{Context, Fault, Host, Memory, Options, Purpose, Report, RunError, Seeds, run};
use crate::prg::Key;
use crate::ring::{Ring, views};
use crate::rings::in_ring;

/// Runs a program on clear values.
///
/// # Errors
/// The first fault, with its instruction and source line.
pub fn emulate(program: &Program, host: &mut dyn Host, options: &Options) -> Result<Report, RunError> {
    let seeds = match options.seed {
        Some(seed) => Seeds::fixed(seed, program),
        None => Seeds::fresh(program.header.protocol)?,
    };
    emulate_with(program, host, options, &seeds)
}

/// The same with these seeds, whatever the options say: two programs can have the same, which [`Seeds::fixed`] prevents.
///
/// # Errors
/// As [`emulate`].
pub fn emulate_with(
    program: &Program,
    host: &mut dyn Host,
    given: &Options,
    seeds: &Seeds,
) -> Result<Report, RunError> {
    let mut options = given.clone();
    if let Some(checkpoints) = &mut options.checkpoints {
        tern_bytecode::validate(program)?;
        let own = Terms::of(program, given);
        checkpoints.start = choose_alone(checkpoints, &own)?;
    }
    let report = in_ring!(program.header.ring, R => emulate_in::<R>(program, host, &options, seeds));
    if let (Some(checkpoints), Ok(_)) = (&options.checkpoints, &report) {
        clear(checkpoints, None);
    }
    report
}

fn emulate_in<R: Ring>(
    program: &Program,
    host: &mut dyn Host,
    options: &Options,
    seeds: &Seeds,
) -> Result<Report, RunError> {
    let mut emulator = Emulator::<R> { keys: seeds.common.iter().map(Key::new).collect(), ring: PhantomData };
    run(program, &mut emulator, Memory::clear, &seeds.public, host, options)
}

/// The protocol of one party that knows everything. Values are in the machine's memory.
struct Emulator<R> {
    /// The keys of the protocol's groups of parties.
    keys: Vec<Key>,
    ring: PhantomData<R>,
}

type Done = Result<(), RunError>;

impl<R: Ring> Backend for Emulator<R> {
    type Element = R;

    fn copy(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Done {
        local::execute(context, &Instr::Copy { dst, a })
    }

    fn gather(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, index: Reg) -> Done {
        local::execute(context, &Instr::Gather { dst, a, index })
    }

    fn scatter(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, index: Reg) -> Done {
        local::execute(context, &Instr::Scatter { dst, a, index })
    }

    fn promote(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Done {
        same::<R, R>(context, dst, a)
    }

    fn promote_bits(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Done {
        convert(context, dst, a, |a: i64| u8::from(a != 0));
        Ok(())
    }

    fn widen(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Done {
        same::<R, R>(context, dst, a)
    }

    fn add(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg) -> Done {
        local::execute(context, &Instr::Add { dst, a, b })
    }

    fn sub(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg) -> Done {
        local::execute(context, &Instr::Sub { dst, a, b })
    }

    fn neg(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Done {
        local::execute(context, &Instr::Neg { dst, a })
    }

    fn mul_plain(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg) -> Done {
        local::execute(context, &Instr::MulPlain { dst, a, b })
    }

    fn mul(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg) -> Done {
        local::execute(context, &Instr::MulPlain { dst, a, b })
    }

    fn contract(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg, axes: Axes) -> Done {
        local::execute(context, &Instr::Contract { dst, a, b, axes })
    }

    fn sum(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, axes: u32) -> Done {
        local::execute(context, &Instr::Sum { dst, a, axes })
    }

    fn xor(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg) -> Done {
        zip(context, dst, a, b, |a: u8, b| a ^ b);
        Ok(())
    }

    fn not(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Done {
        local::map(context, dst, a, |a: u8| a ^ 1);
        Ok(())
    }

    fn and_public(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg) -> Done {
        if dst != a {
            local::map(context, dst, a, |a: u8| a);
        }
        update(context, dst, b, |a: u8, b: i64| a & u8::from(b != 0));
        Ok(())
    }

    /// The exclusive or of all groups' streams, so that with one seed the parties draw the same bits.
    fn random_bits(&mut self, context: &mut Context<'_, R>, dst: Reg) -> Done {
        let len = context.memory.layout(dst).len();
        let mut bytes = vec![0; len.div_ceil(8)];
        let mut other = bytes.clone();
        for key in &self.keys {
            context.stream(key, Purpose::RandomBits)?.fill_bytes(0, &mut other);
            bytes.iter_mut().zip(&other).for_each(|(byte, other)| *byte ^= other);
        }
        let bits: Vec<u8> = (0..len).map(|i| bytes[i / 8] >> (i % 8) & 1).collect();
        context.memory.store(context.threads, dst, &bits);
        Ok(())
    }

    fn input(&mut self, context: &mut Context<'_, R>, dst: Reg, input: u32, _: Route) -> Done {
        let declared = &context.program.inputs[input as usize];
        let failed = |cause| Fault::Input { name: full_name(&declared.name, &declared.field), cause };
        let layout = context.memory.layout(dst).clone();
        match dense(&layout) {
            Some(range) => {
                let elements = &mut context.memory.write::<R>(dst).data[range];
                given(context.host, input, 0, elements).map_err(failed)?;
            }
            None => {
                let mut elements = context.memory.load::<R>(context.threads, dst)?;
                given(context.host, input, 0, &mut elements).map_err(failed)?;
                context.memory.store(context.threads, dst, &elements);
            }
        }
        Ok(())
    }

    fn output(&mut self, context: &mut Context<'_, R>, a: Reg, output: u32, _: Route) -> Done {
        let elements = context.memory.load::<R>(context.threads, a)?;
        let declared = &context.program.outputs[output as usize];
        let failed = |cause| Fault::Output { name: full_name(&declared.name, &declared.field), cause };
        put_out(context.host, output, &elements).map_err(failed)?;
        Ok(())
    }

    fn reveal(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, _: Route) -> Done {
        same::<R, R>(context, dst, a)
    }

    fn reveal_bits(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, _: Route) -> Done {
        convert(context, dst, a, |a: u8| i64::from(a));
        Ok(())
    }

    fn reshare(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, _: Route) -> Done {
        same::<R, R>(context, dst, a)
    }

    fn open(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, _width: u32, _mask: u32) -> Done {
        same::<R, R>(context, dst, a)
    }

    fn truncate_opened(
        &mut self,
        context: &mut Context<'_, R>,
        dst: Reg,
        a: Reg,
        bits: u32,
        _width: u32,
        _more: u32,
        _mask: u32,
    ) -> Done {
        match bits {
            0 => same::<R, R>(context, dst, a),
            bits => Ok(round::truncate(context, &self.keys[0], dst, a, bits)?),
        }
    }

    fn truncate(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, bits: u32, _: Route) -> Done {
        Ok(round::truncate(context, &self.keys[0], dst, a, bits)?)
    }

    fn sign(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, width: u32, _: Route) -> Done {
        convert(context, dst, a, |a: R| u8::from(a.bit(width - 1)));
        Ok(())
    }

    fn sign_tested(
        &mut self,
        context: &mut Context<'_, R>,
        dst: Reg,
        a: Reg,
        low: u32,
        high: u32,
        _: Route,
    ) -> Done {
        match low {
            0 => convert(context, dst, a, |a: R| u8::from(a.bit(high - 1))),
            low => round::sign_of_less(context, &self.keys[0], dst, a, low, high)?,
        }
        Ok(())
    }

    fn bits(
        &mut self,
        context: &mut Context<'_, R>,
        dst: Reg,
        a: Reg,
        low: u32,
        high: u32,
        _: Route,
    ) -> Done {
        let (out, rest) = context.memory.split::<u8>(dst);
        let a = rest.apart::<R>(a);
        for (place, bit) in (low..high).enumerate() {
            let plane = local::row(&out.layout, place);
            let plane = views::ViewMut::new(out.data, &plane);
            views::apply(context.threads, plane, [a.view()], |_, [a]| u8::from(a.bit(bit)));
        }
        Ok(())
    }

    fn and(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg, _: Route) -> Done {
        local::convert2(context, dst, a, b, |a: u8, b| a & b);
        Ok(())
    }

    fn word(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, _: Route) -> Done {
        let places = context.memory.layout(a).axes[0].len;
        let (mut out, rest) = context.memory.split::<R>(dst);
        let a = rest.apart::<u8>(a);
        views::fill(context.threads, out.view(), R::ZERO);
        for place in 0..places {
            let value = R::power_of_two(place as u32);
            let plane = local::row(&a.layout, place);
            let plane = views::View::new(a.data, &plane);
            views::apply(context.threads, out.view(), [plane], |sum, [bit]| sum + chosen(bit, value));
        }
        Ok(())
    }

    fn compose(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, route: Route) -> Done {
        self.word(context, dst, a, route)
    }

    fn select(
        &mut self,
        context: &mut Context<'_, R>,
        dst: Reg,
        _keep: MaybeReg,
        bit: Reg,
        a: Reg,
        _: Route,
    ) -> Done {
        copy::<R, R>(context, dst, a);
        update(context, dst, bit, |value: R, bit: u8| chosen(bit, value));
        Ok(())
    }

    fn select_again(
        &mut self,
        context: &mut Context<'_, R>,
        dst: Reg,
        _half: Reg,
        bit: Reg,
        a: Reg,
        bits: u32,
        route: Route,
    ) -> Done {
        match bits {
            0 => copy::<R, R>(context, dst, a),
            bits => self.truncate(context, dst, a, bits, route)?,
        }
        update(context, dst, bit, |value: R, bit: u8| chosen(bit, value));
        Ok(())
    }

    fn debug(&mut self, context: &mut Context<'_, R>, label: u32, a: Reg, frac: u32) -> Done {
        let scale = 2f64.powi(-(frac as i32));
        let (memory, threads) = (&context.memory, context.threads);
        let values: Vec<f64> = match context.kind(a) {
            Kind::Real => memory.load(threads, a)?,
            Kind::Int => memory.load::<i64>(threads, a)?.into_iter().map(|a| a as f64).collect(),
            Kind::Bit => memory.load::<u8>(threads, a)?.into_iter().map(f64::from).collect(),
            Kind::Plain | Kind::Shared | Kind::Additive | Kind::Half => {
                memory.load::<R>(threads, a)?.into_iter().map(|a| a.to_f64() * scale).collect()
            }
        };
        let shape = context.program.views[a.0 as usize].shape();
        context.host.debug(&context.program.names[label as usize], &shape, &values);
        Ok(())
    }

    fn send(&mut self, _: &mut Context<'_, R>) -> Done {
        Ok(())
    }

    fn receive(&mut self, _: &mut Context<'_, R>) -> Done {
        Ok(())
    }
}

/// A change of form, which clear values do not have.
fn same<R: Ring, T: Cell<R>>(context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Done {
    copy::<R, T>(context, dst, a);
    Ok(())
}

/// `value` if the bit is set, else 0.
#[inline(always)]
fn chosen<R: Ring>(bit: u8, value: R) -> R {
    if bit == 0 { R::ZERO } else { value }
}

fn full_name(name: &str, field: &str) -> String {
    if field.is_empty() { name.into() } else { format!("{name}.{field}") }
}
