"""What stands for each function and method that a module calls between its layers. All get the writer of the function (`fn`) and their arguments,
which are expressions or Python's own values; `fn.shape` is the shape of the result."""
import math
import operator

import torch
from torch.nn import functional as F

from .errors import Unsupported
from .layers import in_rows, only, pair, pooled
from .write import Expr, Size, binary, call, text_of


# ---- arithmetic


def arithmetic(sign):
    def apply(fn, a, b, alpha=1, out=None):
        only(fn.path, "add", alpha=(alpha, [1]))
        return fn.stretched(sign, a, b)

    return apply


def divided(fn, a, b):
    if not isinstance(b, Expr):
        return binary("*", 1 / b, a, fn.shape) if not float(b).is_integer() else binary("/", a, b, fn.shape)
    return fn.stretched("/", a, b)


def negated(fn, a):
    return Expr(f"-{a.within(3)}", fn.shape, 2, a.names)


def matmul(fn, a, b):
    return binary("@", a, b, fn.shape)


def power(fn, a, exponent):
    if not isinstance(exponent, int) or not 1 <= exponent <= 64:
        raise Unsupported(fn.path, f"a power of {exponent}", "a whole power from 1 to 64, torch.sqrt or torch.exp")
    return Expr(f"{a.within(3)} ** {exponent}", fn.shape, 3, a.names)


def clamp(fn, x, min=None, max=None):
    if min is None or max is None:
        return call("max" if max is None else "min", x, Expr(text_of(min if max is None else max)), shape=fn.shape)
    return call(fn.use("math", "clip"), x, float(min), float(max), shape=fn.shape)


def elementary(name, module=None):
    return lambda fn, x, inplace=False: call(fn.use(module, name) if module else name, x, shape=fn.shape)


def gelu(fn, x, approximate="none"):
    return call(fn.use("nn", "gelu_tanh" if approximate == "tanh" else "gelu"), x, shape=fn.shape)


def softmax(fn, x, dim=None, _stacklevel=3, dtype=None):
    return fn.softmax(x, dim)


def leaky_relu(fn, x, negative_slope=0.01, inplace=False):
    return call("where", binary(">", x, Expr("0"), x.shape), x, binary("*", negative_slope, x, x.shape), shape=fn.shape)


def dropout(fn, x, p=0.5, training=True, inplace=False):
    return fn.dropout(x, p) if training else x


def linear(fn, x, weight, bias=None):
    y = binary("@", x, call("transpose", weight, shape=()), fn.shape)
    return y if bias is None else binary("+", y, bias, fn.shape)


def attention(fn, q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    if attn_mask is not None or is_causal or dropout_p or scale is not None or enable_gqa:
        raise Unsupported(fn.path, "scaled_dot_product_attention with more than q, k and v", "scaled_dot_product_attention(q, k, v)")
    return call(fn.use("nn", "attention"), q, k, v, shape=fn.shape)


# ---- reductions


def reduced(name):
    def apply(fn, x, dim=None, keepdim=False, dtype=None):
        options = {} if dim is None else {"axis": list(dim) if isinstance(dim, (tuple, list)) else dim}
        if keepdim:
            options["keep"] = True
        return call(name, x, shape=fn.shape, **options)

    return apply


def largest(fn, x, dim=None, keepdim=False):
    if dim in (-1, len(x.shape) - 1):
        raise Unsupported(fn.path, "max along an axis gives places too", "torch.amax(x, dim=-1)")
    raise Unsupported(fn.path, "max of two tensors or of all elements", "torch.maximum(a, b), or torch.amax(x, dim=-1)")


def amax(fn, x, dim=(), keepdim=False):
    dims = [dim] if isinstance(dim, int) else list(dim)
    if len(dims) != 1 or dims[0] not in (-1, len(x.shape) - 1):
        raise Unsupported(fn.path, "amax along other axes than the last", "permute that axis to the end")
    top = call("max", x, shape=x.shape[:-1])
    return call("expand", top, shape=fn.shape) if keepdim else top


def two(name):
    return lambda fn, a, b: call(name, a, b, shape=fn.shape)


# ---- pooling


def max_pool(fn, x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    only(fn.path, "max_pool2d", ceil_mode=(ceil_mode, [False]), return_indices=(return_indices, [False]), dilation=(dilation, [1]))
    return pooled(fn, x, "max_pool", kernel_size, stride, padding)


def average_pool(fn, x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    only(fn.path, "avg_pool2d", ceil_mode=(ceil_mode, [False]), divisor_override=(divisor_override, [None]))
    if padding not in (0, (0, 0)):
        only(fn.path, "avg_pool2d", count_include_pad=(count_include_pad, [True]))
    return pooled(fn, x, "average_pool", kernel_size, stride, padding)


def max_pool1d(fn, x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    only(fn.path, "max_pool1d", ceil_mode=(ceil_mode, [False]), return_indices=(return_indices, [False]), dilation=(pair(dilation, 1), [1]))
    return pooled1d(fn, x, "max_pool", kernel_size, stride, padding)


def average_pool1d(fn, x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    only(fn.path, "avg_pool1d", ceil_mode=(ceil_mode, [False]))
    if pair(padding, 1):
        only(fn.path, "avg_pool1d", count_include_pad=(count_include_pad, [True]))
    return pooled1d(fn, x, "average_pool", kernel_size, stride, padding)


def pooled1d(fn, x, kind, kernel, stride, padding):
    kernel, padding = pair(kernel, 1), pair(padding, 1)
    stride = kernel if stride in (None, []) else pair(stride, 1)
    return in_rows(fn, x, lambda wide: pooled(fn, wide, kind, (1, kernel), (1, stride), (0, padding)))


def adaptive(kind):
    return lambda fn, x, output_size: fn.adaptive(x, kind, fn.shape[-2:])


# ---- movement of elements


def reshaped(fn, x, *_, **__):
    return fn.reshaped(x)


def flatten(fn, x, start_dim=0, end_dim=-1):
    return fn.flattened(x)


def permuted(fn, x, *axes, dims=None):
    axes = dims or (axes[0] if isinstance(axes[0], (tuple, list)) else axes)
    return fn.permuted(x, [axis % len(x.shape) for axis in axes])


def transposed(fn, x, dim0, dim1):
    axes = list(range(len(x.shape)))
    axes[dim0], axes[dim1] = axes[dim1], axes[dim0]
    return fn.permuted(x, axes)


def unsqueezed(fn, x, dim):
    axis = dim % len(fn.shape)
    return call("expand", x, shape=fn.shape, **({} if axis == len(x.shape) else {"axis": axis}))


def expanded(fn, x, *_, **__):
    return call("broadcast", x, list(fn.shape), shape=fn.shape)


def joined(fn, tensors, dim=0, axis=None):
    dim = (dim if axis is None else axis) % len(fn.shape)
    return call("concat", *tensors, shape=fn.shape, **({} if dim == len(fn.shape) - 1 else {"axis": dim}))


def stacked(fn, tensors, dim=0):
    dim = dim % len(fn.shape)
    shape = list(fn.shape)
    shape[dim] = Size(1)
    parts = [call("expand", t, shape=tuple(shape), axis=dim) for t in tensors]
    return joined(fn, parts, dim)


def parts(fn, x, size, dim, sizes):
    """Slices of these sizes along an axis."""
    x, dim, at, results = fn.named(x), dim % len(x.shape), 0, []
    for size in sizes:
        results.append(fn.indexed(x, [None] * dim + [(at, at + size)]))
        at += size
    return tuple(results)


def chunked(fn, x, chunks, dim=0):
    whole = x.shape[dim].count
    size = math.ceil(whole / chunks)
    return parts(fn, x, None, dim, [min(size, whole - at) for at in range(0, whole, size)])


def split(fn, x, size, dim=0):
    whole = x.shape[dim].count
    sizes = size if isinstance(size, (tuple, list)) else [min(size, whole - at) for at in range(0, whole, size)]
    return parts(fn, x, None, dim, sizes)


def item(fn, x, index):
    if isinstance(x, (tuple, list)):
        if x[index] is None:
            raise Unsupported(fn.path, f"result {index} of this layer", "only its output")
        return x[index]
    if isinstance(x, Expr) and x.last:
        if not isinstance(index, int):
            raise Unsupported(fn.path, "a slice of a recurrent layer's last states", "h[-1], or output[:, -1]")
        return x.last[index]
    index = index if isinstance(index, tuple) else (index,)
    return fn.subscript(x, index)


def same(fn, x, *_, **__):
    return x


FUNCTIONS = {
    operator.add: arithmetic("+"), operator.iadd: arithmetic("+"), torch.add: arithmetic("+"),
    operator.sub: arithmetic("-"), torch.sub: arithmetic("-"), operator.isub: arithmetic("-"),
    operator.mul: arithmetic("*"), operator.imul: arithmetic("*"), torch.mul: arithmetic("*"),
    operator.truediv: divided, torch.div: divided, operator.neg: negated, torch.neg: negated,
    operator.matmul: matmul, torch.matmul: matmul, torch.bmm: matmul,
    operator.pow: power, torch.pow: power, torch.square: elementary("square"),
    torch.clamp: clamp, torch.abs: elementary("abs"), torch.exp: elementary("exp"), torch.log: elementary("ln"),
    torch.sqrt: elementary("sqrt"), torch.rsqrt: elementary("inv_sqrt", "math"),
    torch.relu: elementary("relu", "nn"), F.relu: elementary("relu", "nn"),
    torch.tanh: elementary("tanh", "math"), F.tanh: elementary("tanh", "math"),
    torch.sigmoid: elementary("sigmoid", "math"), F.sigmoid: elementary("sigmoid", "math"),
    F.silu: elementary("silu", "nn"), F.gelu: gelu, F.leaky_relu: leaky_relu,
    F.softmax: softmax, torch.softmax: softmax, F.dropout: dropout, F.linear: linear,
    torch.mean: reduced("mean"), torch.sum: reduced("sum"), torch.max: largest, torch.amax: amax,
    torch.maximum: two("max"), torch.minimum: two("min"),
    F.max_pool2d: max_pool, torch.max_pool2d: max_pool, F.avg_pool2d: average_pool,
    F.max_pool1d: max_pool1d, torch.max_pool1d: max_pool1d, F.avg_pool1d: average_pool1d,
    F.adaptive_avg_pool2d: adaptive("average"), F.adaptive_max_pool2d: adaptive("max"),
    torch.flatten: flatten, torch.reshape: reshaped, torch.permute: permuted, torch.transpose: transposed,
    torch.unsqueeze: unsqueezed, torch.squeeze: reshaped,
    torch.cat: joined, torch.concat: joined, torch.stack: stacked, torch.chunk: chunked, torch.split: split,
    operator.getitem: item,
}
if hasattr(F, "scaled_dot_product_attention"):
    FUNCTIONS[F.scaled_dot_product_attention] = attention

METHODS = {
    "add": arithmetic("+"), "sub": arithmetic("-"), "mul": arithmetic("*"), "div": divided, "neg": negated,
    "matmul": matmul, "bmm": matmul, "pow": power, "square": elementary("square"), "clamp": clamp,
    "abs": elementary("abs"), "exp": elementary("exp"), "log": elementary("ln"), "sqrt": elementary("sqrt"),
    "relu": elementary("relu", "nn"), "tanh": elementary("tanh", "math"), "sigmoid": elementary("sigmoid", "math"),
    "softmax": softmax, "mean": reduced("mean"), "sum": reduced("sum"), "max": largest, "amax": amax,
    "view": reshaped, "reshape": reshaped, "squeeze": reshaped, "flatten": flatten, "permute": permuted,
    "transpose": transposed, "unsqueeze": unsqueezed, "expand": expanded, "expand_as": expanded,
    "chunk": chunked, "split": split, "contiguous": same, "clone": same, "float": same, "to": same, "type_as": same,
}

INSTEAD = {
    "log_softmax": "leave it out, and loss=torch.nn.CrossEntropyLoss() of the logits",
    "argmax": "return the logits: correct(…) and argmax(…) of the program see to classes",
    "einsum": "torch.matmul, permute and reshape",
}


def unsupported(name, path):
    known = sorted({getattr(f, "__name__", "").strip("_") for f in FUNCTIONS if not getattr(f, "__name__", "").startswith("__")})
    return Unsupported(path, f"{name} has no counterpart", INSTEAD.get(name, "one of " + ", ".join(k for k in known if k)))
