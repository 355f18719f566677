#!/usr/bin/env python3
"""What checkpoints cost: network C with one after every 50 batches against the same training without, in pairs that take turns.

    tools/measure/checkpoint.py [--tern target/release/tern] [--data ../shared/data/mnist] [--images 12800] [--pairs 5]

Says the median ratio of seconds (at most 1.03), and the size of a file against the registers that are live where an
iteration begins (at most 1.05): the images and labels, weights and their momentum, and the order of the images, as
programs/mnist_c.mpc has them. Three processes share the cores, so it counts only on a machine that does nothing else. The exit code is 1 if a
limit is not kept.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EVERY = 50
TEST = 100
WEIGHTS = 20 * 25 + 20 + 50 * 20 * 25 + 50 + 800 * 500 + 500 + 500 * 10 + 10
LIMITS = (1.03, 1.05)


def live(images):
    """Bytes of live registers at a party: two summands of 8 bytes of whatever is secret; a number per image in order."""
    return 16 * ((images + TEST) * (784 + 10) + 2 * WEIGHTS) + 8 * images


def run(options, keeping):
    """Seconds of a training, and the bytes of a checkpoint, if there was one."""
    with tempfile.TemporaryDirectory(dir=options.disk) as folder:
        words = [options.tern, "run", ROOT / "programs/mnist_c.mpc", "--data", options.data, "--json", "--seed", 1]
        words += ["--out", Path(folder) / "out"]
        for name, value in (("N", options.images), ("EPOCHS", 1), ("TEST", TEST), ("BATCH", options.batch)):
            words += ["--arg", f"{name}={value}"]
        if keeping:
            words += ["--checkpoint", Path(folder) / "points", "--every", EVERY]
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    sizes = [event["bytes"] for event in events if event["event"] == "checkpoint"]
    if keeping and not sizes:
        sys.exit(f"there was no checkpoint: --images {options.images} gives less than {EVERY} batches")
    return events[-1]["seconds"], max(sizes, default=0), len(sizes)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tern", default=str(ROOT / "target/release/tern"))
    parser.add_argument("--data", default=str(ROOT / "../shared/data/mnist"))
    parser.add_argument("--images", type=int, default=12800)
    parser.add_argument("--batch", type=int, default=128, help="images of a batch: fewer take less time and show less")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--disk", help="where checkpoints are written: a directory of the disk that is measured")
    options = parser.parse_args()
    ratios, size = [], 0
    for i in range(options.pairs):
        order = (True, False) if i % 2 else (False, True)
        outcome = {keeping: run(options, keeping) for keeping in order}
        (without, _, _), (kept, size, count) = outcome[False], outcome[True]
        ratios.append(kept / without)
        print(f"{without:8.1f} s without, {kept:8.1f} s with {count} checkpoints of {size / 1e6:.1f} MB: {ratios[-1]:.4f}", flush=True)
    figures = (statistics.median(ratios), size / live(options.images))
    print(f"median ratio of seconds {figures[0]:.4f} (at most {LIMITS[0]})")
    print(f"a file is {figures[1]:.4f} of {live(options.images) / 1e6:.1f} MB of live registers (at most {LIMITS[1]})")
    sys.exit(0 if all(figure <= limit for figure, limit in zip(figures, LIMITS)) else 1)


main()
