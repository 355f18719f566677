"""The networks of programs/ in PyTorch, their parameters called as the fields of the models there are, and their data."""
import gzip
import json
import pathlib
from collections import OrderedDict

import numpy
import torch
from torch.nn import Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential

NETWORKS = {
    "digits": lambda: layers(flat=Flatten(), l1=Linear(64, 64), r1=ReLU(), l2=Linear(64, 10)),
    "mnist_a": lambda: layers(
        flat=Flatten(), l1=Linear(784, 128), r1=ReLU(), l2=Linear(128, 128), r2=ReLU(), l3=Linear(128, 10)
    ),
    "mnist_b": lambda: convolutions(16, 16, 256, 100),
    "mnist_c": lambda: convolutions(20, 50, 800, 500),
    "mnist_d": lambda: layers(
        conv=Conv2d(1, 5, 5, stride=2, padding=2), r1=ReLU(),
        flat=Flatten(), fc1=Linear(980, 100), r2=ReLU(), fc2=Linear(100, 10),
    ),
    "cifar10_alexnet": lambda: layers(
        conv1=Conv2d(3, 96, 11, stride=4, padding=9), r1=ReLU(), p1=MaxPool2d(3, 2),
        conv2=Conv2d(96, 256, 5, padding=1), r2=ReLU(), p2=MaxPool2d(2, 1),
        conv3=Conv2d(256, 384, 3, padding=1), r3=ReLU(),
        conv4=Conv2d(384, 384, 3, padding=1), r4=ReLU(),
        conv5=Conv2d(384, 256, 3, padding=1), r5=ReLU(),
        flat=Flatten(), fc1=Linear(256, 256), r6=ReLU(), fc2=Linear(256, 256), r7=ReLU(), fc3=Linear(256, 10),
    ),
}


def convolutions(first, second, flat, dense):
    """Two convolutions with pooling, and two dense layers."""
    return layers(
        conv1=Conv2d(1, first, 5), r1=ReLU(), p1=MaxPool2d(2),
        conv2=Conv2d(first, second, 5), r2=ReLU(), p2=MaxPool2d(2),
        flat=Flatten(), fc1=Linear(flat, dense), r3=ReLU(), fc2=Linear(dense, 10),
    )


def layers(**named):
    """What is only computed is named too, but has no parameters."""
    return Sequential(OrderedDict(named))


def load(path):
    """The tensors of an npz or safetensors file by name."""
    if not str(path).endswith(".safetensors"):
        return dict(numpy.load(path))
    raw = pathlib.Path(path).read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    header = {key: value for key, value in json.loads(raw[8:start]).items() if key != "__metadata__"}
    types = {"F64": "<f8", "F32": "<f4", "I64": "<i8"}

    def tensor(about):
        first, end = about["data_offsets"]
        return numpy.frombuffer(raw[start + first : start + end], types[about["dtype"]]).reshape(about["shape"]).copy()

    return {key: tensor(about) for key, about in header.items()}


def data(folder, part):
    """Images [n, 1, height, width] between 0 and 1, and labels: the digits of this repository, or MNIST. Part is "train" or "test"."""
    digits = pathlib.Path(folder, "digits.npz")
    if digits.exists():
        arrays = numpy.load(digits)
        images, labels, side, white = arrays[f"{part}_x"], arrays[f"{part}_y"], 8, 16
    else:
        name = "t10k" if part == "test" else part
        images, labels, side, white = idx(folder, f"{name}-images-idx3-ubyte"), idx(folder, f"{name}-labels-idx1-ubyte"), 28, 256
    pixels = torch.from_numpy(images.reshape(-1, 1, side, side).astype("f4") / white)
    return pixels, torch.from_numpy(labels.reshape(-1).astype("i8"))


def idx(folder, name):
    """A file of MNIST, gzipped or not."""
    path = pathlib.Path(folder, name)
    raw = path.read_bytes() if path.exists() else gzip.open(f"{path}.gz").read()
    return numpy.frombuffer(raw, "u1", offset=4 + 4 * raw[3])
