#!/usr/bin/env python3
"""What a batch of CIFAR-10's AlexNet takes in three parties, beside what others have published.

    tools/measure/cifar10.py [--tern CHECKOUT] [--batches 4] [--runs 3] [--fixed 16 32] [--out docs/results/cifar10.txt]

A batch of 128 images is the difference of two trainings of one epoch, without test images: announced by `tern cost`, of
one batch and of two; measured in three processes over TLS on this machine, of one and of so many more, and the median
of the runs. Images are made up, since what they show changes nothing of this; they are in the files that the data set
has. Memory is the most that a party had, data included.
"""

import argparse
import random
import statistics
import tempfile
from pathlib import Path

from pairs import ROOT, Build, load, machine

BATCH = 128
RECORD = 1 + 3 * 32 * 32

# What, on what, seconds, megabytes sent by all, megabytes of memory, where it stands.
PUBLISHED = [
    ("Falcon", "three machines", 62.37, 621, None, 1),
    ("CryptGPU", "three GPUs", 2.910, 1370, None, 1),
    ("Piranha, P-Falcon", "three GPUs", 1.419, 581, 689, 1),
    ("Piranha, P-Falcon", "three GPUs, 10 epochs", 1.70, None, None, 2),
]

ORIGINS = """\
Published figures are of one batch of 128 images of CIFAR-10 in a local network, semi-honest, and come from
Watson, Wagh and Popa, Piranha: A GPU Platform for Secure Computation (USENIX Security 2022), as the authors' artifact
has them (github.com/ucbrise/piranha, experiments/artifact_figures/paper).
(1) Table 4, training (table4.json); Falcon (Wagh et al., PETS 2021) and CryptGPU (Tan et al., IEEE S&P 2021) are repeated
    there. Memory: Table 3 (table3.json), of a GPU.
(2) Table 2 (table2.json): 110.66 minutes for 10 epochs of 391 batches, after which 40.7 % of the test images are recognised.
Networks differ: Piranha's pooling averages, and it has 26 fraction bits; Falcon's images are of 33 by 33, and it
normalises batches. Here pooling takes maxima, as in Falcon and in MP-SPDZ's falcon_alex.mpc."""


def write_data(folder, count):
    """Files like those of the data set, with so many records for training."""
    numbers = random.Random(1)
    record = lambda: bytes([numbers.randrange(10)]) + numbers.randbytes(RECORD - 1)
    Path(folder, "data_batch_1.bin").write_bytes(b"".join(record() for _ in range(count)))


def words(fixed, batches, *more):
    sizes = [f"N={batches * BATCH}", f"BATCH={BATCH}", "EPOCHS=1", "TEST=0"]
    return ["--fixed", fixed, *(word for size in sizes for word in ("--arg", size)), *more]


def announced(build, fixed):
    costs = [build.call("cost", build.program("cifar10_alexnet"), *words(fixed, n, "--json")).json() for n in (1, 2)]
    return {what: costs[1][what] - costs[0][what] for what in ("bits", "rounds")}


def measured(build, fixed, batches, folder):
    """Seconds and processor seconds of a batch, and the megabytes of the largest party."""
    with tempfile.TemporaryDirectory() as out:
        more = ["--data", folder, "--seed", 1, "--out", out, "--json"]
        program = build.program("cifar10_alexnet")
        few, all_ = (build.call("run", program, *words(fixed, n, *more)) for n in (1, 1 + batches))
    seconds = (all_.json()["seconds"] - few.json()["seconds"]) / batches
    return seconds, (all_.processor - few.processor) / batches, all_.json()["peak_memory"] / 1e6


def row(name, where, seconds, megabytes, rounds, memory, note=""):
    number = lambda value, form: f"{value:{form}}" if value is not None else "-"
    cells = [number(seconds, ".2f"), number(megabytes, ",.0f"), number(rounds, ",.0f"), number(memory, ",.0f")]
    return f"{name:22} {where:28}" + "".join(f"{cell:>12}" for cell in cells) + f"  {note}".rstrip()


def lines(options):
    build = Build(options.tern)
    yield f"AlexNet for CIFAR-10, one batch of {BATCH} images, three parties (rep3)"
    yield f"{machine()}; commit {build.commit()}; load before: {load()}"
    yield ""
    yield row("", "", None, None, None, None).replace("-", " ")[:50] + "".join(
        f"{head:>12}" for head in ("seconds", "MB, all", "rounds", "MB a party")
    )
    with tempfile.TemporaryDirectory() as folder:
        write_data(folder, (1 + options.batches) * BATCH)
        for fixed in options.fixed:
            costs = announced(build, fixed)
            runs = [measured(build, fixed, options.batches, folder) for _ in range(options.runs)]
            seconds, processor, memory = ([run[i] for run in runs] for i in range(3))
            note = f"{min(seconds):.2f} to {max(seconds):.2f} s; {statistics.median(processor):.2f} s of processors"
            where = f"f = {fixed}, all on this machine"
            middle = statistics.median(seconds)
            yield row("tern", where, middle, costs["bits"] / 8e6, costs["rounds"], max(memory), note)
    for name, where, seconds, megabytes, memory, origin in PUBLISHED:
        yield row(name, where, seconds, megabytes, None, memory, f"({origin})")
    yield ""
    yield ORIGINS
    yield ""
    yield f"load after: {load()}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tern", default=ROOT, help="a checkout with target/release/tern, or a binary")
    parser.add_argument("--batches", type=int, default=4)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--fixed", type=int, nargs="*", default=[16, 32])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    said = []
    for line in lines(options):
        said.append(line)
        print(line, flush=True)
    if options.out:
        options.out.write_text("\n".join(said) + "\n")


if __name__ == "__main__":
    main()
