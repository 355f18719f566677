"""From a module to functions of the language: torch.fx records the calls, two runs of them (on the example, and on the example twice) tell which sizes follow
the number of samples, and every call becomes an expression."""
import copy
import dis
import inspect
import operator
import sys

import torch
from torch import fx, nn

from . import export, functions, layers
from .errors import Unrecorded, Unsupported
from .models import CONTAINERS, Models, key
from .transformer import replaced
from .write import ATOM, Expr, Size, binary, call, identifier, is_long, shape_text, snake, wrapped


class Unpacked:
    """`b, n, c = x.shape`: as many parts as there are names, which torch.fx of 1.13 does not see in Python 3.11."""

    def __iter__(self):
        frame = sys._getframe(1)
        for instruction in dis.get_instructions(frame.f_code):
            if instruction.offset == frame.f_lasti and instruction.opname == "UNPACK_SEQUENCE":
                return (self[i] for i in range(instruction.argval))
        return self.tracer.iter(self)


class Attribute(Unpacked, fx.proxy.Attribute):
    """An attribute of something recorded."""


class Proxy(Unpacked, fx.Proxy):
    """Something recorded."""

    def __getattr__(self, name):
        return Attribute(self, name)


class Tracer(fx.Tracer):
    """Layers and the modules that become functions are calls; what contains them is looked into."""

    def __init__(self, own):
        super().__init__()
        self.own = own

    def proxy(self, node):
        return Proxy(node, self)

    def is_leaf_module(self, module, path):
        return path in self.own or (module.__module__.startswith("torch.nn") and not isinstance(module, CONTAINERS))


class Values(fx.Interpreter):
    """Runs a graph and keeps what every node gives."""

    def __init__(self, module):
        super().__init__(module)
        self.values = {}

    def run_node(self, node):
        self.values[node] = super().run_node(node)
        return self.values[node]


def alone(module):
    """A layer as a graph of its own: one call."""
    graph = fx.Graph()
    graph.output(graph.call_module("layer", (graph.placeholder("x"),)))
    return fx.GraphModule({"layer": module}, graph)


def limited(module, count, path):
    """The class of a module with a forward of so many parameters: what else it has are its defaults, which are no inputs."""
    kind = type(module)
    params = list(inspect.signature(kind.forward).parameters.values())[1:]
    if any(param.kind is param.VAR_POSITIONAL for param in params[:count]):
        return kind
    missing = [param.name for param in params[count:] if param.default is param.empty and param.kind is param.POSITIONAL_OR_KEYWORD]
    if missing or len(params) < count:
        raise Unsupported(path, f"forward takes {len(params)} inputs, and there are {count}", "an example of every input, as a tuple")
    if len(params) == count:
        return kind
    names = ", ".join(param.name for param in params[:count])
    forward = eval(f"lambda self, {names}: forward(self, {names})", {"forward": kind.forward})
    return type(kind.__name__, (kind,), {"forward": forward, "__module__": kind.__module__})


def traced(module, own, path, count):
    """What a module computes in training, of so many inputs."""
    if type(module) in layers.LAYERS:
        return alone(module)
    kind = type(module)
    module.__class__ = limited(module, count, path)
    try:
        return recorded(module, own, path)
    finally:
        module.__class__ = kind


def recorded(module, own, path):
    try:
        graph = Tracer(own).trace(module)
    except (fx.proxy.TraceError, TypeError) as error:
        raise Unrecorded(path, f"what is computed depends on the values: {error}", "conditions of sizes and settings only; torch.where for others") from error
    result = fx.GraphModule(module, graph)
    result.graph.eliminate_dead_code()
    return result


def run(recorded, inputs):
    values = Values(recorded)
    with torch.no_grad():
        values.run(*inputs)
    return values.values


def own_modules(module, inputs):
    """The paths of the modules that can be functions: called with tensors only, with one tensor as their result."""
    found, hooks = {}, []

    def hook(path):
        def check(part, args, result):
            fine = args and all(isinstance(arg, torch.Tensor) for arg in args) and isinstance(result, torch.Tensor)
            found[path] = fine and found.get(path, True)

        return check

    for path, part in module.named_modules():
        if path and not part.__module__.startswith("torch.nn") and not isinstance(part, CONTAINERS):
            hooks.append(part.register_forward_hook(hook(path)))
    with torch.no_grad():
        module(*inputs)
    for handle in hooks:
        handle.remove()
    return {path for path, fine in found.items() if fine}


def size_of(one, two, batches):
    """A size in both runs."""
    if one == two:
        return Size(one)
    if one * batches[1] == two * batches[0] and one % batches[0] == 0:
        return Size(one // batches[0], True)
    raise Unsupported("", f"a size of {one} that does not follow the number of samples", "sizes that are the same for every batch, or a multiple of it")


class Translation:
    """A module as models and functions. `batches` are the numbers of samples of the two runs; the recorder is "fx" or "export"."""

    def __init__(self, module, inputs, recorder):
        module, self.recorder = copy.deepcopy(module), recorder
        module = replaced(module) if recorder == "fx" else module
        self.batches = (len(inputs[0]), 2 * len(inputs[0]))
        self.module, self.models = module, Models(layers.LAYERS)
        self.used, self.functions, self.names = {}, [], {}
        twice = tuple(torch.cat([x, x]) for x in inputs)
        module.eval()
        if type(module) not in layers.LAYERS:
            limited(module, len(inputs), "")
        self.own = own_modules(module, inputs) if recorder == "fx" else set()
        name = "Net" if isinstance(module, CONTAINERS) or type(module) in layers.LAYERS else type(module).__name__
        self.model = self.models.of(module, "", name) or ""
        self.root = self.function(module, "", self.model, (inputs, twice), "forward")

    def use(self, module, name):
        names = self.used.setdefault(module, [])
        if name not in names:
            names.append(name)
        return name

    def function(self, module, path, model, inputs, name):
        """The function of a module, written once for modules that are alike."""
        writer = Function(self, module, path, model, inputs)
        body = writer.text()
        if body not in self.names:
            taken = [function for function, _ in self.functions]
            free, count = name, 1
            while free in taken:
                count += 1
                free = f"{name}{count}"
            self.names[body] = free
            self.functions.append((free, writer))
        writer.name = self.names[body]
        return writer


class Function:
    """Writes the function of one module."""

    def __init__(self, program, module, path, model, inputs):
        self.program, self.module, self.at, self.model = program, module, path, model
        self.path, self.shape, self.trains, self.updates = path, (), False, False
        self.statements, self.env, self.left = [], {}, {}
        own = {p[len(path) + 1 if path else 0:] for p in program.own if p.startswith(f"{path}." if path else "")}
        was = module.training
        module.train()
        recorded = traced(module, own, path, len(inputs[0])) if program.recorder == "fx" else export.exported(module, inputs[0], path)
        self.graph = recorded.graph
        module.train(was)
        module.eval()
        self.own = own
        self.runs = [run(recorded, example) for example in inputs]
        self.params = []
        self.result = None
        for node in self.graph.nodes:
            self.translate(node)

    # ---- what layers and functions use

    key = staticmethod(key)

    def use(self, module, name):
        return self.program.use(module, name)

    def train(self):
        self.trains = True
        return Expr("train", names=frozenset(["train"]))

    def updated(self, result, p):
        """The first of two results of a layer that changes its own buffers."""
        self.train()
        self.updates = True
        name, state = self.free("h"), self.free(p.rsplit(".", 1)[-1])
        self.statements.append(f"let ({name}, {state}) = {result.text}")
        self.statements.append(f"{p} = {state}")
        return Expr(name, result.shape, names=frozenset([name]))

    def dropout(self, x, rate):
        if not rate:
            return x
        return call(self.use("nn", "dropout"), x, float(rate), self.train(), shape=x.shape)

    def softmax(self, x, dim):
        if dim not in (-1, len(x.shape) - 1):
            raise Unsupported(self.path, f"softmax along axis {dim}", "the last axis: dim=-1")
        return call(self.use("nn", "softmax"), x, shape=x.shape)

    def adaptive(self, x, kind, sizes):
        rows, columns = (size.count for size in sizes)
        height, width = (size.count for size in x.shape[-2:])
        if kind == "average":
            if rows == columns == 1:
                return call("mean", x, shape=self.shape, axis=[2, 3], keep=True)
            return call(self.use("nn", "adaptive_average_pool"), x, rows, columns, shape=self.shape)
        if height % rows or width % columns:
            raise Unsupported(self.path, f"a maximum over {rows} by {columns} parts of {height} by {width}", "sizes that divide the image's")
        return layers.pooled(self, x, "max_pool", (height // rows, width // columns), None, 0)

    def flattened(self, x):
        if len(self.shape) == 2 and self.shape[0] == x.shape[0] and len(x.shape) > 1:
            return x if len(x.shape) == 2 else call(self.use("nn", "flatten"), x, shape=self.shape)
        return self.reshaped(x)

    def reshaped(self, x):
        if x.shape == self.shape:
            return x
        if len(self.shape) == 2 and len(x.shape) > 2 and x.shape[0] == self.shape[0]:
            return call(self.use("nn", "flatten"), x, shape=self.shape)
        return call("reshape", x, list(self.shape), shape=self.shape)

    def permuted(self, x, axes):
        shape = tuple(x.shape[axis] for axis in axes)
        last = len(axes) - 1
        if axes == [*range(last - 1), last, last - 1]:
            return call("transpose", x, shape=shape)
        return call("permute", x, axes, shape=shape)

    def stretched(self, sign, a, b):
        """An operator whose operands are stretched, both of them if need be."""
        if isinstance(a, Expr) and isinstance(b, Expr) and self.shape not in (a.shape, b.shape):
            a = call("broadcast", a, list(self.shape), shape=self.shape)
        return binary(sign, a, b, self.shape)

    def indexed(self, x, index):
        """Of each axis everything (None), one place, or a range."""
        texts, shape = [], []
        for i, size in enumerate(x.shape):
            at = index[i] if i < len(index) else None
            if at is None:
                texts.append("..")
                shape.append(size)
            elif isinstance(at, tuple):
                texts.append(f"{at[0] or ''}..{'' if at[1] == size.count else at[1]}")
                shape.append(Size(at[1] - at[0]))
            else:
                texts.append(str(at))
        while texts and texts[-1] == "..":
            texts.pop()
        if not texts:
            return x
        return Expr(f"{x.within(ATOM)}[{', '.join(texts)}]", tuple(shape), names=x.names)

    def subscript(self, x, index):
        """PyTorch's x[...]."""
        if Ellipsis in index:
            at, rest = index.index(Ellipsis), len(index) - 1
            index = index[:at] + (slice(None),) * (len(x.shape) - rest) + index[at + 1:]
        picks = []
        for i, at in enumerate(index):
            if at == slice(None):
                picks.append(None)
            elif isinstance(at, int):
                picks.append(at)
            elif isinstance(at, slice) and at.step in (None, 1) and not x.shape[i].batch:
                start, end, _ = at.indices(x.shape[i].count)
                picks.append((start, end))
            else:
                raise Unsupported(self.path, f"the subscript {at}", "numbers and ranges without steps, not of samples")
        return self.indexed(x, picks)

    # ---- statements

    def free(self, name):
        """A name that nothing in use has."""
        name = identifier(name)
        used = {"p", "train", *self.params}
        for node, value in self.env.items():
            if self.left.get(node, 0) > 0:
                for part in value if isinstance(value, tuple) else (value,):
                    used |= part.names if isinstance(part, Expr) else set()
        used |= self.held
        count, candidate = 1, name
        while candidate in used:
            count += 1
            candidate = f"{name}{count}"
        return candidate

    def named(self, expr):
        """The same value, as a variable, for what uses it more than once."""
        if expr.text.isidentifier() or expr.text.startswith("p."):
            return expr
        name = self.free("h")
        self.statements.append(f"let {name} = {expr.text}")
        self.held |= {name}
        return Expr(name, expr.shape, names=frozenset([name]), whole=expr.whole)

    # ---- nodes

    def translate(self, node):
        self.held = frozenset()
        self.left[node] = len(node.users)
        if node.op == "placeholder":
            self.env[node] = self.parameter(node)
            return
        if node.op == "output":
            self.finish(node)
            return
        value = self.runs[0][node]
        if not isinstance(value, (torch.Tensor, tuple, list)) or isinstance(value, torch.Size):
            self.env[node] = self.constant(node)
            return
        self.shape = self.shape_of(node)
        result = self.value(node)
        for user in node.all_input_nodes:
            self.left[user] -= 1
        self.env[node] = self.kept(node, result)

    def parameter(self, node):
        example = self.runs[0][node]
        if not isinstance(example, torch.Tensor):
            raise Unsupported(self.path, f"the argument {node.name}, which is no tensor", "a default value")
        only = sum(other.op == "placeholder" for other in self.graph.nodes) == 1
        name = "x" if only else identifier("m" if node.name == "p" else node.target.lstrip("*"))
        self.params.append(name)
        return Expr(name, self.shape_of(node), names=frozenset([name]), whole=not example.is_floating_point())

    def shape_of(self, node):
        one, two = (run[node] for run in self.runs)
        if not isinstance(one, torch.Tensor):
            return ()
        try:
            return tuple(size_of(a, b, self.program.batches) for a, b in zip(one.shape, two.shape))
        except Unsupported as error:
            raise Unsupported(self.path, error.why, error.instead) from None

    def constant(self, node):
        """What is no tensor: a size, mostly, which is the same in both runs or only goes where shapes are known anyway."""
        return self.runs[0][node]

    def value(self, node):
        lookup = lambda argument: fx.node.map_arg(argument, lambda n: self.env[n])
        args, kwargs = lookup(node.args), lookup(node.kwargs)
        self.depends(node)
        if node.op == "get_attr":
            return self.attribute(node)
        if node.op == "call_module":
            return self.layer(node, args, kwargs)
        if node.op == "call_function" and export.name_of(node.target):
            return export.operator(self, node, args, kwargs)
        self.path = f"{self.at or 'forward'} ({node.target if isinstance(node.target, str) else node.target.__name__})"
        table = functions.METHODS if node.op == "call_method" else functions.FUNCTIONS
        function = table.get(node.target)
        if function is None:
            name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
            raise functions.unsupported(name, self.at or "forward")
        return function(self, *args, **kwargs)

    def depends(self, node):
        """Refuses a number of samples where a number is computed with: it would be the example's for ever."""
        shaped = {"view", "reshape", "expand", "flatten", "unflatten", "zeros", torch.reshape, operator.getitem, torch.flatten}
        for source in node.all_input_nodes:
            one, two = (run[source] for run in self.runs)
            if isinstance(one, (int, float)) and one != two and not {node.target, export.name_of(node.target)} & shaped and isinstance(self.runs[0][node], torch.Tensor):
                raise Unsupported(self.at, f"{node.name} computes with the number of samples", "mean instead of a sum divided by it")

    def attribute(self, node):
        tensors = dict(self.module.named_parameters()) | dict(self.module.named_buffers())
        if node.target not in tensors:
            raise Unsupported(self.at, f"the tensor {node.target}, which is neither parameter nor buffer", "register_buffer, or torch.nn.Parameter")
        return Expr(f"p.{key(node.target)}", self.shape_of(node))

    def layer(self, node, args, kwargs):
        single = type(self.module) in layers.LAYERS
        part = self.module if single else self.module.get_submodule(node.target)
        self.path = self.at if single else f"{self.at}.{node.target}".strip(".")
        p = "p" if single else f"p.{key(node.target)}"
        if node.target in self.own:
            return self.called(node, part, p)
        layer = layers.LAYERS.get(type(part))
        if layer is None:
            raise layers.unsupported(part, self.path)
        return layer.apply(self, part, p, *args, **kwargs)

    def called(self, node, part, p):
        """A call of the function of a module of its own."""
        bound = inspect.signature(type(part).forward).bind(part, *node.args, **node.kwargs)
        given = bound.args[1:]
        args = fx.node.map_arg(given, lambda n: self.env[n])
        if bound.kwargs or not all(isinstance(arg, Expr) for arg in args):
            raise Unsupported(self.path, "called with keywords that leave something out, or with what is no tensor", "tensors, the first ones; all else in __init__")
        examples = [tuple(fx.node.map_arg(given, lambda n, run=run: run[n])) for run in self.runs]
        model = self.program.models.of(part, self.path, type(part).__name__)
        function = self.program.function(part, self.path, model, examples, snake(type(part).__name__))
        held = [Expr(p)] if model else []
        train = [self.train()] if function.trains else []
        result = call(function.name, *held, *args, *train, shape=self.shape)
        return self.updated(result, p) if function.updates else result

    def kept(self, node, result):
        """An expression that is used once is written where it is used, unless it is long; everything else gets a name."""
        if isinstance(result, tuple) or not isinstance(result, Expr) or result.last:
            return result
        once = len(node.users) == 1 and not is_long(result.text)
        only_output = len(node.users) == 1 and next(iter(node.users)).op == "output"
        if once or only_output or result.text.isidentifier() or result.text.startswith("p."):
            return result
        return self.named(result)

    def finish(self, node):
        result = node.args[0]
        if self.program.recorder == "export" and len(result) == 1:
            result = result[0]
        if isinstance(result, (tuple, list, dict)):
            raise Unsupported(self.at, "several results", "one tensor as the result of forward")
        self.result = self.env[result]

    # ---- the text

    def text(self):
        """The function but for its name."""
        params = [f"p: {self.model}"] if self.model else []
        placeholders = [node for node in self.graph.nodes if node.op == "placeholder"]
        for name, node in zip(self.params, placeholders):
            value = self.env[node]
            params.append(f"{name}: {'int' if value.whole else 'fix'}[{shape_text(value.shape)}]")
        if self.trains:
            params.append("const train: bool")
        shape = f"fix[{shape_text(self.result.shape)}]"
        result = f"({shape}, {self.model})" if self.updates else shape
        lines = ["var p = p"] if self.updates else []
        lines += self.statements + [f"({self.result.text}, p)" if self.updates else self.result.text]
        head = wrapped("fn NAME(", params, f") -> {result} {{")
        return "\n".join([head, *(f"    {line}" for line in lines), "}"])

    def called_with(self, name):
        return self.text().replace("fn NAME(", f"fn {name}(", 1)
