"""From an ONNX file to a program of the language, by way of a PyTorch module.

    source, weights = tern.from_onnx("model.onnx", rows=1000)

Every node becomes the layer or the function of PyTorch that computes the same; `from_torch` has the rest. Needs the packages `onnx` and PyTorch.
"""
import operator
import pathlib

import numpy
import onnx
import torch
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import fx, nn

from ._progress import printable
from ._torch.errors import Unsupported
from .errors import DataError
from .from_torch import from_torch

__all__ = ["from_onnx", "onnx_module"]

SAMPLES = 4  # of the example, where the file says no number


def from_onnx(path, loss=None, optimizer=None, *, batch=None, **options):
    """A program that computes what an ONNX model computes, and its weights: `from_torch` of `onnx_module`, with the options of `from_torch`.

    With `loss` and `optimizer` it trains the model further: `optimizer` is a function that makes one of the parameters, such as
    `lambda parameters: torch.optim.SGD(parameters, lr=0.1)`. `batch` is the number of samples of a batch, by default what the file says.

    The command `tern import` does the same. Raises `Unsupported` for a node that has no counterpart, `DataError` for a file that cannot be read.
    """
    module, example = onnx_module(path)
    if batch is not None:
        example = tuple(torch.zeros((batch, *x.shape[1:]), dtype=x.dtype) for x in example)
    if optimizer is not None:
        optimizer = optimizer(list(module.parameters()))
    source, weights = from_torch(module, example, loss, optimizer, **options)
    name = "ONNX" if isinstance(path, onnx.ModelProto) else pathlib.Path(path).name
    return source.replace(": from PyTorch.", f": from {printable(name)}.", 1), weights


def onnx_module(path):
    """An ONNX model as a PyTorch module, in evaluation mode, and an example of its inputs. `path` is a file, whose tensors may be in other files beside it, or a
    model that `onnx.load` has read.

    Raises `Unsupported` for a node that has no counterpart, `DataError` for a file that cannot be read.
    """
    model = path if isinstance(path, onnx.ModelProto) else loaded(path)
    graph = Graph(onnx.shape_inference.infer_shapes(model).graph)
    for node in model.graph.node:
        graph.add(node)
    return graph.module(), tuple(graph.examples.values())


def loaded(path):
    """The model of a file, with the tensors that are in other files. Where these are missing or elsewhere, that is said."""
    try:
        return onnx.load(path)
    except Exception as error:  # of protobuf, of onnx, of the system: none of them is documented
        raise DataError(f"{path} cannot be read as ONNX: {error}") from None


class Graph:
    """The module while it is put together: layers by path, and what stands for each name of the file."""

    def __init__(self, graph):
        self.constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self.graph, self.root, self.values, self.examples = fx.Graph(), nn.Module(), {}, {}
        self.ranks = {value.name: len(value.type.tensor_type.shape.dim) for value in [*graph.value_info, *graph.input]}
        self.outputs = [output.name for output in graph.output]
        if len(self.outputs) != 1:
            raise Unsupported("", f"{len(self.outputs)} outputs: {', '.join(self.outputs)}", "one output")
        for value in graph.input:
            if value.name not in self.constants:
                self.values[value.name] = self.graph.placeholder(word(value.name))
                self.examples[value.name] = example(value)

    def add(self, node):
        """A node, which becomes a call."""
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        place = node.name or node.output[0]
        if node.op_type == "Constant":
            self.constants[node.output[0]] = numpy_helper.to_array(attributes["value"])
            return
        if node.input and all(name in self.constants for name in node.input):
            found = ReferenceEvaluator(node).run(None, {name: self.constants[name] for name in node.input})
            self.constants.update(zip(node.output, found))
            return
        if node.op_type not in NODES:
            raise Unsupported(place, f"{node.op_type} of ONNX has no counterpart", f"one of {', '.join(sorted(NODES))}")
        self.values[node.output[0]] = NODES[node.op_type](Node(self, place, node, attributes))

    def module(self):
        """What has been put together."""
        self.graph.output(self.values[self.outputs[0]])
        return fx.GraphModule(self.root, self.graph, "Network").eval()


class Node:
    """A node with its inputs, attributes and surroundings."""

    def __init__(self, graph, place, node, attributes):
        self.graph, self.place, self.kind, self.attributes = graph, place, node.op_type, attributes
        self.names = list(node.input)

    def get(self, name, default=None):
        return self.attributes.get(name, default)

    def count(self):
        return sum(bool(name) for name in self.names)

    def constant(self, index):
        """An input that has to be known; None if it is not there."""
        if index >= len(self.names) or not self.names[index]:
            return None
        if self.names[index] not in self.graph.constants:
            self.refuse(f"{self.names[index]} is computed", "a constant, as exporters write it with constant folding")
        return self.graph.constants[self.names[index]]

    def value(self, index):
        """An input as something that is computed, or as a constant of the module's."""
        name = self.names[index]
        if name in self.graph.values:
            return self.graph.values[name]
        array = self.graph.constants[name]
        if array.size == 1:
            return array.reshape(()).item()
        path = self.path(name)
        self.graph.root.register_buffer(path, torch.tensor(array))
        return self.graph.graph.get_attr(path)

    def path(self, name):
        """A free name of the root."""
        stem, count = word(name), 1
        path = stem
        while hasattr(self.graph.root, path):
            count += 1
            path = f"{stem}_{count}"
        return path

    def layer(self, module, x, **tensors):
        """A layer with its parameters, called after the weight's name: `l1.weight` is the layer `l1`."""
        first = next((name for name in self.names[1:] if name in self.graph.constants), self.place)
        path = self.path(first[: -len(".weight")] if first.endswith(".weight") else self.place)
        with torch.no_grad():
            for name, array in tensors.items():
                getattr(module, name).copy_(torch.tensor(array))
        self.graph.root.add_module(path, module)
        return self.graph.graph.call_module(path, (x,))

    def function(self, function, *arguments, **options):
        return self.graph.graph.call_function(function, arguments, options)

    def refuse(self, why, instead):
        raise Unsupported(self.place, f"{self.kind}: {why}", instead)

    def pads(self):
        """Padding of each axis, the same on both sides."""
        auto = self.get("auto_pad", b"NOTSET")
        if auto not in (b"NOTSET", b"VALID"):
            self.refuse(f"auto_pad={auto.decode()}", "explicit pads")
        pads = list(self.get("pads", []))
        half = len(pads) // 2
        if pads[:half] != pads[half:]:
            self.refuse(f"pads={pads}, which differ at both ends", "the same at both ends")
        return pads[:half]


def word(name):
    """A name as Python has it."""
    text = "".join(c if c.isalnum() else "_" for c in name)
    return f"_{text}" if not text or text[0].isdigit() else text


def example(value):
    """Zeros of an input's shape."""
    kind = value.type.tensor_type
    sizes = [dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in kind.shape.dim]
    if None in sizes[1:]:
        raise Unsupported(value.name, "sizes that are not known, but that of the samples", "fixed sizes of all other axes")
    sizes[:1] = [sizes[0] or SAMPLES]
    whole = kind.elem_type in (onnx.TensorProto.INT64, onnx.TensorProto.INT32)
    return torch.zeros(sizes, dtype=torch.int64 if whole else torch.float32)


# ---- layers


def gemm(node):
    weight, bias = node.constant(1), node.constant(2)
    if node.get("alpha", 1.0) != 1.0 or node.get("beta", 1.0) != 1.0 or node.get("transA", 0):
        node.refuse("alpha, beta or transA", "a plain layer: x @ w + b")
    weight = weight if node.get("transB", 0) else weight.T
    return dense(node, weight, bias)


def dense(node, weight, bias):
    module = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    return node.layer(module, node.value(0), weight=weight, **({} if bias is None else {"bias": bias.reshape(-1)}))


def matmul(node):
    weight = node.graph.constants.get(node.names[1])
    if weight is not None and weight.ndim == 2:
        return dense(node, weight.T, None)
    return node.function(torch.matmul, node.value(0), node.value(1))


def conv(node):
    weight, bias = node.constant(1), node.constant(2)
    axes = weight.ndim - 2
    if axes not in (1, 2):
        node.refuse(f"{axes} axes", "one or two")
    kind, groups = (nn.Conv1d, nn.Conv2d)[axes - 1], node.get("group", 1)
    module = kind(
        weight.shape[1] * groups, weight.shape[0], weight.shape[2:], stride=tuple(node.get("strides", [1] * axes)), padding=tuple(node.pads() or [0] * axes),
        dilation=tuple(node.get("dilations", [1] * axes)), groups=groups, bias=bias is not None,
    )
    return node.layer(module, node.value(0), weight=weight, **({} if bias is None else {"bias": bias}))


def batch_norm(node):
    scale, bias, mean, variance = (node.constant(i) for i in range(1, 5))
    module = (nn.BatchNorm2d if node.graph.ranks.get(node.names[0], 4) == 4 else nn.BatchNorm1d)(len(scale), eps=node.get("epsilon", 1e-5))
    return node.layer(module, node.value(0), weight=scale, bias=bias, running_mean=mean, running_var=variance)


def layer_norm(node):
    scale, bias = node.constant(1), node.constant(2)
    module = nn.LayerNorm(scale.shape, eps=node.get("epsilon", 1e-5))
    return node.layer(module, node.value(0), weight=scale, bias=numpy.zeros_like(scale) if bias is None else bias)


def pool(kind):
    def of(node):
        window = tuple(node.get("kernel_shape"))
        if node.get("ceil_mode", 0) or any(d != 1 for d in node.get("dilations", [])):
            node.refuse("ceil_mode or dilations", "a plain window")
        options = {"stride": tuple(node.get("strides", [1] * len(window))), "padding": tuple(node.pads() or [0] * len(window))}
        if kind == "avg":
            options["count_include_pad"] = bool(node.get("count_include_pad", 0))
        module = {("max", 1): nn.MaxPool1d, ("max", 2): nn.MaxPool2d, ("avg", 1): nn.AvgPool1d, ("avg", 2): nn.AvgPool2d}[kind, len(window)]
        return node.layer(module(window, **options), node.value(0))

    return of


def activation(make):
    """A layer without parameters; `make` gets the node."""
    return lambda node: node.layer(make(node), node.value(0))


# ---- functions


def two(function):
    return lambda node: node.function(function, node.value(0), node.value(1))


def one(function):
    return lambda node: node.function(function, node.value(0))


def reshaped(node):
    shape = [int(n) for n in node.constant(1)]
    if 0 in shape[1:]:
        node.refuse(f"the shape {shape}", "sizes, the first of which may be 0 or -1")
    # the first axis is that of the samples
    return node.function(torch.flatten, node.value(0), 1) if len(shape) == 2 else node.function(torch.reshape, node.value(0), (-1, *shape[1:]))


def flattened(node):
    if node.get("axis", 1) != 1:
        node.refuse(f"axis={node.get('axis')}", "axis=1")
    return node.function(torch.flatten, node.value(0), 1)


def reduced(function):
    def of(node):
        axes = node.get("axes") or ([int(n) for n in node.constant(1)] if node.count() > 1 else None)
        if axes is None:
            node.refuse("no axes", "axes without the first, which is that of the samples")
        return node.function(function, node.value(0), dim=tuple(axes), keepdim=bool(node.get("keepdims", 1)))

    return of


def transposed(node):
    return node.function(torch.permute, node.value(0), tuple(node.get("perm")))


def joined(node):
    return node.function(torch.cat, tuple(node.value(i) for i in range(node.count())), dim=node.get("axis"))


def softmax(node):
    return node.function(torch.softmax, node.value(0), dim=node.get("axis", -1))


def global_pool(node):
    return node.layer(nn.AdaptiveAvgPool2d(1), node.value(0))


def padded(node):
    """Exporters write paddings of nothing."""
    pads = node.get("pads") or node.constant(1)
    if any(int(n) for n in pads):
        node.refuse(f"pads={[int(n) for n in pads]}", "the padding of a convolution")
    return node.value(0)


def power(node):
    exponent = node.constant(1)
    return node.function(operator.pow, node.value(0), int(exponent) if float(exponent).is_integer() else float(exponent))


#: What stands for each operator of ONNX.
NODES = {
    "Gemm": gemm, "MatMul": matmul, "Conv": conv, "BatchNormalization": batch_norm, "LayerNormalization": layer_norm,
    "MaxPool": pool("max"), "AveragePool": pool("avg"), "GlobalAveragePool": global_pool,
    "Relu": activation(lambda node: nn.ReLU()), "LeakyRelu": activation(lambda node: nn.LeakyReLU(node.get("alpha", 0.01))),
    "Sigmoid": activation(lambda node: nn.Sigmoid()), "Tanh": activation(lambda node: nn.Tanh()), "Softmax": softmax,
    "Gelu": activation(lambda node: nn.GELU(approximate=node.get("approximate", b"none").decode())),
    "Dropout": lambda node: node.value(0), "Identity": lambda node: node.value(0),
    "Add": two(operator.add), "Sub": two(operator.sub), "Mul": two(operator.mul), "Div": two(operator.truediv), "Neg": one(operator.neg),
    "Pow": power, "Sqrt": one(torch.sqrt), "Exp": one(torch.exp), "Log": one(torch.log), "Abs": one(torch.abs),
    "Flatten": flattened, "Reshape": reshaped, "Transpose": transposed, "Concat": joined, "Pad": padded,
    "ReduceMean": reduced(torch.mean), "ReduceSum": reduced(torch.sum),
}
