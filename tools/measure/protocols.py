#!/usr/bin/env python3
"""What protocols cost for a batch of networks A to D, side by side: announced, and with --run measured on this machine.

    tools/measure/protocols.py [--tern target/release/tern] [--run --data data/mnist] [--runs 5] [--networks ac] [PROTOCOL…]

A batch is the difference of two trainings of one epoch (announced: of one batch and of two; measured: of 20 batches
more, of small networks 80). Protocols take turns; seconds are the median of all turns, with the least and the most.
They have no test images, whose time would be most of the smaller one's and as uncertain. Processes of a run share the
cores, so seconds count only on a machine that does nothing else. Memory is the most that a party had in a training of
two batches with 500 test images.
"""

import argparse
import json
import re
import statistics
import subprocess
import tempfile

BATCH = 128
MORE = {"a": 80, "b": 20, "c": 20, "d": 80}  # so that a tenth of a second, which the summary tells, is little


def tern(options, command, network, protocol, images, test, *more):
    program = f"programs/mnist_{network}.mpc"
    arguments = ["--arg", f"N={images}", "--arg", "EPOCHS=1", "--arg", f"TEST={test}", "--protocol", protocol]
    return subprocess.run([options.tern, command, program, *arguments, *more], check=True, capture_output=True, text=True)


def announced(options, network, protocol, batches):
    return json.loads(tern(options, "cost", network, protocol, batches * BATCH, 500, "--json").stdout)


def measured(options, network, protocol, batches, test=0):
    """Seconds, and megabytes per party."""
    with tempfile.TemporaryDirectory() as out:
        more = ["--data", options.data, "--seed", "1", "--out", out]
        said = tern(options, "run", network, protocol, batches * BATCH, test, *more)
    line = re.search(r"^([\d.,]+) s, .* at most ([\d,]+) MB of memory per party", said.stdout + said.stderr, re.M)
    return [float(number.replace(",", "")) for number in line.groups()]


def costs(options, network, protocol):
    """Busiest link and all links in bits, and rounds of a batch."""
    one, two = (announced(options, network, protocol, batches) for batches in (1, 2))
    links = [
        more - less
        for lines in zip(two["bits_by_link"], one["bits_by_link"])
        for more, less in zip(*lines)
    ]
    return [max(links), two["bits"] - one["bits"], two["rounds"] - one["rounds"]]


def turns(options, network):
    """By protocol, of every turn: seconds of a batch, and megabytes."""
    figures = {protocol: [] for protocol in options.protocols}
    for _ in range(options.runs if options.run else 0):
        for protocol, seen in figures.items():
            less, _ = measured(options, network, protocol, 1)
            more, _ = measured(options, network, protocol, 1 + MORE[network])
            _, memory = measured(options, network, protocol, 2, test=500)
            seen.append(((more - less) / MORE[network], memory))
    return figures


def report(network, protocol, first, numbers, seconds):
    link, bits, rounds, *run = numbers
    times = f"{run[0]:7.3f}  {min(seconds):.3f} to {max(seconds):.3f}  {run[1]:12,.0f}" if run else f"{'-':>7}"
    print(f"{network.upper():7}  {protocol:8}  {link:18,}  {bits:13,}  {rounds:6}  {times}", flush=True)
    if first is not numbers:
        print(f"{'':19}times: " + ", ".join(f"{number / other:.3f}" for number, other in zip(numbers, first)), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("protocols", nargs="*", default=["rep3", "rep4"])
    parser.add_argument("--tern", default="target/release/tern")
    parser.add_argument("--data", default="data/mnist")
    parser.add_argument("--networks", default="abcd")
    parser.add_argument("--run", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print("network  protocol   busiest link, bits      all, bits  rounds  seconds  least to most   MB per party")
    print(f"{'':19}times: as many times as {options.protocols[0]}")
    for network in options.networks:
        seen, first = turns(options, network), None
        for protocol in options.protocols:
            numbers = costs(options, network, protocol)
            seconds = [time for time, _ in seen[protocol]]
            if seconds:
                numbers += [statistics.median(seconds), max(memory for _, memory in seen[protocol])]
            first = first or numbers
            report(network, protocol, first, numbers, seconds)


if __name__ == "__main__":
    main()
