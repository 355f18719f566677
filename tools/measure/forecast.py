#!/usr/bin/env python3
"""What a run says beforehand of its time, beside what it took.

    tools/measure/forecast.py [--tern target/release/tern] [--data ../shared/data/mnist] [--networks ac] [PROTOCOL…]

A training of some batches of networks A to D without test images: seconds of communication and of computing as they
were foretold, seconds of computing as they were measured line by line at the slowest party, and seconds in all. A
forecast is rough: it knows two kernels, and how fast they are while all parties of this machine measure.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMAGES = {"a": 6400, "b": 1280, "c": 1280, "d": 6400}


def run(options, network, protocol):
    """The events of a training."""
    with tempfile.TemporaryDirectory() as out:
        words = [options.tern, "run", ROOT / f"programs/mnist_{network}.mpc", "--data", options.data, "--json"]
        words += ["--seed", 1, "--protocol", protocol, "--out", out]
        for argument in (f"N={IMAGES[network]}", "EPOCHS=1", "TEST=0"):
            words += ["--arg", argument]
        done = subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("protocols", nargs="*", default=["rep3", "rep4", "dealer"])
    parser.add_argument("--tern", default=str(ROOT / "target/release/tern"))
    parser.add_argument("--data", default=str(ROOT / "../shared/data/mnist"))
    parser.add_argument("--networks", default="ac")
    options = parser.parse_args()
    print("network  protocol    communication  computing | computing  in all, seconds: foretold | measured")
    for network in options.networks:
        for protocol in options.protocols:
            events = run(options, network, protocol)
            told = next(event["forecast"] for event in events if event["event"] == "forecast")
            computed = sum(line["compute"] for line in events[-1]["by_line"])
            figures = (told["seconds"], told["computing"], computed, events[-1]["seconds"])
            print(f"{network.upper():7}  {protocol:8}  {figures[0]:15.2f} {figures[1]:10.2f} | {figures[2]:9.2f} {figures[3]:7.2f}")


if __name__ == "__main__":
    main()
