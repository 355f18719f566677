"""What stands for each of PyTorch's layers: the model of its parameters, and the expression of its result.

A layer's `fields` gives the library's model (a text), fields of a model of the program's own (a list), or nothing if it has no parameters. Its
`apply` gets the writer of the function (`fn`), the module, where its parameters are (`p`, such as `p.conv1`), and its arguments.
"""
from dataclasses import dataclass
from typing import Callable

from torch import nn

from .errors import Unsupported
from .models import tensor_field
from .write import Expr, binary, call


@dataclass(frozen=True)
class Layer:
    """How a layer is translated."""

    apply: Callable
    fields: Callable = lambda module, path: []


def own_fields(module):
    """The parameters of a layer as fields of a model of the program's own."""
    return [tensor_field(name, tensor.shape) for name, tensor in module.named_parameters(recurse=False)]


def only(path, what, **expected):
    """Refuses options that have no counterpart: name=(value, the values that have one)."""
    for name, (value, allowed) in expected.items():
        if value not in allowed:
            texts = " or ".join(f"{name}={value!r}" for value in allowed)
            raise Unsupported(path, f"{what} with {name}={value!r} has no counterpart", f"{what}(…, {texts})")


def pair(value, axes=2):
    """One number for all axes, or a list of one for each."""
    values = (value,) * axes if isinstance(value, int) else tuple(value)
    return values[0] if len(set(values)) == 1 else list(values)


def given(**options):
    """The options that are not their defaults: name=(value, default)."""
    return {name: value for name, (value, default) in options.items() if value != default}


# ---- dense and convolutions


def dense_fields(module, path):
    if module.bias is None:
        return f"Weights({module.in_features}, {module.out_features})"
    return f"Dense({module.in_features}, {module.out_features})"


def dense(fn, module, p, x):
    if module.bias is None:
        return binary("@", x, call("transpose", Expr(f"{p}.weight"), shape=()), fn.shape)
    return call(fn.use("nn", "dense"), x, Expr(p), shape=fn.shape)


def padding_of(module):
    """Zeros on each side; for "same" in torch's sense what its own sum is."""
    if module.padding == "valid":
        return (0,) * len(module.kernel_size)
    if module.padding != "same":
        return tuple(module.padding)
    spans = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size)]
    if any(span % 2 for span in spans):
        return None
    return tuple(span // 2 for span in spans)


def is_plain(module):
    """Whether `conv2d` of the library says it: a square window, stride alike, no or the same padding, one group."""
    k, pad = module.kernel_size, padding_of(module)
    square = len(set(k)) == len(set(module.stride)) == 1 and len(k) == 2
    padded = pad in [(0, 0), ((k[0] - 1) / 2,) * 2] or module.padding == "same"
    return square and padded and module.groups == 1 and set(module.dilation) == {1} and module.bias is not None


def conv_fields(module, path):
    only(path, type(module).__name__, padding_mode=(module.padding_mode, ["zeros"]))
    if is_plain(module):
        return f"Conv2d({module.in_channels}, {module.out_channels}, {module.kernel_size[0]})"
    if module.bias is None and len(set(module.kernel_size)) == 1:
        return f"Filters({module.in_channels // module.groups}, {module.out_channels}, {module.kernel_size[0]})"
    return own_fields(module)


def conv2d(fn, module, p, x):
    if is_plain(module):
        same = padding_of(module) != (0, 0)
        options = given(stride=(module.stride[0], 1), padding=("\"same\"" if same else "", ""))
        return call(fn.use("nn", "conv2d"), x, Expr(p), shape=fn.shape, **options)
    return convolved(fn, module, p, x, "convolve", 2)


def conv1d(fn, module, p, x):
    return convolved(fn, module, p, x, "convolve1d", 1)


def convolved(fn, module, p, x, function, axes):
    pad = padding_of(module)
    if pad is None:
        raise Unsupported(fn.path, "padding=\"same\" around a window that spans an even number", "padding=N")
    options = given(
        stride=(pair(module.stride, axes), 1), pad=(pair(pad, axes), 0), dilation=(pair(module.dilation, axes), 1), groups=(module.groups, 1)
    )
    y = call(fn.use("nn", function), x, Expr(f"{p}.weight"), shape=fn.shape, **options)
    if module.bias is None:
        return y
    bias = call("reshape", Expr(f"{p}.bias"), [module.out_channels] + [1] * axes, shape=())
    return binary("+", y, bias, fn.shape)


# ---- normalisation


def norm_fields(module, path):
    what = type(module).__name__
    only(path, what, affine=(module.affine, [True]), track_running_stats=(module.track_running_stats, [True]))
    if module.momentum is None:
        raise Unsupported(path, f"{what} with momentum=None averages over all steps", f"{what}(…, momentum=0.1)")
    return f"BatchNorm({module.num_features})"


def batch_norm(fn, module, p, x):
    options = given(momentum=(module.momentum, 0.1), eps=(module.eps, 2**-10))
    result = call(fn.use("nn", "batch_norm"), x, Expr(p), fn.train(), shape=fn.shape, **options)
    return fn.updated(result, p)


def layer_norm_fields(module, path):
    what = type(module).__name__
    only(path, what, elementwise_affine=(module.elementwise_affine, [True]))
    if len(module.normalized_shape) != 1 or module.bias is None:
        raise Unsupported(path, f"{what} over several axes, or without a bias", "LayerNorm(size of the last axis)")
    return f"LayerNorm({module.normalized_shape[0]})"


def layer_norm(fn, module, p, x):
    return call(fn.use("nn", "layer_norm"), x, Expr(p), shape=fn.shape, eps=module.eps)


# ---- activations and dropout


def activation(name, module="nn"):
    return lambda fn, _, p, x: call(fn.use(module, name), x, shape=fn.shape)


def gelu(fn, module, p, x):
    tanh = getattr(module, "approximate", "none") == "tanh"
    return call(fn.use("nn", "gelu_tanh" if tanh else "gelu"), x, shape=fn.shape)


def softmax(fn, module, p, x):
    return fn.softmax(x, module.dim)


def leaky_relu(fn, module, p, x):
    zero = Expr("0")
    return call("where", binary(">", x, zero, x.shape), x, binary("*", module.negative_slope, x, x.shape), shape=fn.shape)


def dropout(fn, module, p, x):
    return fn.dropout(x, module.p)


# ---- pooling and shape


def pooled(fn, x, kind, kernel, stride, padding):
    """`max_pool` or `average_pool`: of tiles, or of windows in general."""
    kernel = pair(kernel)
    stride, padding = (kernel if stride in (None, []) else pair(stride)), pair(padding)
    sides = [size.count for size in x.shape[-2:]]
    if isinstance(kernel, int) and kernel == stride and padding == 0 and not any(side % kernel for side in sides):
        size = [] if kernel == 2 else [kernel]
        return call(fn.use("nn", kind), x, *size, shape=fn.shape)
    return call(fn.use("nn", kind + "2d"), x, kernel, stride, *([padding] if padding else []), shape=fn.shape)


def in_rows(fn, x, pool):
    """A pooling of two axes for [b, c, n]: of an image with one row."""
    wide, shape = call("expand", x, shape=(*x.shape[:2], x.shape[2].__class__(1), x.shape[2]), axis=2), fn.shape
    return call("reshape", pool(wide), list(shape), shape=shape)


def max_pool(fn, module, p, x):
    only(fn.path, "MaxPool2d", ceil_mode=(module.ceil_mode, [False]), return_indices=(module.return_indices, [False]), dilation=(pair(module.dilation), [1]))
    return pooled(fn, x, "max_pool", module.kernel_size, module.stride, module.padding)


def max_pool1d(fn, module, p, x):
    only(fn.path, "MaxPool1d", ceil_mode=(module.ceil_mode, [False]), return_indices=(module.return_indices, [False]), dilation=(pair(module.dilation, 1), [1]))
    return pooled1d(fn, x, "max_pool", module)


def pooled1d(fn, x, kind, module):
    k, stride, pad = (pair(v, 1) for v in (module.kernel_size, module.stride, module.padding))
    return in_rows(fn, x, lambda wide: pooled(fn, wide, kind, (1, k), (1, stride), (0, pad)))


def average_pool(fn, module, p, x):
    only(fn.path, "AvgPool2d", ceil_mode=(module.ceil_mode, [False]), divisor_override=(module.divisor_override, [None]))
    if pair(module.padding) != 0:
        only(fn.path, "AvgPool2d", count_include_pad=(module.count_include_pad, [True]))
    return pooled(fn, x, "average_pool", module.kernel_size, module.stride, module.padding)


def average_pool1d(fn, module, p, x):
    only(fn.path, "AvgPool1d", ceil_mode=(module.ceil_mode, [False]))
    if pair(module.padding, 1):
        only(fn.path, "AvgPool1d", count_include_pad=(module.count_include_pad, [True]))
    return pooled1d(fn, x, "average_pool", module)


def adaptive_average_pool(fn, module, p, x):
    return fn.adaptive(x, "average", fn.shape[-2:])


def adaptive_max_pool(fn, module, p, x):
    return fn.adaptive(x, "max", fn.shape[-2:])


def flatten(fn, module, p, x):
    return fn.flattened(x)


def identity(fn, module, p, x):
    return x


# ---- tables and sequences


def embedding_fields(module, path):
    only(path, "Embedding", padding_idx=(module.padding_idx, [None]), max_norm=(module.max_norm, [None]), scale_grad_by_freq=(module.scale_grad_by_freq, [False]))
    return f"Embedding({module.num_embeddings}, {module.embedding_dim})"


def embedding(fn, module, p, index):
    return call(fn.use("nn", "embedding"), index, Expr(p), shape=fn.shape)


def recurrent_fields(module, path):
    what = type(module).__name__
    only(path, what, bias=(module.bias, [True]), proj_size=(getattr(module, "proj_size", 0), [0]))
    return own_fields(module)


def recurrent(name):
    """GRU and LSTM: layer by layer, and each in both directions if so."""

    def apply(fn, module, p, x, state=None):
        if state is not None:
            raise Unsupported(fn.path, "an initial state that is given", "begin with zeros: no second argument")
        batched = len(x.shape) == 3
        if not batched:
            raise Unsupported(fn.path, "a sequence without a batch", "an input of three axes")
        if not module.batch_first:
            x = fn.permuted(x, [1, 0, 2])
        ends = []
        for layer in range(module.num_layers):
            if layer and module.dropout:
                x = fn.dropout(x, module.dropout)
            x = directions(fn, module, p, x, layer, name, ends)
        states = tuple(ends)
        final = Expr(f"[{', '.join(end.text for end in ends)}]", (), names=frozenset().union(*(e.names for e in ends)), last=states)
        return (x if module.batch_first else fn.permuted(x, [1, 0, 2])), (final if name == "gru" else (final, None))

    return apply


def directions(fn, module, p, x, layer, name, ends):
    x = fn.named(x)
    results = []
    for suffix in ["", "_reverse"] if module.bidirectional else [""]:
        weights = [Expr(f"{p}.{part}_l{layer}{suffix}") for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        source = call("reverse", x, shape=x.shape, axis=1) if suffix else x
        shape = (*x.shape[:2], x.shape[2].__class__(module.hidden_size))
        y = fn.named(call(fn.use("nn", name), source, *weights, shape=shape))
        ends.append(fn.indexed(y, [None, -1]))
        results.append(call("reverse", y, shape=shape, axis=1) if suffix else y)
    if len(results) == 1:
        return results[0]
    shape = (*x.shape[:2], x.shape[2].__class__(2 * module.hidden_size))
    return call("concat", *results, shape=shape)


def attention_fields(module, path):
    what = "MultiheadAttention"
    only(path, what, bias=(module.in_proj_bias is not None, [True]), add_bias_kv=(module.bias_k is not None, [False]), add_zero_attn=(module.add_zero_attn, [False]))
    if not module._qkv_same_embed_dim:
        raise Unsupported(path, f"{what} of keys or values with their own size", f"{what}(embed_dim, num_heads)")
    return f"MultiheadAttention({module.embed_dim})"


def attention(fn, module, p, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None, **_):
    if key_padding_mask is not None or attn_mask is not None:
        raise Unsupported(fn.path, "attention with a mask", "sequences of one length and no mask")
    if key.text != value.text:
        raise Unsupported(fn.path, "attention of keys and values from two places", "the same tensor for both")
    query = fn.named(query)
    source = query if key.text == query.text else key
    if not module.batch_first:
        query, source = (fn.permuted(part, [1, 0, 2]) for part in (query, source))
    options = {} if not module.dropout else {"rate": module.dropout, "train": fn.train()}
    y = call(fn.use("nn", "multihead_attention"), query, source, Expr(p), module.num_heads, shape=query.shape, **options)
    return (y if module.batch_first else fn.permuted(y, [1, 0, 2])), None


LAYERS = {
    nn.Linear: Layer(dense, dense_fields),
    nn.Conv2d: Layer(conv2d, conv_fields),
    nn.Conv1d: Layer(conv1d, lambda module, path: only(path, "Conv1d", padding_mode=(module.padding_mode, ["zeros"])) or own_fields(module)),
    nn.BatchNorm1d: Layer(batch_norm, norm_fields),
    nn.BatchNorm2d: Layer(batch_norm, norm_fields),
    nn.LayerNorm: Layer(layer_norm, layer_norm_fields),
    nn.Embedding: Layer(embedding, embedding_fields),
    nn.GRU: Layer(recurrent("gru"), recurrent_fields),
    nn.LSTM: Layer(recurrent("lstm"), recurrent_fields),
    nn.MultiheadAttention: Layer(attention, attention_fields),
    nn.ReLU: Layer(activation("relu")),
    nn.GELU: Layer(gelu),
    nn.SiLU: Layer(activation("silu")),
    nn.Tanh: Layer(activation("tanh", "math")),
    nn.Sigmoid: Layer(activation("sigmoid", "math")),
    nn.LeakyReLU: Layer(leaky_relu),
    nn.Softmax: Layer(softmax),
    nn.Dropout: Layer(dropout),
    nn.MaxPool1d: Layer(max_pool1d),
    nn.MaxPool2d: Layer(max_pool),
    nn.AvgPool1d: Layer(average_pool1d),
    nn.AvgPool2d: Layer(average_pool),
    nn.AdaptiveAvgPool2d: Layer(adaptive_average_pool),
    nn.AdaptiveMaxPool2d: Layer(adaptive_max_pool),
    nn.Flatten: Layer(flatten),
    nn.Identity: Layer(identity),
}

# What to use where there is no counterpart, by the name of the layer.
INSTEAD = {
    "LogSoftmax": "leave it out, and loss=torch.nn.CrossEntropyLoss() of the logits",
    "Dropout2d": "torch.nn.Dropout",
    "InstanceNorm2d": "torch.nn.BatchNorm2d or torch.nn.LayerNorm",
    "GroupNorm": "torch.nn.BatchNorm2d or torch.nn.LayerNorm",
    "ELU": "torch.nn.ReLU, torch.nn.SiLU or torch.nn.GELU",
    "Hardswish": "torch.nn.SiLU",
    "Softplus": "torch.nn.SiLU or torch.nn.ReLU",
    "ConvTranspose2d": "torch.nn.Conv2d, and torch.nn.Linear for the larger image",
    "Conv3d": "torch.nn.Conv2d, with the third axis among the channels",
    "RNN": "torch.nn.GRU",
    "Transformer": "torch.nn.TransformerEncoderLayer, one after the other",
}


def unsupported(module, path):
    """What is said of a layer without a counterpart."""
    name = type(module).__name__
    known = ", ".join(sorted(layer.__name__ for layer in LAYERS))
    return Unsupported(path, f"{name} has no counterpart", INSTEAD.get(name, f"one of {known}, or a module of your own made of them"))
