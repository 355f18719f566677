//! What is said of the life of buffers holds on paths through random programs, element by element.

use std::collections::{BTreeMap, BTreeSet};

use tern_bytecode::instr::{Instr, Role};
use tern_bytecode::live::{Live, at_heads, uses};
use tern_bytecode::validate::Nesting;
use tern_bytecode::{Program, Protocol, View};
use tern_compiler::diagnostics::SourceMap;
use tern_compiler::emit::emit;
use tern_tests::programs::program;
use tern_tests::random::Random;

/// A buffer and an element of it.
type Cell = (u32, u64);

/// The cells of a view.
fn cells(view: &View) -> Vec<Cell> {
    let mut at = vec![view.offset as i64];
    for dim in &view.dims {
        at =
            at.iter().flat_map(|from| (0..i64::from(dim.size)).map(move |i| from + i * dim.stride)).collect();
    }
    at.into_iter().map(|element| (view.buffer, element as u64)).collect()
}

/// Instructions in the order in which a run may execute them: loops a few times or not at all, of branches either arm. A head stands where each
/// iteration begins.
fn path(program: &Program, nesting: &Nesting, random: &mut Random) -> Vec<usize> {
    let mut path = Vec::new();
    // loops in progress, with the iterations that are left
    let mut left: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    while at < program.code.len() {
        match program.code[at] {
            Instr::Loop { .. } => {
                let trips = random.below(4);
                if trips == 0 {
                    at = nesting.close[&(at as u32)] as usize + 1;
                    continue;
                }
                left.push((at, trips - 1));
                path.push(at);
            }
            Instr::If { .. } => {
                path.push(at);
                if random.below(2) == 0 {
                    at = nesting.close[&(at as u32)] as usize;
                }
            }
            // the end of an arm that was taken
            Instr::Else {} => at = nesting.close[&(at as u32)] as usize,
            Instr::End {} => {
                if let Some((head, more)) =
                    left.last_mut().filter(|(head, _)| nesting.close[&(*head as u32)] as usize == at)
                {
                    if *more > 0 {
                        *more -= 1;
                        at = *head;
                        path.push(at);
                    } else {
                        left.pop();
                    }
                }
            }
            _ => path.push(at),
        }
        at += 1;
    }
    path
}

fn within(live: &Live, (buffer, element): Cell) -> bool {
    live.get(&buffer).is_some_and(|ranges| ranges.iter().any(|range| range.contains(&element)))
}

#[test]
fn what_is_said_of_buffers_holds_on_every_path() {
    let (mut claims, mut programs) = (BTreeMap::<&str, usize>::new(), 0);
    for seed in 0..4000 {
        let Some((ir, _)) = program(seed, Protocol::Rep3) else { continue };
        let code = emit(&ir, &SourceMap::new()).unwrap_or_else(|errors| panic!("{errors:?}"));
        let (said, heads) = (uses(&code).expect("blocks that match"), at_heads(&code).expect("the same"));
        let nesting = Nesting::of(&code).expect("the same");
        let path = path(&code, &nesting, &mut Random::new(seed));
        let view = |reg: tern_bytecode::Reg| &code.views[reg.0 as usize];
        // cells that are read next before they are written, from the end of the path on
        let mut live = BTreeSet::<Cell>::new();
        programs += 1;
        for at in path.into_iter().rev() {
            let instr = &code.code[at];
            let name = format!("seed {seed}, instruction {at}");
            if matches!(instr, Instr::Loop { .. }) {
                let missing: Vec<_> =
                    live.iter().filter(|cell| !within(&heads[&(at as u32)], **cell)).collect();
                assert!(missing.is_empty(), "{name}: {missing:?} are live in an iteration");
            }
            let of = |buffer: u32| live.iter().filter(move |cell| cell.0 == buffer);
            for buffer in &said.last[at] {
                assert_eq!(of(*buffer).count(), 0, "{name}: buffer {buffer} is read later");
            }
            for buffer in &said.alone[at] {
                let own =
                    instr.registers().find(|(reg, role)| *role != Role::Read && view(*reg).buffer == *buffer);
                let own = view(own.expect("it is written").0);
                assert!(own.offset == 0 && own.is_dense(), "{name}");
                assert!(of(*buffer).all(|cell| cell.1 < own.len()), "{name}: more of {buffer} is read later");
            }
            for (reg, _) in instr.registers().filter(|(_, role)| *role == Role::Write) {
                for cell in cells(view(reg)) {
                    live.remove(&cell);
                }
            }
            for (reg, _) in instr.registers().filter(|(_, role)| *role == Role::Read) {
                live.extend(cells(view(reg)));
            }
            for (buffer, _) in &said.begun[at] {
                let before = live.iter().filter(|cell| cell.0 == *buffer).count();
                assert_eq!(before, 0, "{name}: buffer {buffer} has been written before");
            }
            for (what, n) in [("last", &said.last[at]), ("alone", &said.alone[at])] {
                *claims.entry(what).or_default() += n.len();
            }
            *claims.entry("begun").or_default() += said.begun[at].len();
        }
        if programs == 400 {
            break;
        }
    }
    println!("{programs} programs: {claims:?}");
    assert!(programs == 400 && claims.values().all(|n| *n > 1000), "{claims:?}");
}
