#!/usr/bin/env python3
"""What sorting and a look-up cost here, and what a radix sort costs as MP-SPDZ describes it.

    tools/measure/sort.py [--tern target/release/tern] [--keys 1024]

Ours is what `tern cost` announces at f = 16: keys of 32 bits, sorted by `math::sort`, with a payload and without; rows
of a table of 16 columns at 128 secret places.

The other is counted from its source (Compiler/sorting.py and Protocols/Rep3Shuffler.hpp, three parties, ring of 64
bits), by bits of a key, the lowest first: places from the bits so far (two products a key, a round), then two orders
opened. For each of these two a shuffle of the order and one of what it is applied to, three passes each in which two
parties share every number anew, one message of 64 bits each; and the opening, one message from each party. To open the
bits of a key in the ring is not counted, since that depends on options, so it costs more than is said here. Orders
that are opened are random; ours opens none.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

RING = 64  # bits
KEY = 32  # bits


def tern(options, source):
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "program.mpc"
        program.write_text(source)
        said = subprocess.run([options.tern, "cost", program, "--json"], check=True, capture_output=True, text=True)
    lines = [line for line in json.loads(said.stdout)["by_line"] if "let y" in source.splitlines()[line["line"] - 1]]
    return sum(line["rounds"] for line in lines), sum(line["bits"] for line in lines)


def ours(options, call, inputs, use):
    return tern(options, f"use {use}\n{inputs}fn main() {{\n    let y = {call}\n    output y to party 0\n}}\n")


def radix(keys):
    """Rounds and bits of all parties."""
    product, opened, shuffled = 3 * RING, 3 * RING, 3 * 2 * RING  # a key
    rounds = 1 + 2 * (3 + 1 + 3)
    bits = 2 * product + 2 * (shuffled + opened + shuffled)
    return KEY * rounds, KEY * bits * keys


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tern", default="target/release/tern")
    parser.add_argument("--keys", type=int, default=1024)
    options = parser.parse_args()
    n = options.keys
    keys = f"input x: fix[{n}] from party 0\n"
    rows = {
        f"math::sort of {n} keys": ours(options, "math::sort(x)", keys, "math"),
        f"math::argsort of {n} keys": ours(options, "math::argsort(x)", keys, "math"),
        f"radix sort of {n} keys, from its source": radix(n),
    }
    for size in (10_000, 20_000):
        inputs = f"input x: int[128] from party 0\ninput t: fix[{size}, 16] from party 1\n"
        rows[f"table::look_up of 128 in {size} by 16"] = ours(options, "table::look_up(x, t)", inputs, "table")
    for name, (rounds, bits) in rows.items():
        print(f"{name:48} {rounds:6,} rounds {bits / 1e6:8.1f} Mbit")


if __name__ == "__main__":
    main()
