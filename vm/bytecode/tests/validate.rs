//! Every rule of the validator has a program that breaks it and nothing else.

mod common;

use common::{dense, empty, input, instruction, output, push, view};
use tern_bytecode::instr::{Axes, Comparison, IntBinary, Operand, OperandValue, RealUnary};
use tern_bytecode::program::{Buffer, Constant, Dim, Line, Place, Protocol, RangeCheck, Rounding};
use tern_bytecode::validate::{MAX_AXES, MAX_DEPTH, MAX_ELEMENTS};
use tern_bytecode::{Instr, Kind, Program, Reg, Route, validate};

/// Routes of the three-party protocol.
const ROUTES: u8 = tern_bytecode::model::rep3::MODEL.routes;

const ROUTE: Route = Route(0);
const MATRIX: [u32; 2] = [4, 6];

/// Adds a buffer and a dense register on it.
fn register(program: &mut Program, kind: Kind, shape: &[u32]) -> Reg {
    let len: u64 = shape.iter().map(|n| u64::from(*n)).product();
    program
        .buffers
        .push(Buffer { kind, len: if kind == Kind::Bit { len.next_multiple_of(64) } else { len } });
    view(program, program.buffers.len() as u32 - 1, 0, dense(shape))
}

/// A valid program whose registers are matrices of every kind, two of most, and a few others.
struct Base {
    program: Program,
    plain: Reg,
    shared: Reg,
    other: Reg,
    additive: Reg,
    bit: Reg,
    other_bit: Reg,
    half: Reg,
    real: Reg,
    int: Reg,
    other_int: Reg,
    /// 4 integers.
    rows: Reg,
    /// One integer.
    one: Reg,
    /// 4 × 6 × 3 bits.
    planes: Reg,
    /// 6 × 4 of `shared`.
    transposed: Reg,
}

fn base() -> Base {
    let mut program = empty();
    let p = &mut program;
    let [plain, shared, other] =
        [Kind::Plain, Kind::Shared, Kind::Shared].map(|kind| register(p, kind, &MATRIX));
    let [additive, bit, other_bit] =
        [Kind::Additive, Kind::Bit, Kind::Bit].map(|kind| register(p, kind, &MATRIX));
    let [half, real, int, other_int] =
        [Kind::Half, Kind::Real, Kind::Int, Kind::Int].map(|kind| register(p, kind, &MATRIX));
    let (rows, one) = (register(p, Kind::Int, &[4]), register(p, Kind::Int, &[]));
    p.buffers.push(Buffer { kind: Kind::Bit, len: 192 });
    let stack = p.buffers.len() as u32 - 1;
    let mut dims = dense(&MATRIX);
    dims.insert(0, Dim { size: 3, stride: 64 });
    let planes = view(p, stack, 0, dims);
    let on_shared = p.views[shared.0 as usize].buffer;
    let transposed = view(p, on_shared, 0, vec![Dim { size: 6, stride: 1 }, Dim { size: 4, stride: 6 }]);
    p.inputs.push(input(&MATRIX));
    p.outputs.push(output(&MATRIX));
    Base {
        program,
        plain,
        shared,
        other,
        additive,
        bit,
        other_bit,
        half,
        real,
        int,
        other_int,
        rows,
        one,
        planes,
        transposed,
    }
}

impl Base {
    /// Another view of a register's buffer.
    fn alias(&mut self, of: Reg, offset: u64, dims: &[(u32, i64)]) -> Reg {
        let buffer = self.program.views[of.0 as usize].buffer;
        view(
            &mut self.program,
            buffer,
            offset,
            dims.iter().map(|&(size, stride)| Dim { size, stride }).collect(),
        )
    }

    fn add(&mut self, kind: Kind, shape: &[u32]) -> Reg {
        register(&mut self.program, kind, shape)
    }

    /// Appends an instruction with its rounds.
    fn op(&mut self, instr: Instr) {
        let rounds = tern_bytecode::cost::rounds(&self.program, &instr);
        push(&mut self.program, instr);
        for _ in 0..rounds {
            push(&mut self.program, Instr::Send {});
            push(&mut self.program, Instr::Receive {});
        }
    }

    fn ops(&mut self, instrs: &[Instr]) {
        instrs.iter().for_each(|instr| push(&mut self.program, *instr));
    }
}

/// The program that `spoil` makes of the base is refused at `at`, with a message that contains `message`.
#[track_caller]
fn refused(at: impl Into<Option<u32>>, message: &str, spoil: impl FnOnce(&mut Base)) {
    let mut b = base();
    spoil(&mut b);
    let fault = validate(&b.program).expect_err(message);
    assert!(fault.message.contains(message), "expected: {message}\n   found: {}", fault.message);
    assert_eq!(fault.at, at.into(), "{}", fault.message);
}

/// The instruction that `make` gives is refused.
#[track_caller]
fn misfit(message: &str, make: impl FnOnce(&mut Base) -> Instr) {
    refused(0, message, |b| {
        let instr = make(b);
        push(&mut b.program, instr);
    });
}

#[track_caller]
fn accepted(make: impl FnOnce(&mut Base)) {
    let mut b = base();
    make(&mut b);
    assert_eq!(validate(&b.program), Ok(()));
}

#[test]
fn the_base_is_valid() {
    accepted(|_| ());
}

#[test]
fn headers() {
    refused(None, "a ring of 65 bits", |b| b.program.header.ring = 65);
    refused(None, "a ring of 0 bits", |b| b.program.header.ring = 0);
    refused(None, "fix with 0 bits", |b| b.program.header.total = 0);
    refused(None, "fix with 65 bits", |b| b.program.header.total = 65);
    refused(None, "32 of them fraction", |b| b.program.header.frac = 32);
    refused(None, "party that is not", |b| b.program.inputs[0].from = Place::Party(3));
    refused(None, "party that is not", |b| b.program.outputs[0].to = Place::Party(200));
    refused(None, "more fraction bits", |b| b.program.inputs[0].frac = 64);
    refused(None, "more fraction bits", |b| b.program.outputs[0].frac = u32::MAX);
    let line = Line { file: 0, line: 1 };
    let range = |at, frac| RangeCheck { at, frac, low: 0.0, high: 1.0, line, inner: line };
    refused(None, "a declared range", |b| b.program.ranges.push(range(0, 0)));
    refused(None, "a declared range", |b| {
        push(&mut b.program, Instr::Neg { dst: Reg(0), a: Reg(0) });
        b.program.ranges.push(range(0, 64));
    });
    refused(None, "line table", |b| b.program.code.push(Instr::Neg { dst: Reg(0), a: Reg(0) }));
}

#[test]
fn names() {
    let word = "not a word";
    for name in [
        "",
        "../evil",
        "a/b",
        ".hidden",
        "a b",
        "a.b",
        "1st",
        "\u{1b}[2J",
        "ä",
        "-o",
        "con:",
        &"x".repeat(201),
    ] {
        refused(None, word, |b| b.program.inputs[0].name = name.into());
        refused(None, word, |b| b.program.outputs[0].name = name.into());
    }
    accepted(|b| b.program.outputs[0].name = "_1_y".into());
    for field in [".", "a..b", "a/b", "..", "l1.weight\n", &"x".repeat(5000)] {
        refused(None, "is not made of words", |b| b.program.outputs[0].field = field.into());
    }
    accepted(|b| b.program.outputs[0].field = "layers.0.weight".into());
    let hidden = "a character that does not show";
    for text in ["\u{1b}]0;title\u{7}", "loss\nerror: none", "a\rb", "\u{9b}2J", "\u{202e}ssol", "\0"] {
        refused(None, hidden, |b| b.program.header.name = text.into());
        refused(None, hidden, |b| b.program.names[0] = text.into());
        refused(None, hidden, |b| b.program.files[0] = text.into());
        refused(None, hidden, |b| b.program.header.args.push(("N".into(), text.into())));
        refused(None, hidden, |b| b.program.header.args.push((text.into(), "1".into())));
    }
    refused(None, "too long", |b| b.program.names[0] = "x".repeat(5000));
    accepted(|b| b.program.names[0] = "Verlust (%), 精度 → 1".into());
    refused(None, "the input x is declared twice", |b| b.program.inputs.push(input(&MATRIX)));
    refused(None, "the output y is declared twice", |b| b.program.outputs.push(output(&MATRIX)));
    // a file is either one tensor or a model
    refused(None, "the output y is declared twice", |b| {
        b.program.outputs.push(output(&MATRIX));
        b.program.outputs[1].field = "w".into();
    });
    refused(None, "the output y is in several places", |b| {
        b.program.outputs.push(output(&MATRIX));
        b.program.outputs[0].field = "v".into();
        b.program.outputs[1].field = "w".into();
        b.program.outputs[1].to = Place::Shares;
    });
    accepted(|b| {
        b.program.outputs.push(output(&MATRIX));
        b.program.outputs[0].field = "v".into();
        b.program.outputs[1].field = "w".into();
    });
}

#[test]
fn outputs_are_written_once() {
    let write = |b: &Base| Instr::Output { a: b.shared, output: 0, route: ROUTE };
    accepted(|b| b.op(write(b)));
    // in a loop it is a result of each iteration
    accepted(|b| {
        b.ops(&[Instr::Loop { counter: b.one, trips: 1 }]);
        b.op(write(b));
        b.ops(&[Instr::End {}]);
    });
    refused(3, "a second time", |b| {
        b.op(write(b));
        b.op(write(b));
    });
    accepted(|b| {
        b.ops(&[Instr::If { cond: b.one }]);
        b.op(write(b));
        b.ops(&[Instr::End {}]);
    });
}

#[test]
fn memory() {
    refused(None, "elements", |b| b.program.buffers[0].len = MAX_ELEMENTS + 1);
    refused(None, "does not end with a word", |b| b.program.buffers[4].len = 63);
    refused(None, "which is not there", |b| b.program.views[0].buffer = 99);
    let axes = |n: usize| vec![Dim { size: 1, stride: 0 }; n];
    accepted(|b| b.program.views[0].dims = axes(MAX_AXES));
    refused(None, "axes", |b| b.program.views[0].dims = axes(MAX_AXES + 1));
    let repeated = |sizes: &[u32]| sizes.iter().map(|&size| Dim { size, stride: 0 }).collect::<Vec<_>>();
    accepted(|b| b.program.views[0].dims = repeated(&[1 << 20, 1 << 20]));
    refused(None, "too large", |b| b.program.views[0].dims = repeated(&[1 << 20, 1 << 20, 2]));
    refused(None, "too large", |b| b.program.views[0].dims = repeated(&[u32::MAX; 12]));
    // an empty axis does not excuse the others
    refused(None, "too large", |b| b.program.views[0].dims = repeated(&[u32::MAX, 0, u32::MAX]));
    let outside = "reaches outside";
    refused(None, outside, |b| b.program.views[0].offset = 1);
    refused(None, outside, |b| b.program.views[0].offset = u64::MAX);
    refused(None, outside, |b| b.program.views[0].dims[0].size = 5);
    refused(None, outside, |b| b.program.views[0].dims[0].stride = -6);
    refused(None, outside, |b| b.program.views[0].dims[0].stride = i64::MIN);
    refused(None, outside, |b| b.program.views[0].dims[1].stride = i64::MAX);
    refused(None, outside, |b| b.program.buffers[0].len = 23);
    accepted(|b| {
        b.program.views[0].offset = 18;
        b.program.views[0].dims[0].stride = -6;
    });
    // nothing is reached through a view without elements
    accepted(|b| {
        b.program.views[0].offset = u64::MAX;
        b.program.views[0].dims[1].size = 0;
    });
    let ring = |width, len| Constant::Ring { width, bytes: vec![0; len] };
    for constant in [ring(0, 0), ring(33, 33), ring(8, 12)] {
        refused(None, "broken width", |b| b.program.constants[0] = constant.clone());
    }
}

#[test]
fn operands() {
    misfit("register %999 is not there", |b| Instr::Neg { dst: Reg(999), a: b.plain });
    misfit("operand a of real_unary is shared, expected real", |b| Instr::RealUnary {
        dst: b.real,
        op: RealUnary::Neg,
        a: b.shared,
    });
    misfit("operand b of mul_plain is shared, expected plain", |b| Instr::MulPlain {
        dst: b.other,
        a: b.other,
        b: b.shared,
    });
    misfit("operand keep of select is additive", |b| Instr::Select {
        dst: b.other,
        keep: Some(b.additive),
        bit: b.bit,
        a: b.shared,
        route: ROUTE,
    });
}

/// With one register in all places, an instruction is refused if any operand does not take its kind.
#[test]
fn operands_of_all_instructions() {
    for which in 0..tern_bytecode::instr::REFERENCE.len() {
        for (i, (kind, name)) in Kind::ALL.iter().enumerate() {
            let instr = instruction(which, &mut std::iter::repeat(i as u64));
            let takes = |operand: &Operand| match operand.value {
                OperandValue::Reg(_, _, kinds) => kinds.contains(kind),
                OperandValue::Route(_) | OperandValue::Imm(_) => true,
            };
            let Some(wrong) = instr.operands().into_iter().find(|operand| !takes(operand)) else { continue };
            let mut program = empty();
            for (kind, _) in Kind::ALL {
                register(&mut program, kind, &[]);
            }
            push(&mut program, instr);
            // what nests is looked at first
            if matches!(instr, Instr::Loop { .. } | Instr::If { .. }) {
                push(&mut program, Instr::End {});
            }
            if matches!(instr, Instr::BreakIf { .. }) {
                continue;
            }
            let fault = validate(&program).expect_err(name);
            let expected = format!("operand {} of {} is {name}", wrong.name, instr.name());
            assert!(fault.message.starts_with(&expected), "{expected}: {}", fault.message);
        }
    }
}

#[test]
fn single_elements() {
    let needs = "needs one element";
    refused(0, needs, |b| b.ops(&[Instr::Loop { counter: b.rows, trips: 1 }, Instr::End {}]));
    refused(0, needs, |b| b.ops(&[Instr::If { cond: b.rows }, Instr::End {}]));
    refused(1, needs, |b| {
        b.ops(&[Instr::Loop { counter: b.one, trips: 1 }, Instr::BreakIf { cond: b.rows }, Instr::End {}]);
    });
}

#[test]
fn constants() {
    misfit("constant 3 is not there", |b| Instr::Constant { dst: b.plain, pool: 3 });
    misfit("another kind", |b| Instr::Constant { dst: b.plain, pool: 1 });
    misfit("another kind", |b| Instr::Constant { dst: b.real, pool: 2 });
    misfit("another kind", |b| Instr::Constant { dst: b.int, pool: 0 });
    misfit("3 constants for 4 elements", |b| Instr::Constant { dst: b.rows, pool: 2 });
    accepted(|b| {
        let three = b.add(Kind::Int, &[3]);
        b.ops(&[Instr::Constant { dst: three, pool: 2 }, Instr::Constant { dst: b.real, pool: 1 }]);
    });
}

#[test]
fn shapes_of_one_operation() {
    let differ = "differ";
    misfit(differ, |b| Instr::Copy { dst: b.other, a: b.transposed });
    misfit(differ, |b| Instr::Add { dst: b.other, a: b.other, b: b.transposed });
    misfit(differ, |b| Instr::IntBinary { dst: b.int, op: IntBinary::Add, a: b.int, b: b.rows });
    misfit(differ, |b| Instr::Compare { dst: b.rows, op: Comparison::Eq, a: b.int, b: b.int });
    misfit(differ, |b| Instr::Choose { dst: b.int, cond: b.rows, a: b.other_int, b: b.other_int });
    misfit(differ, |b| Instr::Mul { dst: b.additive, a: b.transposed, b: b.shared });
    misfit(differ, |b| Instr::Reshare { dst: b.transposed, a: b.additive, route: ROUTE });
    misfit(differ, |b| Instr::Truncate { dst: b.transposed, a: b.additive, bits: 1, route: ROUTE });
    misfit(differ, |b| Instr::Sign { dst: b.bit, a: b.transposed, width: 1, route: ROUTE });
    misfit(differ, |b| Instr::RevealBits { dst: b.rows, a: b.bit, route: ROUTE });
    misfit(differ, |b| Instr::AndPublic { dst: b.bit, a: b.bit, b: b.rows });
    misfit(differ, |b| Instr::Encode { dst: b.plain, a: b.rows, frac: 0 });
    misfit(differ, |b| Instr::Select { dst: b.other, keep: None, bit: b.bit, a: b.transposed, route: ROUTE });
    misfit(differ, |b| {
        let half = b.alias(b.half, 0, &[(4, 1)]);
        Instr::Select { dst: b.other, keep: Some(half), bit: b.bit, a: b.shared, route: ROUTE }
    });
    misfit(differ, |b| {
        let half = b.alias(b.half, 0, &[(4, 1)]);
        Instr::SelectAgain { dst: b.other, half, bit: b.bit, a: b.shared, bits: 0, route: ROUTE }
    });
}

#[test]
fn kinds_of_one_operation() {
    let mixed = "in one operation";
    misfit(mixed, |b| Instr::Add { dst: b.additive, a: b.shared, b: b.other });
    misfit(mixed, |b| Instr::Sub { dst: b.shared, a: b.shared, b: b.plain });
    misfit(mixed, |b| Instr::Neg { dst: b.additive, a: b.shared });
    misfit(mixed, |b| Instr::Copy { dst: b.plain, a: b.shared });
    misfit(mixed, |b| Instr::MulPlain { dst: b.additive, a: b.shared, b: b.plain });
    misfit(mixed, |b| Instr::Compare { dst: b.other_int, op: Comparison::Eq, a: b.int, b: b.real });
    misfit(mixed, |b| Instr::Choose { dst: b.int, cond: b.other_int, a: b.real, b: b.other_int });
    misfit(mixed, |b| {
        let dst = b.add(Kind::Additive, &[4]);
        Instr::Sum { dst, a: b.shared, axes: 0b10 }
    });
    misfit(mixed, |b| {
        let dst = b.add(Kind::Additive, &MATRIX);
        Instr::Gather { dst, a: b.shared, index: b.rows }
    });
}

/// A later selection of a value, or of its quotient.
fn select_again(b: &Base, a: Reg, bits: u32) -> Instr {
    Instr::SelectAgain { dst: b.other, half: b.half, bit: b.bit, a, bits, route: ROUTE }
}

/// Selections divide with three parties and rounding at random, and only what they divide may be additive.
#[test]
fn quotients() {
    misfit("its undivided operand is shared, not additive", |b| select_again(b, b.additive, 0));
    for a in [|b: &Base| b.additive, |b: &Base| b.shared] {
        let at_random: fn(&mut Base) = |b| b.program.header.rounding = Rounding::Probabilistic;
        accepted(|b| {
            at_random(b);
            let a = a(b);
            b.op(Instr::Select { dst: b.other, keep: Some(b.half), bit: b.bit, a: b.shared, route: ROUTE });
            b.op(select_again(b, a, 1));
        });
        let nearest: fn(&mut Base) = |b| b.program.header.rounding = Rounding::Nearest;
        let four: fn(&mut Base) = |b| {
            b.program.header.rounding = Rounding::Probabilistic;
            b.program.header.protocol = Protocol::Rep4;
        };
        for change in [nearest, four] {
            misfit("of a quotient instead of truncate and select_again", |b| {
                change(b);
                select_again(b, a(b), 1)
            });
        }
    }
}

#[test]
fn immediates() {
    let outside = "is not within";
    misfit(outside, |b| Instr::Encode { dst: b.plain, a: b.real, frac: 64 });
    misfit(outside, |b| Instr::Decode { dst: b.real, a: b.plain, frac: 64 });
    misfit(outside, |b| Instr::Debug { label: 0, a: b.plain, frac: 64 });
    misfit("name 1 is not there", |b| Instr::Metric { name: 1, a: b.real });
    misfit("label 1 is not there", |b| Instr::Debug { label: 1, a: b.plain, frac: 0 });
    for bits in [0, 63, u32::MAX] {
        misfit(outside, |b| Instr::Truncate { dst: b.other, a: b.shared, bits, route: ROUTE });
    }
    for width in [0, 65] {
        misfit(outside, |b| Instr::Sign { dst: b.bit, a: b.shared, width, route: ROUTE });
    }
    for (low, high) in [(0, 0), (0, 34), (9, 43), (40, 65), (5, 5), (u32::MAX, 5), (0, u32::MAX)] {
        misfit(outside, |b| Instr::SignTested { dst: b.bit, a: b.shared, low, high, route: ROUTE });
    }
    for bits in [63, u32::MAX] {
        misfit(outside, |b| select_again(b, b.shared, bits));
    }
    for n in [0, 5, u32::MAX] {
        misfit("room for all rows", |b| Instr::Shuffle { dst: b.rows, n });
    }
    misfit("needs one axis", |b| Instr::Shuffle { dst: b.int, n: 1 });
    misfit("input 1 is not there", |b| Instr::Input { dst: b.shared, input: 1, route: ROUTE });
    misfit("output 1 is not there", |b| Instr::Output { a: b.shared, output: 1, route: ROUTE });
    misfit("another shape", |b| Instr::Input { dst: b.transposed, input: 0, route: ROUTE });
    misfit("another shape", |b| Instr::Output { a: b.transposed, output: 0, route: ROUTE });
}

#[test]
fn rows_by_index() {
    let misses = "rows [";
    misfit(misses, |b| Instr::Gather { dst: b.other, a: b.shared, index: b.int });
    misfit(misses, |b| Instr::Gather { dst: b.other, a: b.shared, index: b.one });
    misfit(misses, |b| {
        let five = b.add(Kind::Int, &[5]);
        Instr::Gather { dst: b.other, a: b.shared, index: five }
    });
    misfit(misses, |b| {
        let narrow = b.add(Kind::Shared, &[4, 5]);
        Instr::Gather { dst: narrow, a: b.shared, index: b.rows }
    });
    misfit(misses, |b| {
        let flat = b.add(Kind::Shared, &[4]);
        Instr::Scatter { dst: b.shared, a: flat, index: b.rows }
    });
    misfit(misses, |b| {
        let scalar = b.add(Kind::Shared, &[]);
        Instr::Scatter { dst: scalar, a: b.shared, index: b.rows }
    });
    accepted(|b| {
        let table = b.add(Kind::Shared, &[9, 6]);
        b.ops(&[
            Instr::Gather { dst: b.other, a: table, index: b.rows },
            Instr::Scatter { dst: table, a: b.shared, index: b.rows },
        ]);
    });
}

#[test]
fn contractions() {
    let axes = |batch, rows, inner, cols| Axes { batch, rows, inner, cols };
    let matrix = axes(0, 1, 1, 1);
    let square = |b: &mut Base| b.add(Kind::Additive, &[4, 4]);
    accepted(|b| {
        let dst = square(b);
        b.ops(&[Instr::Contract { dst, a: b.shared, b: b.transposed, axes: matrix }]);
    });
    misfit("do not fit each other", |b| {
        let dst = b.add(Kind::Shared, &[4, 4]);
        Instr::Contract { dst, a: b.shared, b: b.transposed, axes: matrix }
    });
    misfit("do not fit each other", |b| {
        let dst = square(b);
        let a = b.add(Kind::Additive, &MATRIX);
        Instr::Contract { dst, a, b: b.transposed, axes: matrix }
    });
    for wrong in [axes(0, 0, 1, 1), axes(0, 1, 2, 1), axes(1, 1, 1, 1), axes(255, 255, 255, 255)] {
        misfit("axes", |b| {
            let dst = square(b);
            Instr::Contract { dst, a: b.shared, b: b.transposed, axes: wrong }
        });
    }
    // of dst, a and b each: rows, inner and cols differ in turn
    for (d, x, y) in [
        ([5, 4], [4, 6], [6, 4]),
        ([4, 5], [4, 6], [6, 4]),
        ([4, 4], [5, 6], [6, 4]),
        ([4, 4], [4, 5], [6, 4]),
        ([4, 4], [4, 6], [5, 4]),
        ([4, 4], [4, 6], [6, 5]),
    ] {
        misfit("axes", |b| {
            let dst = b.add(Kind::Additive, &d);
            let (a, factor) = (b.add(Kind::Shared, &x), b.add(Kind::Shared, &y));
            Instr::Contract { dst, a, b: factor, axes: matrix }
        });
    }
    for (d, x, y) in [([3, 4], [2, 4], [2, 4]), ([2, 4], [3, 4], [2, 4]), ([2, 4], [2, 4], [3, 4])] {
        misfit("axes", |b| {
            let dst = b.add(Kind::Additive, &d);
            let (a, factor) = (b.add(Kind::Shared, &x), b.add(Kind::Shared, &y));
            Instr::Contract { dst, a, b: factor, axes: axes(2, 0, 0, 0) }
        });
    }
    misfit("products are too many", |b| {
        let dst = b.add(Kind::Additive, &[1 << 10, 1 << 10]);
        let (many, deep) = ((1 << 10, 0), (1 << 30, 0));
        let (a, factor) = (b.alias(b.shared, 0, &[many, deep]), b.alias(b.other, 0, &[deep, many]));
        Instr::Contract { dst, a, b: factor, axes: matrix }
    });
}

#[test]
fn sums() {
    let misses = "over axes";
    let rows = |b: &mut Base| b.add(Kind::Shared, &[4]);
    accepted(|b| {
        let dst = rows(b);
        b.ops(&[Instr::Sum { dst, a: b.shared, axes: 0b10 }]);
    });
    for axes in [0b01, 0b11, 0b00, 0b110, 1 << 31] {
        misfit(misses, |b| {
            let dst = rows(b);
            Instr::Sum { dst, a: b.shared, axes }
        });
    }
}

#[test]
fn planes_of_bits() {
    let bits =
        |low, high| move |b: &mut Base| Instr::Bits { dst: b.planes, a: b.shared, low, high, route: ROUTE };
    accepted(|b| {
        let instr = bits(61, 64)(b);
        b.op(instr);
    });
    misfit("bits 5..5 of 64", bits(5, 5));
    misfit("bits 6..5 of 64", bits(6, 5));
    misfit("bits 62..65 of 64", bits(62, 65));
    misfit("places 3 is not within 2..2", bits(0, 2));
    misfit("planes [4, 6] of values", |b| Instr::Bits {
        dst: b.bit,
        a: b.shared,
        low: 0,
        high: 4,
        route: ROUTE,
    });
    let aligned = "do not begin with words";
    misfit(aligned, |b| {
        let dst = b.alias(b.planes, 1, &[(2, 64), (4, 6), (6, 1)]);
        Instr::Bits { dst, a: b.shared, low: 0, high: 2, route: ROUTE }
    });
    misfit(aligned, |b| {
        let dst = b.alias(b.planes, 0, &[(2, 24), (4, 6), (6, 1)]);
        Instr::Bits { dst, a: b.shared, low: 0, high: 2, route: ROUTE }
    });
    misfit("planes", |b| Instr::Word { dst: b.shared, a: b.bit, route: ROUTE });
    misfit("is not within 1..64", |b| {
        let none = b.alias(b.planes, 0, &[(0, 64), (4, 6), (6, 1)]);
        Instr::Word { dst: b.shared, a: none, route: ROUTE }
    });
    misfit("is not within 1..64", |b| {
        let many = b.alias(b.planes, 0, &[(65, 0), (4, 6), (6, 1)]);
        Instr::Word { dst: b.shared, a: many, route: ROUTE }
    });
    misfit("is not within 1..63", |b| {
        let many = b.alias(b.planes, 0, &[(64, 0), (4, 6), (6, 1)]);
        Instr::Compose { dst: b.shared, a: many, route: ROUTE }
    });
}

#[test]
fn routes() {
    let route = Route(ROUTES);
    let makes: [fn(&Base, Route) -> Instr; 14] = [
        |b, route| Instr::Input { dst: b.shared, input: 0, route },
        |b, route| Instr::Output { a: b.shared, output: 0, route },
        |b, route| Instr::Reveal { dst: b.plain, a: b.shared, route },
        |b, route| Instr::RevealBits { dst: b.int, a: b.bit, route },
        |b, route| Instr::Reshare { dst: b.shared, a: b.additive, route },
        |b, route| Instr::Truncate { dst: b.other, a: b.shared, bits: 1, route },
        |b, route| Instr::Sign { dst: b.bit, a: b.shared, width: 9, route },
        |b, route| Instr::SignTested { dst: b.bit, a: b.shared, low: 0, high: 9, route },
        |b, route| Instr::Bits { dst: b.planes, a: b.shared, low: 0, high: 3, route },
        |b, route| Instr::And { dst: b.bit, a: b.other_bit, b: b.other_bit, route },
        |b, route| Instr::Word { dst: b.shared, a: b.planes, route },
        |b, route| Instr::Compose { dst: b.shared, a: b.planes, route },
        |b, route| Instr::Select { dst: b.other, keep: Some(b.half), bit: b.bit, a: b.shared, route },
        |b, route| Instr::SelectAgain { dst: b.other, half: b.half, bit: b.bit, a: b.shared, bits: 0, route },
    ];
    for make in makes {
        misfit("route 6 is not one of 6", |b| make(b, route));
        for good in 0..ROUTES {
            accepted(|b| {
                let instr = make(b, Route(good));
                b.op(instr);
            });
        }
    }
}

/// Two selections by one bit, the second of which takes what the first has left of it.
#[test]
fn halves() {
    let run = |b: &mut Base, [first, second]: [u8; 2]| {
        let keep = Some(b.half);
        b.op(Instr::Select { dst: b.other, keep, bit: b.bit, a: b.shared, route: Route(first) });
        let again = Instr::SelectAgain {
            dst: b.other,
            half: b.half,
            bit: b.bit,
            a: b.shared,
            bits: 0,
            route: Route(second),
        };
        b.op(again);
    };
    for first in 0..ROUTES {
        for second in 0..ROUTES {
            if first % 3 == second % 3 {
                accepted(|b| run(b, [first, second]));
            } else {
                refused(5, "select_again has its corner at party", |b| run(b, [first, second]));
            }
        }
    }
    // A half that is written anew, with another corner, is the new one.
    accepted(|b| {
        run(b, [0, 0]);
        run(b, [1, 4]);
    });
}

#[test]
fn aliasing() {
    misfit("two indices share an element", |b| {
        let dst = b.alias(b.shared, 0, &[(4, 0), (6, 1)]);
        Instr::Neg { dst, a: b.other }
    });
    misfit("two indices share an element", |b| {
        let dst = b.alias(b.shared, 0, &[(4, 3), (6, 1)]);
        Instr::Neg { dst, a: b.other }
    });
    // halves of one buffer that overlap, and ones that do not
    let halves =
        |b: &mut Base, second| (b.alias(b.shared, 0, &[(12, 1)]), b.alias(b.shared, second, &[(12, 1)]));
    misfit("over its operand", |b| {
        let (dst, a) = halves(b, 11);
        Instr::Neg { dst, a }
    });
    accepted(|b| {
        let (dst, a) = halves(b, 12);
        b.ops(&[Instr::Neg { dst, a }, Instr::Copy { dst: a, a: dst }]);
    });
    misfit("over its operand", |b| {
        let (dst, a) = (b.alias(b.shared, 0, &[(12, 2)]), b.alias(b.shared, 1, &[(12, 2)]));
        Instr::Neg { dst, a }
    });
    misfit("does not work in place", |b| Instr::Copy { dst: b.shared, a: b.shared });
    misfit("does not work in place", |b| Instr::Truncate {
        dst: b.shared,
        a: b.shared,
        bits: 1,
        route: ROUTE,
    });
    misfit("over its operand", |b| {
        let twin = b.alias(b.shared, 0, &[(4, 6), (6, 1)]);
        Instr::Copy { dst: twin, a: b.shared }
    });
    misfit("over its operand", |b| {
        let index = b.alias(b.other_int, 0, &[(4, 1)]);
        Instr::Gather { dst: b.other_int, a: b.int, index }
    });
    accepted(|b| {
        let twin = b.alias(b.shared, 0, &[(4, 6), (6, 1)]);
        b.ops(&[
            Instr::Add { dst: b.shared, a: b.shared, b: twin },
            Instr::Neg { dst: twin, a: b.shared },
            Instr::Xor { dst: b.bit, a: b.bit, b: b.bit },
        ]);
    });
}

#[test]
fn structure() {
    let (loop_, if_) =
        (|b: &Base| Instr::Loop { counter: b.one, trips: 2 }, |b: &Base| Instr::If { cond: b.one });
    refused(0, "an else without its if", |b| b.ops(&[Instr::Else {}]));
    refused(1, "an else without its if", |b| b.ops(&[loop_(b), Instr::Else {}, Instr::End {}]));
    refused(2, "an else without its if", |b| b.ops(&[if_(b), Instr::Else {}, Instr::Else {}, Instr::End {}]));
    refused(0, "an end without its beginning", |b| b.ops(&[Instr::End {}]));
    refused(0, "without its end", |b| b.ops(&[loop_(b)]));
    refused(1, "without its end", |b| b.ops(&[if_(b), Instr::Else {}]));
    let stop = |b: &Base| Instr::BreakIf { cond: b.one };
    let last = "not the last instruction of a loop";
    refused(0, last, |b| b.ops(&[stop(b)]));
    refused(1, last, |b| b.ops(&[loop_(b), stop(b), stop(b), Instr::End {}]));
    refused(2, last, |b| b.ops(&[loop_(b), if_(b), stop(b), Instr::End {}, Instr::End {}]));
    accepted(|b| b.ops(&[loop_(b), if_(b), Instr::Else {}, Instr::End {}, stop(b), Instr::End {}]));
    let nested = |b: &mut Base, depth: usize| {
        b.ops(&vec![loop_(b); depth]);
        b.ops(&vec![Instr::End {}; depth]);
    };
    accepted(|b| nested(b, MAX_DEPTH));
    refused(MAX_DEPTH as u32, "nested too deeply", |b| nested(b, MAX_DEPTH + 1));
}

#[test]
fn rounds() {
    let (send, receive) = (Instr::Send {}, Instr::Receive {});
    let reveal = |b: &Base| Instr::Reveal { dst: b.plain, a: b.shared, route: ROUTE };
    let truncate = |b: &Base| Instr::Truncate { dst: b.other, a: b.additive, bits: 3, route: ROUTE };
    refused(1, "two sends without a receive", |b| b.ops(&[send, send]));
    refused(0, "a receive without its send", |b| b.ops(&[receive]));
    refused(2, "a receive without its send", |b| b.ops(&[send, receive, receive]));
    refused(None, "between send and receive", |b| b.ops(&[send]));
    refused(0, "still in flight at the end of the program", |b| b.ops(&[reveal(b)]));
    refused(1, "issued between send and receive", |b| b.ops(&[send, reveal(b), receive]));
    let loop_ = |b: &Base| Instr::Loop { counter: b.one, trips: 2 };
    refused(2, "between send and receive", |b| b.ops(&[loop_(b), send, Instr::End {}]));
    refused(2, "still in flight at the end of a block", |b| b.ops(&[loop_(b), reveal(b), Instr::End {}]));
    refused(1, "still in flight at the end of a block", |b| {
        b.ops(&[reveal(b), loop_(b), Instr::End {}]);
    });
    refused(2, "still in flight at the end of a block", |b| {
        b.ops(&[Instr::If { cond: b.one }, reveal(b), Instr::Else {}]);
        b.ops(&[Instr::End {}]);
    });
    let flight = "which is in flight";
    // its result is read, its operand or result is overwritten
    refused(1, flight, |b| {
        b.ops(&[reveal(b), Instr::Decode { dst: b.real, a: b.plain, frac: 0 }, send, receive])
    });
    refused(1, flight, |b| b.ops(&[reveal(b), Instr::Neg { dst: b.shared, a: b.other }, send, receive]));
    refused(2, flight, |b| {
        b.ops(&[reveal(b), send, Instr::Encode { dst: b.plain, a: b.real, frac: 0 }, receive])
    });
    refused(1, flight, |b| b.ops(&[reveal(b), reveal(b), send, receive]));
    // not before all of its rounds have passed
    refused(5, flight, |b| {
        b.op(reveal(b));
        b.ops(&[truncate(b), send]);
        b.ops(&[Instr::Neg { dst: b.other, a: b.shared }]);
    });
    accepted(|b| {
        // both may read, and what is apart is free
        let other = b.add(Kind::Plain, &MATRIX);
        let second = Instr::Reveal { dst: other, a: b.shared, route: ROUTE };
        b.ops(&[reveal(b), second, Instr::Neg { dst: b.other, a: b.shared }, send]);
        b.ops(&[Instr::Neg { dst: b.additive, a: b.additive }, receive]);
        b.ops(&[Instr::Decode { dst: b.real, a: b.plain, frac: 0 }]);
    });
}

/// The same program under the protocol with a dealer.
fn with_a_dealer(b: &mut Base, instrs: &[fn(&Base) -> Instr]) {
    b.program.header.protocol = Protocol::Dealer;
    for make in instrs {
        let instr = make(b);
        b.op(instr);
    }
}

fn open(b: &Base, mask: u32) -> Instr {
    Instr::Open { dst: b.other, a: b.additive, width: 64, mask }
}

fn truncate_opened(dst: Reg, a: Reg, mask: u32) -> Instr {
    Instr::TruncateOpened { dst, a, bits: 16, width: 64, more: 0, mask }
}

/// Two values under one mask tell their difference.
#[test]
fn a_mask_is_one_instructions() {
    accepted(|b| with_a_dealer(b, &[|b| open(b, 7), |b| open(b, 8)]));
    refused(3, "open: mask 7 is that of instruction 0", |b| {
        with_a_dealer(b, &[|b| open(b, 7), |b| open(b, 7)]);
    });
    refused(3, "truncate_opened: mask 7 is that of instruction 0", |b| {
        b.program.header.rounding = Rounding::Probabilistic;
        with_a_dealer(b, &[|b| open(b, 7), |b| truncate_opened(b.shared, b.other, 7)]);
    });
    // in another arm of a branch, or in a loop, it is another instruction all the same
    refused(5, "mask 7 is that of instruction 1", |b| {
        with_a_dealer(b, &[|b| Instr::If { cond: b.one }, |b| open(b, 7)]);
        with_a_dealer(b, &[|_| Instr::Else {}, |b| open(b, 7), |_| Instr::End {}]);
    });
}

/// Only values of which the dealer knows a mask are multiplied, compared or truncated, and what has none stays additive.
#[test]
fn forms_with_a_dealer() {
    refused(0, "reshare instead of open", |b| {
        with_a_dealer(b, &[|b| Instr::Reshare { dst: b.other, a: b.additive, route: ROUTE }]);
    });
    refused(0, "truncate instead of truncate_opened", |b| {
        with_a_dealer(b, &[|b| Instr::Truncate { dst: b.additive, a: b.other, bits: 3, route: ROUTE }]);
    });
    refused(0, "with dealer its result is additive, not shared", |b| {
        with_a_dealer(
            b,
            &[|b| Instr::Select { dst: b.other, keep: None, bit: b.bit, a: b.shared, route: ROUTE }],
        );
    });
    // the carry that rounds has a sign that the dealer does not know
    refused(0, "its result, rounded to the nearest, is additive, not shared", |b| {
        with_a_dealer(b, &[|b| truncate_opened(b.other, b.shared, 0)]);
    });
    misfit("open instead of reshare", |b| open(b, 0));
    misfit("truncate_opened instead of truncate", |b| truncate_opened(b.additive, b.shared, 0));
}

#[test]
fn widths_with_a_dealer() {
    let truncation = |dst: fn(&Base) -> Reg, bits: u32, width: u32, more: u32| {
        move |b: &mut Base| {
            b.program.header.protocol = Protocol::Dealer;
            b.program.header.rounding = Rounding::Probabilistic;
            let (dst, a) = (dst(b), b.shared);
            b.op(Instr::TruncateOpened { dst, a, bits, width, more, mask: 0 });
        }
    };
    let opened: fn(&Base) -> Reg = |b| b.other;
    let additive: fn(&Base) -> Reg = |b| b.additive;
    accepted(truncation(opened, 16, 49, 31));
    accepted(truncation(additive, 0, 49, 0));
    refused(0, "more bits", truncation(opened, 16, 49, 32));
    refused(0, "more bits", truncation(additive, 16, 49, 1));
    refused(0, "bits", truncation(additive, 48, 49, 0));
    refused(0, "bits", truncation(additive, 0, 64, 0)); // would do nothing
    refused(0, "width", truncation(additive, 0, 65, 0));
    for width in [0, 65] {
        refused(0, "width", |b| {
            b.program.header.protocol = Protocol::Dealer;
            push(&mut b.program, Instr::Open { dst: b.other, a: b.additive, width, mask: 0 });
        });
    }
}

/// A dealer does not learn what is revealed, so that must not be what it has to know.
#[test]
fn what_is_revealed_decides_nothing_for_a_dealer() {
    let reveal: fn(&Base) -> Instr = |b| Instr::Reveal { dst: b.plain, a: b.shared, route: ROUTE };
    refused(3, "mul_plain: a revealed value changes a mask", |b| {
        with_a_dealer(b, &[reveal, |b| Instr::MulPlain { dst: b.other, a: b.other, b: b.plain }]);
    });
    accepted(|b| {
        with_a_dealer(b, &[reveal, |b| Instr::MulPlain { dst: b.additive, a: b.additive, b: b.plain }])
    });
    refused(3, "a revealed value decides what runs next", |b| {
        let bit = b.add(Kind::Bit, &[]);
        b.program.header.protocol = Protocol::Dealer;
        b.op(Instr::RevealBits { dst: b.one, a: bit, route: ROUTE });
        b.ops(&[Instr::If { cond: b.one }, Instr::End {}]);
    });
}
