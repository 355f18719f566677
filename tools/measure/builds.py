#!/usr/bin/env python3
"""Two builds of tern beside each other: time, processor time, memory, rounds and bits of networks A to D.

    tools/measure/builds.py OLD NEW [--data ../shared/data/mnist] [--pairs 5] [--networks abcd] [--fixed 16 32]

Builds take turns, and each figure is the median of the pairs' ratios, new by old, with the least and the most; a
machine that slows both down shows in the spread. Three parties over TLS on this machine. A batch is the difference of
two trainings of one epoch, without test images; processor seconds are those of all parties. Each build runs the
programs of its own sources where there are any (OLD/NEW may be a checkout with target/release/tern, or a binary).
"""

import argparse
import json
import re
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BATCH = 128
MORE = {"a": 40, "b": 8, "c": 8, "d": 40}  # batches of which the difference is taken


class Build:
    """A binary, and the programs that belong to it."""

    def __init__(self, path):
        path = Path(path).resolve()
        binary = path / "target/release/tern"
        self.tern, self.root = (binary, path) if binary.exists() else (path, ROOT)

    def call(self, command, network, fixed, images, *more):
        words = [self.tern, command, self.root / f"programs/mnist_{network}.mpc", "--fixed", fixed]
        for argument in (f"N={images}", "EPOCHS=1", "TEST=0"):
            words += ["--arg", argument]
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        done = subprocess.run([str(word) for word in [*words, *more]], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{words[0]} {command}: {done.stderr}")
        wall, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        processor = sum(getattr(after, part) - getattr(before, part) for part in ("ru_utime", "ru_stime"))
        return done.stdout + done.stderr, wall, processor


def announced(build, options, network, fixed):
    """Rounds and bits of a batch."""
    costs = [json.loads(build.call("cost", network, fixed, n * BATCH, "--json")[0]) for n in (1, 2)]
    return {f"{what} of a batch": costs[1][what] - costs[0][what] for what in ("rounds", "bits")}


def trained(build, options, network, fixed, command="run", *more):
    """Seconds, processor seconds and megabytes per party of a batch."""
    less, many = 1, 1 + MORE[network]
    with tempfile.TemporaryDirectory() as out:
        words = ["--data", options.data, "--seed", 1, "--out", out, *more]
        few = build.call(command, network, fixed, less * BATCH, *words)
        all_ = build.call(command, network, fixed, many * BATCH, *words)
    figures = {name: (all_[i] - few[i]) / MORE[network] for i, name in ((1, "seconds"), (2, "processor seconds"))}
    memory = re.search(r"at most ([\d,]+) MB of memory per party", all_[0])
    return figures | ({"MB per party": float(memory[1].replace(",", ""))} if memory else {})


def rows(options):
    """What is measured: a name, and how."""
    for network in options.networks:
        for fixed in options.fixed:
            name = f"{network.upper()}, f = {fixed}"
            yield name, lambda build, n=network, f=fixed: announced(build, options, n, f), 1
            yield name, lambda build, n=network, f=fixed: trained(build, options, n, f), options.pairs
    if "c" in options.networks:
        for threads in (1, 2):
            more = ("emulate", "--threads", threads)
            name = f"C, f = 16, emulator, {threads} thread{'s' * (threads > 1)}"
            yield name, lambda build, more=more: trained(build, options, "c", 16, *more), options.pairs


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("builds", nargs=2, metavar="BUILD", type=Build)
    parser.add_argument("--data", default=str(ROOT / "../shared/data/mnist"))
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--networks", default="abcd")
    parser.add_argument("--fixed", type=int, nargs="*", default=[16, 32])
    options = parser.parse_args()
    print(f"{'':24}{'':20}{'old':>14}{'new':>14}  new by old  least to most", flush=True)
    for name, measure, pairs in rows(options):
        turns = [[measure(build) for build in options.builds] for _ in range(pairs)]
        for what in turns[0][0]:
            old, new = ([turn[i][what] for turn in turns] for i in (0, 1))
            ratios = [n / o for o, n in zip(old, new) if o > 0] or [float("nan")]
            middle = [f"{statistics.median(figures):14,.4g}" for figures in (old, new)]
            spread = f"{min(ratios):.3f} to {max(ratios):.3f}" if pairs > 1 else ""
            print(f"{name:24}{what:20}{''.join(middle)}  {statistics.median(ratios):10.3f}  {spread}", flush=True)


if __name__ == "__main__":
    main()
