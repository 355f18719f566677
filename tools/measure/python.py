#!/usr/bin/env python3
"""How much longer `emulate` takes from Python than as the command, on network C: pairs of runs in turn, each a process of its own, from its start to its end.

    tools/measure/python.py [--tern target/release/tern] [--python python3] --data data/mnist [--images 7680] [--pairs 5] [--user]

The Python has the package of the same sources (`pip install ./tools/python`). It takes a tenth of a second to start with NumPy, which counts. Seconds count only
on a machine that does nothing else; with --user the processors' seconds are compared, which others disturb less.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time

ARGUMENTS = {"EPOCHS": 1, "TEST": 0}
SCRIPT = """\
import sys, tern
program = tern.compile("programs/mnist_c.mpc", {arguments!r})
print(program.emulate(data=sys.argv[1], seed=1).last)
"""


def seconds(command, user):
    """Of a process and those that it starts."""
    before, since = os.times(), time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    after = os.times()
    if user:
        return after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - since


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tern", default="target/release/tern")
    parser.add_argument("--python", default="python3")
    parser.add_argument("--data", default="data/mnist")
    parser.add_argument("--images", type=int, default=7680)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--user", action="store_true")
    options = parser.parse_args()
    arguments = {**ARGUMENTS, "N": options.images}
    given = [part for name, value in arguments.items() for part in ("--arg", f"{name}={value}")]
    out = tempfile.mkdtemp(prefix="tern-measure-")
    command = [options.tern, "emulate", "programs/mnist_c.mpc", "--data", options.data, "--seed", "1", "--out", out, *given]
    there = [options.python, "-c", SCRIPT.format(arguments=arguments), options.data]
    pairs = []
    for _ in range(options.pairs):
        pairs.append([seconds(call, options.user) for call in (command, there)])
        print(f"command {pairs[-1][0]:6.2f} s   Python {pairs[-1][1]:6.2f} s", flush=True)
    one, two = (statistics.median(column) for column in zip(*pairs))
    print(f"medians {one:6.2f} s          {two:6.2f} s   Python / command = {two / one:.3f}")


if __name__ == "__main__":
    main()
