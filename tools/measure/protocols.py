#!/usr/bin/env python3
"""What protocols cost for a batch of networks A to D, side by side: announced, and with --run measured on this machine.

    tools/measure/protocols.py [--tern target/release/tern] [--run --data data/mnist] [--networks ac] [PROTOCOL…]

A batch is the difference of two trainings of one epoch, of 256 and of 128 images (measured: of 20 batches more).
Processes of a run share the cores, so seconds count only on a machine that does nothing else. Memory is the most that
a party had at any time, with 500 test images.
"""

import argparse
import json
import re
import subprocess
import tempfile

BATCH = 128


def tern(options, command, network, protocol, images, *more):
    program = f"programs/mnist_{network}.mpc"
    arguments = ["--arg", f"N={images}", "--arg", "EPOCHS=1", "--arg", "TEST=500", "--protocol", protocol]
    return subprocess.run([options.tern, command, program, *arguments, *more], check=True, capture_output=True, text=True)


def announced(options, network, protocol, batches):
    return json.loads(tern(options, "cost", network, protocol, batches * BATCH, "--json").stdout)


def measured(options, network, protocol, batches):
    """Seconds, and megabytes per party."""
    with tempfile.TemporaryDirectory() as out:
        more = ["--data", options.data, "--seed", "1", "--out", out]
        said = tern(options, "run", network, protocol, batches * BATCH, *more)
    line = re.search(r"^([\d.,]+) s, .* at most ([\d,]+) MB of memory per party", said.stdout + said.stderr, re.M)
    return [float(number.replace(",", "")) for number in line.groups()]


def batch(options, network, protocol):
    """Busiest link and all links in bits, rounds; seconds and megabytes."""
    one, two = (announced(options, network, protocol, batches) for batches in (1, 2))
    links = [
        more - less
        for lines in zip(two["bits_by_link"], one["bits_by_link"])
        for more, less in zip(*lines)
    ]
    numbers = [max(links), two["bits"] - one["bits"], two["rounds"] - one["rounds"]]
    if options.run:
        less, _ = measured(options, network, protocol, 1)
        more, memory = measured(options, network, protocol, 21)
        numbers += [(more - less) / 20, memory]
    return numbers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("protocols", nargs="*", default=["rep3", "rep4"])
    parser.add_argument("--tern", default="target/release/tern")
    parser.add_argument("--data", default="data/mnist")
    parser.add_argument("--networks", default="abcd")
    parser.add_argument("--run", action="store_true")
    options = parser.parse_args()
    print("network  protocol   busiest link, bits      all, bits  rounds  seconds  MB per party")
    for network in options.networks:
        first = None
        for protocol in options.protocols:
            numbers = batch(options, network, protocol)
            first = first or numbers
            link, bits, rounds, *run = numbers
            times = f"{run[0]:7.3f}  {run[1]:12,.0f}" if run else f"{'-':>7}  {'-':>12}"
            print(f"{network.upper():7}  {protocol:8}  {link:18,}  {bits:13,}  {rounds:6}  {times}")
            if numbers is not first:
                ratios = [f"{number / other:.3f}" for number, other in zip(numbers, first)]
                print(f"{'':19}as many times as {options.protocols[0]}: " + ", ".join(ratios))


if __name__ == "__main__":
    main()
