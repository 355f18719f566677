"""The functions and points on which systems are compared: 4,000 points evenly over a range, on a grid of 2^-16."""

import math

COUNT = 4000

# name: lowest point, highest point, the exact function
FUNCTIONS = {
    "exp": (-8.0, 4.0, math.exp),
    "reciprocal": (0.5, 100.0, lambda x: 1.0 / x),
    "inverse root": (0.01, 100.0, lambda x: 1.0 / math.sqrt(x)),
    "root": (0.01, 100.0, math.sqrt),
    "ln": (0.01, 100.0, math.log),
    "sigmoid": (-8.0, 8.0, lambda x: 1.0 / (1.0 + math.exp(-x))),
    "tanh": (-8.0, 8.0, math.tanh),
}


def points(name):
    low, high, _ = FUNCTIONS[name]
    step = (high - low) / (COUNT - 1)
    return [round((low + i * step) * 2**16) / 2**16 for i in range(COUNT)]


def show(system, name, results):
    """One line: the largest and the mean error against double precision."""
    exact = FUNCTIONS[name][2]
    errors = [abs(float(y) - exact(x)) for x, y in zip(points(name), results)]
    print(f"{system:24} {name:14} {max(errors):.2e} {sum(errors) / len(errors):.2e}", flush=True)
