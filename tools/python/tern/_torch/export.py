"""Graphs of torch.export, of PyTorch from 2.6 on, for modules that torch.fx cannot record: one graph of PyTorch's own operators (aten), in which a layer is found again
by the parameters that its operator takes."""
import torch
from torch import fx, nn

from . import functions
from .errors import Unsupported
from .functions import METHODS
from .layers import LAYERS, only
from .write import Size, binary, call

AVAILABLE = hasattr(torch, "export") and hasattr(torch.export, "export")


def exported(module, inputs, path):
    """What a module computes in training, for any number of samples."""
    try:
        samples = torch.export.Dim("samples")
        program = torch.export.export(module, tuple(inputs), dynamic_shapes=tuple({0: samples} for _ in inputs))
    except Exception as error:  # torch.export has no common class of errors
        first = str(error).strip().splitlines()[0]
        raise Unsupported(path, f"torch.export cannot record it: {first}", "conditions of sizes and settings only; torch.where for others") from error
    recorded = program.module()
    recorded.graph.eliminate_dead_code()
    return recorded


def name_of(target):
    """`linear` of aten.linear.default; None of what is no operator."""
    schema = getattr(target, "_schema", None)
    return schema.name.split("::")[-1].rstrip("_") if schema is not None else None


# ---- operators that belong to a layer

OWNERS = {
    "linear": (nn.Linear,), "conv1d": (nn.Conv1d,), "conv2d": (nn.Conv2d,), "batch_norm": (nn.BatchNorm1d, nn.BatchNorm2d),
    "layer_norm": (nn.LayerNorm,), "embedding": (nn.Embedding,), "gru": (nn.GRU,), "lstm": (nn.LSTM,),
}


def owner(name, module, nodes):
    """The path of the layer whose parameters an operator takes, and the layer."""
    for node in nodes:
        if isinstance(node, fx.Node) and node.op == "get_attr" and "." in node.target:
            path = node.target.rsplit(".", 1)[0]
            layer = module.get_submodule(path)
            if type(layer) in OWNERS.get(name, ()) and type(layer) in LAYERS:
                return path, layer
    return None, None


# ---- operators that are called otherwise than functions and methods


def taken(fn, x, dim, index):
    if x.last:
        return x.last[index]
    return fn.indexed(x, [None] * (dim % len(x.shape)) + [index])


def sliced(fn, x, dim=0, start=None, end=None, step=1):
    whole = x.shape[dim].count
    if x.shape == fn.shape:
        return x
    only(fn.path, "a slice", step=(step, [1]))
    first, last, _ = slice(start, end).indices(whole)
    return fn.indexed(x, [None] * (dim % len(x.shape)) + [(first, last)])


def unbound(fn, x, dim=0):
    x = fn.named(x)
    return tuple(taken(fn, x, dim, i) for i in range(x.shape[dim].count))


def dropped(fn, x, p, train):
    return fn.dropout(x, p) if train else x


def filled(fn, *_, **__):
    return call("zeros", list(fn.shape), shape=fn.shape)


def largest_parts(fn, x, size):
    """With the places, which have no counterpart."""
    fn.shape = (*x.shape[:-2], *(Size(n) for n in size))
    return fn.adaptive(x, "max", fn.shape[-2:]), None


def product_added(fn, x, a, b, beta=1, alpha=1):
    only(fn.path, "baddbmm", beta=(beta, [1]), alpha=(alpha, [1]))
    return binary("+", x, binary("@", a, b, fn.shape), fn.shape)


OPERATORS = METHODS | {
    "linear": functions.linear, "cat": functions.joined, "stack": functions.stacked, "select": taken, "slice": sliced, "unbind": unbound,
    "dropout": dropped, "gelu": functions.gelu, "silu": functions.elementary("silu", "nn"), "leaky_relu": functions.leaky_relu,
    "max_pool2d": functions.max_pool, "avg_pool2d": functions.average_pool, "adaptive_avg_pool2d": functions.adaptive("average"),
    "adaptive_max_pool2d": largest_parts, "max_pool1d": functions.max_pool1d, "avg_pool1d": functions.average_pool1d, "zeros": filled, "baddbmm": product_added,
    "scaled_dot_product_attention": functions.attention, "unflatten": functions.reshaped, "alias": functions.same, "detach": functions.same,
    "maximum": functions.two("max"), "minimum": functions.two("min"), "split_with_sizes": functions.split, "rsqrt": functions.elementary("inv_sqrt", "math"),
}


def operator(fn, node, args, kwargs):
    """The expression of an operator."""
    name = name_of(node.target)
    path, layer = owner(name, fn.module, node.all_input_nodes)
    if layer is not None:
        fn.path = path
        data = [arg for arg, source in zip(args, node.args) if isinstance(source, fx.Node) and source.op != "get_attr"]
        result = LAYERS[type(layer)].apply(fn, layer, f"p.{fn.key(path)}", data[0])
        return (result[0], *result[1]) if name == "lstm" else result
    fn.path = f"{fn.at or 'forward'} ({name})"
    if name not in OPERATORS:
        raise functions.unsupported(name, fn.at or "forward")
    return OPERATORS[name](fn, *args, **kwargs)
