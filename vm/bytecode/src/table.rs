//! The instruction table.
//!
//! A row reads `Variant = name { operand: role[kinds] Type, … } property` under its documentation. The roles are `write`, `read` and
//! `update` for registers (`update`: part of the old contents stays) and `imm` for immediates; the kinds are those of [`crate::Kind`]
//! that the operand accepts. A row may have one property:
//!
//! - `in_place`: it goes element by element, and the result may lie exactly where an operand is;
//! - `cut`: it goes element by element and may be done in parts along any axis of the result, which travel over different links.
//!
//! Rows stand in sections, by who executes them and whether anything travels:
//!
//! - `control`: loops, branches and the round markers, executed by the machine;
//! - `public`: arithmetic on values that everybody knows, executed by the machine, the same for every protocol;
//! - `local`: what a party does with its own shares, one method per back-end;
//! - `interactive`: what the parties do together, one method per back-end, and one per [`crate::model`] for what travels when;
//! - `shown`: what is there for whoever runs the emulator.
//!
//! **To add a local instruction**: its row, its arm in `validate::shapes`, one method per back-end. **An interactive one** takes one method
//! per model besides. The compiler insists on all of them. Nothing else names instructions one by one, except the compiler's emission.

/// Calls `$then! { control {rows} public {rows} local {rows} interactive {rows} shown {rows} }` with the whole table.
#[macro_export]
macro_rules! for_each_instruction {
    ($then:ident) => {
        $then! {
            control {
                /// Runs the instructions up to the matching `end` `trips` times; `counter` counts from 0.
                Loop = loop_ { counter: write[Int] Reg, trips: imm u32 },
                /// Leaves the innermost loop after this iteration if `cond` is not zero. Stands right before the loop's `end`.
                BreakIf = break_if { cond: read[Int] Reg },
                /// Runs the instructions up to the matching `else` or `end` if `cond` is not zero.
                If = if_ { cond: read[Int] Reg },
                /// Separates the two arms of an `if`.
                Else = else_ {},
                /// Closes a `loop` or an `if`.
                End = end {},
                /// Ends the sending half of a round: what was queued for the peers leaves now.
                Send = send {},
                /// Ends a round: waits for the peers' messages; every operation in flight goes one round further.
                Receive = receive {},
            }
            public {
                /// Loads an entry of the constant pool; a pool entry of one element fills the register.
                Constant = constant { dst: write[Plain Real Int] Reg, pool: imm u32 },
                /// `start, start + step, start + 2 step, …` in row-major order.
                Iota = iota { dst: write[Int] Reg, start: imm i64, step: imm i64 },
                /// An operation of one IEEE double.
                RealUnary = real_unary { dst: write[Real] Reg, op: imm RealUnary, a: read[Real] Reg } in_place,
                /// An operation of two IEEE doubles.
                RealBinary = real_binary { dst: write[Real] Reg, op: imm RealBinary, a: read[Real] Reg, b: read[Real] Reg } in_place,
                /// An operation of two 64-bit integers; a result beyond them and division by zero are run-time faults.
                IntBinary = int_binary { dst: write[Int] Reg, op: imm IntBinary, a: read[Int] Reg, b: read[Int] Reg } in_place,
                /// 1 where the comparison holds, else 0.
                Compare = compare { dst: write[Int] Reg, op: imm Comparison, a: read[Real Int] Reg, b: read[Real Int] Reg },
                /// `a` where `cond` is not zero, else `b`.
                Choose = choose { dst: write[Plain Real Int] Reg, cond: read[Int] Reg, a: read[Plain Real Int] Reg, b: read[Plain Real Int] Reg },
                /// Integers as doubles.
                IntToReal = int_to_real { dst: write[Real] Reg, a: read[Int] Reg },
                /// The largest integer not above; what is none of 64 bits is a run-time fault.
                RealToInt = real_to_int { dst: write[Int] Reg, a: read[Real] Reg },
                /// Ring elements from public numbers: `a` times 2^`frac`, rounded to the nearest integer, ties away from zero. A number beyond the header's
                /// total bits is a run-time fault.
                Encode = encode { dst: write[Plain] Reg, a: read[Real Int] Reg, frac: imm u32 },
                /// Numbers from public ring elements: the signed value divided by 2^`frac`; integers are rounded down, and a run-time fault beyond 64 bits.
                Decode = decode { dst: write[Real Int] Reg, a: read[Plain] Reg, frac: imm u32 },
                /// A random order of `0..n`, then, up to the register's length, uniform picks from `0..n`; known to all.
                Shuffle = shuffle { dst: write[Int] Reg, n: imm u32 },
                /// Uniform doubles in [0, 1), known to all.
                PublicUniform = public_uniform { dst: write[Real] Reg },
                /// Reports a number (or a tensor of them) under a name.
                Metric = metric { name: imm u32, a: read[Real Int] Reg },
            }
            local {
                /// Copies elements; the views may differ in layout.
                Copy = copy { dst: write[Plain Shared Additive Bit Real Int] Reg, a: read[Plain Shared Additive Bit Real Int] Reg },
                /// `dst[i, …] = a[index[i], …]` along the first axis.
                Gather = gather { dst: write[Plain Shared Additive Bit Real Int] Reg, a: read[Plain Shared Additive Bit Real Int] Reg, index: read[Int] Reg },
                /// `dst[index[i], …] = a[i, …]` along the first axis; the rest of `dst` stays. The last of equal indices wins.
                Scatter = scatter { dst: update[Plain Shared Additive Bit Real Int] Reg, a: read[Plain Shared Additive Bit Real Int] Reg, index: read[Int] Reg },
                /// A public value as a (trivial) sharing.
                Promote = promote { dst: write[Shared Additive] Reg, a: read[Plain] Reg },
                /// A public 0/1 value as a (trivial) sharing of bits.
                PromoteBits = promote_bits { dst: write[Bit] Reg, a: read[Int] Reg },
                /// A replicated value as an additive one.
                Widen = widen { dst: write[Additive] Reg, a: read[Shared] Reg },
                /// Element-wise sum; all operands of one kind.
                Add = add { dst: write[Plain Shared Additive] Reg, a: read[Plain Shared Additive] Reg, b: read[Plain Shared Additive] Reg } in_place,
                /// Element-wise difference; all operands of one kind.
                Sub = sub { dst: write[Plain Shared Additive] Reg, a: read[Plain Shared Additive] Reg, b: read[Plain Shared Additive] Reg } in_place,
                /// Element-wise negative.
                Neg = neg { dst: write[Plain Shared Additive] Reg, a: read[Plain Shared Additive] Reg } in_place,
                /// Element-wise product with a public factor; `dst` and `a` of one kind.
                MulPlain = mul_plain { dst: write[Plain Shared Additive] Reg, a: read[Plain Shared Additive] Reg, b: read[Plain] Reg } in_place,
                /// Element-wise product of two replicated values, left in additive form.
                Mul = mul { dst: write[Additive] Reg, a: read[Shared] Reg, b: read[Shared] Reg },
                /// Product summed over inner axes, on views of any stride: with the axes of `dims` it is a dot product, a (batched)
                /// matrix product or, over overlapping windows, a convolution. Shapes: `a` [batch…, rows…, inner…], `b` [batch…, inner…, cols…],
                /// `dst` [batch…, rows…, cols…]. Two replicated operands give an additive result; with a public `b` the kind of `a` stays.
                Contract = contract { dst: write[Plain Shared Additive] Reg, a: read[Plain Shared Additive] Reg, b: read[Plain Shared] Reg, axes: imm Axes },
                /// Sum over the axes whose bits are set in `axes`; `dst` has the others, in order.
                Sum = sum { dst: write[Plain Shared Additive Real Int] Reg, a: read[Plain Shared Additive Real Int] Reg, axes: imm u32 },
                /// Exclusive or of shared bits.
                Xor = xor { dst: write[Bit] Reg, a: read[Bit] Reg, b: read[Bit] Reg } in_place,
                /// Complement of shared bits.
                Not = not { dst: write[Bit] Reg, a: read[Bit] Reg } in_place,
                /// Conjunction with public bits.
                AndPublic = and_public { dst: write[Bit] Reg, a: read[Bit] Reg, b: read[Int] Reg } in_place,
                /// Uniform shared bits that nobody knows.
                RandomBits = random_bits { dst: write[Bit] Reg },
            }
            interactive {
                /// An input, shared by its owner (or read from the shares of an earlier run, without communication).
                Input = input { dst: write[Shared] Reg, input: imm u32, route: imm Route },
                /// Sends the result to its receiver (or writes the shares, without communication).
                Output = output { a: read[Shared Additive] Reg, output: imm u32, route: imm Route },
                /// Opens a value to everybody.
                Reveal = reveal { dst: write[Plain] Reg, a: read[Shared Additive] Reg, route: imm Route },
                /// Opens bits to everybody, as 0 and 1.
                RevealBits = reveal_bits { dst: write[Int] Reg, a: read[Bit] Reg, route: imm Route },
                /// Additive to replicated form.
                Reshare = reshare { dst: write[Shared] Reg, a: read[Additive] Reg, route: imm Route } cut,
                /// Additive form to opened under a mask, with a dealer: the lowest `width` bits, which are all that anybody takes of it. The mask's number is
                /// no other instruction's.
                Open = open { dst: write[Shared] Reg, a: read[Additive] Reg, width: imm u32, mask: imm u32 } cut,
                /// Division by 2^`bits` with the program's rounding: ⌊(x + r) / 2^bits⌋ with r uniform, or r = 2^(bits-1).
                Truncate = truncate { dst: write[Shared Additive] Reg, a: read[Shared Additive] Reg, bits: imm u32, route: imm Route } cut,
                /// The same with a dealer, of an opened value that fits `width` - 1 signed bits, of which no more than `width` have to be right. The result is additive, or,
                /// with probabilistic rounding, opened itself: its lowest `width` - `bits` bits are without a message, `more` above them with one, under a mask as
                /// that of `open`. By 0 bits: the same value in the whole ring.
                TruncateOpened = truncate_opened { dst: write[Shared Additive] Reg, a: read[Shared] Reg, bits: imm u32, width: imm u32, more: imm u32, mask: imm u32 } cut,
                /// Bit `width` - 1 of the value: its sign, if it fits `width` signed bits.
                Sign = sign { dst: write[Bit] Reg, a: read[Shared] Reg, width: imm u32, route: imm Route } cut,
                /// Bits `low..high` of the value, along a new first axis, lowest first.
                Bits = bits { dst: write[Bit] Reg, a: read[Shared] Reg, low: imm u32, high: imm u32, route: imm Route },
                /// Conjunction of shared bits.
                And = and { dst: write[Bit] Reg, a: read[Bit] Reg, b: read[Bit] Reg, route: imm Route } cut,
                /// The number whose bits, lowest first, stand along the first axis of `a`; not signed.
                Word = word { dst: write[Shared Additive] Reg, a: read[Bit] Reg, route: imm Route } cut,
                /// The same of fewer bits than the ring has, through an adder: cheaper for long words, in more rounds.
                Compose = compose { dst: write[Shared Additive] Reg, a: read[Bit] Reg, route: imm Route } cut,
                /// `a` where `bit` is set, else 0. With `keep`, the corner's half of the bit stays for later selections by the same bit.
                Select = select { dst: write[Shared Additive] Reg, keep: write[Half] MaybeReg, bit: read[Bit] Reg, a: read[Shared] Reg, route: imm Route } cut,
                /// The same with the half that an earlier selection kept; the route is the earlier one's. What is selected is `a` divided by 2^`bits`, as by `truncate`: in the
                /// rounds of the division, with three parties and probabilistic rounding. Only then `a` may be additive.
                SelectAgain = select_again { dst: write[Shared Additive] Reg, half: read[Half] Reg, bit: read[Bit] Reg, a: read[Shared Additive] Reg, bits: imm u32, route: imm Route } cut,
                /// Bit `high` - 1 of a - r with r uniform in 0..2^`low`, by a test for zero: three rounds for up to 33 positions, with three parties.
                SignTested = sign_tested { dst: write[Bit] Reg, a: read[Shared] Reg, low: imm u32, high: imm u32, route: imm Route } cut,
            }
            shown {
                /// Prints a value, in the emulator only.
                Debug = debug { label: imm u32, a: read[Plain Shared Additive Bit Real Int] Reg, frac: imm u32 },
            }
        }
    };
}
