"""The gradients of a network of programs/ beside PyTorch's in double precision: what a program takes, and what it says of it.

    gradients.py make NETWORK FOLDER COUNT SHAPE…    weights.npz, x.npy and y.npy, of bytes and labels
    gradients.py compare NETWORK FOLDER GRADIENTS    the error of each tensor, as a part of its norm, and the largest

The loss is the sum of the cross entropies; bytes are divided by 256.
"""
import pathlib
import sys

import numpy
import torch
from networks import NETWORKS, load


def make(network, folder, count, *shape):
    """Weights so large that gradients reach the first layer, and images of noise."""
    torch.manual_seed(1)
    net = NETWORKS[network]()
    for layer in net:
        if hasattr(layer, "weight"):
            torch.nn.init.kaiming_normal_(central(layer.weight.data), nonlinearity="relu")
            torch.nn.init.uniform_(layer.bias, -0.1, 0.1)
    numbers = numpy.random.default_rng(1)
    shape = [int(count), *map(int, shape)]
    numpy.savez(folder / "weights.npz", **{key: value.numpy() for key, value in net.state_dict().items()})
    numpy.save(folder / "x.npy", numbers.integers(0, 256, shape, dtype="u1"))
    numpy.save(folder / "y.npy", numbers.integers(0, 10, shape[:1], dtype="u1"))


def central(weight):
    """Of windows of three by three, which here lie on images of a single pixel, what sees it."""
    return weight[:, :, 1:2, 1:2] if weight.shape[2:] == (3, 3) else weight


def compare(network, folder, gradients):
    net = NETWORKS[network]().double()
    net.load_state_dict({key: torch.from_numpy(value).double() for key, value in load(folder / "weights.npz").items()})
    images = torch.from_numpy(numpy.load(folder / "x.npy").astype("f8") / 256)
    labels = torch.from_numpy(numpy.load(folder / "y.npy").astype("i8"))
    torch.nn.functional.cross_entropy(net(images), labels, reduction="sum").backward()
    found, worst = load(gradients), 0.0
    for key, parameter in net.named_parameters():
        there, here = parameter.grad, torch.from_numpy(found[key]).double()
        error = float((here - there).norm() / there.norm())
        worst = max(worst, error)
        print(f"{key}: {error:.1e}, of a norm of {float(there.norm()):.3g}")
    print(f"largest {worst}")


what, network, folder, *rest = sys.argv[1:]
{"make": make, "compare": compare}[what](network, pathlib.Path(folder), *rest)
