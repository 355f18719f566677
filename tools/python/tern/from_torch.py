"""From a PyTorch module to a program of the language, and back to a state dictionary.

    source, weights = tern.from_torch(module, example, loss=torch.nn.CrossEntropyLoss(), optimizer=torch.optim.SGD(module.parameters(), lr=0.01))

Needs PyTorch, from 1.13 on.
"""
import numpy
import torch
from torch import nn

from ._torch import export
from ._torch.errors import Unrecorded, Unsupported
from ._torch.models import key, weights_of
from ._torch.trace import Translation
from ._torch.write import number, shape_text, wrapped

__all__ = ["Unsupported", "from_torch", "to_state_dict"]

DEFAULT_EPOCHS = 10
TEST_ROWS = 500       # test samples at a time


def from_torch(module, example_input, loss=None, optimizer=None, *, rows=None, test_rows=0, epochs=DEFAULT_EPOCHS, scale=None, weights=True, recorder=None):
    """A program that computes what a module computes, and its weights.

    `example_input` is a tensor, or a tuple of them, whose first axis is the samples; their number is the batch's size. Without `loss` the program applies the
    module, as in evaluation, to an input of so many rows. With `loss` (`CrossEntropyLoss`, `MSELoss` or `BCEWithLogitsLoss`) and `optimizer` (an instance of `SGD`,
    `Adam` or `AdamW`) it trains: `rows` and `test_rows` are the numbers of samples, `epochs` of passes; all of these, the batch's size and the rate are arguments of
    the program, whose defaults are given here. `scale`, such as "1/256", is what the numbers of the input files are multiplied by.

    Returns the source, and a dictionary of arrays in double precision for the program's input `initial` (or `weights`, without a loss): write it with
    `numpy.savez(path, **weights)`. With `weights=False` the program begins with the library's own initial values, and the dictionary is empty.

    `recorder` is "fx" (torch.fx, which keeps modules of your own as functions of their own) or "export" (torch.export, which also sees through conditions of sizes and
    settings); without it, torch.fx, and torch.export where torch.fx cannot.

    What has no counterpart raises `Unsupported`, which names the module's path and what could be used.
    """
    inputs = example_input if isinstance(example_input, (tuple, list)) else (example_input,)
    batches = {len(x) for x in inputs}
    if len(batches) != 1:
        raise ValueError("all inputs have the samples along their first axis, and equally many")
    if (loss is None) != (optimizer is None):
        raise ValueError("training needs both, a loss and an optimizer")
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ValueError(f"{name} is not finite")
    refuse_parametrised(module)
    program = recorded(module, inputs, recorder)
    if loss is None:
        source = applied(program, module, rows or batches.pop(), scale, weights)
    else:
        settings = {"EPOCHS": epochs, "BATCH": batches.pop(), "N": rows, "TEST": test_rows}
        settings["N"] = rows or settings["BATCH"]
        source = trained(program, module, Loss(loss), method(optimizer, module), settings, scale, weights)
    return source, weights_of(module) if weights else {}


def refuse_parametrised(module):
    """A weight that is computed from others has no field in a model."""
    for path, layer in module.named_modules():
        weights = list(getattr(layer, "parametrizations", {}))
        old = [hook.name for hook in layer._forward_pre_hooks.values() if type(hook).__name__ in ("WeightNorm", "SpectralNorm")]
        if weights:
            remove = f"torch.nn.utils.parametrize.remove_parametrizations(layer, {weights[0]!r})"
            raise Unsupported(path, f"{weights[0]} is parametrised", f"the layer after {remove}")
        if old:
            raise Unsupported(path, f"{old[0]} is normalised", "the layer after torch.nn.utils.remove_weight_norm(layer), or remove_spectral_norm(layer)")


def recorded(module, inputs, recorder):
    """The module, by the recorder that is asked for, or by the first that can."""
    if recorder not in (None, "fx", "export"):
        raise ValueError(f"recorder={recorder!r}: it is \"fx\" or \"export\"")
    if recorder == "export" and not export.AVAILABLE:
        raise ValueError(f"PyTorch {torch.__version__} has no torch.export: recorder=\"fx\"")
    if recorder:
        return Translation(module, inputs, recorder)
    try:
        return Translation(module, inputs, "fx")
    except Unrecorded:
        if not export.AVAILABLE:
            raise
        return Translation(module, inputs, "export")


def to_state_dict(arrays, module):
    """Weights that tern has written (the arrays of an npz file) as a state dictionary of the module: `module.load_state_dict(to_state_dict(arrays, module))`."""
    state = module.state_dict()
    for name, tensor in state.items():
        if not name.endswith("num_batches_tracked"):
            values = torch.from_numpy(numpy.asarray(arrays[key(name)]).copy())
            state[name] = values.reshape(tensor.shape).to(tensor.dtype)
    return state


# ---- losses and optimizers


class Loss:
    """A loss as the sum of what each sample has, and what that sum must be divided by."""

    def __init__(self, loss):
        kinds = {nn.CrossEntropyLoss: "cross_entropy", nn.MSELoss: "squared_error", nn.BCEWithLogitsLoss: "binary_cross_entropy"}
        self.name = kinds.get(type(loss))
        if self.name is None:
            known = ", ".join(kind.__name__ for kind in kinds)
            raise Unsupported("loss", f"{type(loss).__name__} has no counterpart", f"one of {known}")
        for option, plain in [("weight", None), ("pos_weight", None), ("label_smoothing", 0.0), ("ignore_index", -100)]:
            if getattr(loss, option, plain) is not plain and getattr(loss, option, plain) != plain:
                raise Unsupported("loss", f"{type(loss).__name__} with {option} has no counterpart", f"leave {option} out")
        if loss.reduction not in ("mean", "sum"):
            raise Unsupported("loss", f"reduction={loss.reduction!r}", "reduction=\"mean\" or reduction=\"sum\"")
        self.mean, self.classes = loss.reduction == "mean", self.name == "cross_entropy"

    def divisor(self, shape):
        """What the sum over a batch is divided by, as a text; None if by nothing."""
        each = 1 if self.classes else numpy.prod([size.count for size in shape[1:]], dtype=int)
        if not self.mean:
            return None
        return "BATCH" if each == 1 else f"(BATCH * {each})"


def method(optimizer, module):
    """The call of an optimizer's step: (the function of optim, the rate, further arguments, the weight decay's argument)."""
    groups = optimizer.param_groups
    own = {id(p) for p in module.parameters()}
    if len(groups) != 1 or {id(p) for p in groups[0]["params"]} != own:
        raise Unsupported("optimizer", "groups of parameters, or not all of the module's", "one group: module.parameters()")
    group, name = groups[0], type(optimizer).__name__
    rate = float(group["lr"])
    if group.get("maximize"):
        raise Unsupported("optimizer", "maximize=True", "the negative loss")
    decay = float(group["weight_decay"])
    if name == "SGD":
        if group["dampening"]:
            raise Unsupported("optimizer", f"dampening={group['dampening']}", "dampening=0")
        options = {"momentum": number(group["momentum"])} if group["momentum"] != 0.9 else {}
        options |= {"nesterov": "true"} if group["nesterov"] else {}
        return "sgd", rate, options, decay
    if type(optimizer) not in (torch.optim.Adam, torch.optim.AdamW):
        raise Unsupported("optimizer", f"{name} has no counterpart", "SGD, Adam or AdamW")
    beta1, beta2 = group["betas"]
    options = {"beta1": number(beta1)} if beta1 != 0.9 else {}
    options |= {"beta2": number(beta2)} if beta2 != 0.999 else {}
    options |= {"amsgrad": "true"} if group["amsgrad"] else {}
    decoupled = type(optimizer) is torch.optim.AdamW or group.get("decoupled_weight_decay")
    return ("adamw" if decoupled else "adam"), rate, options, decay


def step(kind, options, decay, divisor, state):
    """The call of the optimizer: of the sum's gradient, so that plain descent divides its rate, and decay is multiplied."""
    arguments = dict(options)
    rate = f"RATE / {divisor}" if kind == "sgd" and divisor else "RATE"
    if kind == "adamw":
        arguments["decay"] = number(decay)
    elif decay:
        arguments["decay"] = number(decay) + (f" * {divisor}" if divisor else "")
    more = "".join(f", {name}={value}" for name, value in arguments.items())
    return f"optim::{kind}({state}, grad(loss, p), s, {rate}{more})"


# ---- programs


def header(program, title, extra):
    """The names that are used, in the order of the library."""
    used = {module: list(names) for module, names in program.used.items()}
    for model in dict.fromkeys(program.models.uses):
        used.setdefault("nn", []).insert(0, model)
    for name in extra:
        if name not in used.setdefault("nn", []):
            used["nn"].append(name)
    lines = [f"// {title}: from PyTorch."]
    for module in ("nn", "math"):
        if used.get(module):
            models = sorted(name for name in set(used[module]) if name[0].isupper())
            others = [name for name in dict.fromkeys(used[module]) if not name[0].isupper()]
            lines.append(wrapped(f"use {module}::{{", models + others, "}"))
    if "init::" in program.models.text():
        lines.append("use init")
    return lines


def declarations(program):
    """Models and functions, in the order in which they are needed."""
    texts = [program.models.text()] if program.models.declared else []
    return "\n\n".join([*texts, *(writer.called_with(name) for name, writer in program.functions)])


def title_of(module):
    return type(module).__name__


def initial(program, name, weights):
    """The input of the weights, if there is one, and the expression of the model before the first step."""
    if not program.model:
        return "", ""
    if weights:
        return f"input {name}: {program.model} from party 2", name
    return "", program.model if program.model.endswith(")") else f"{program.model}()"


def data_inputs(program, prefix, count, scale):
    """Declarations of the input tensors, and their names."""
    writer = program.root
    placeholders = [node for node in writer.graph.nodes if node.op == "placeholder"]
    lines, names = [], []
    for name, node in zip(writer.params, placeholders):
        value = writer.env[node]
        shape = ", ".join([count, *(str(size) for size in value.shape[1:])])
        kind = "int" if value.whole else "fix"
        options = f", scale = {scale}" if scale and not value.whole else ""
        lines.append((f"input {prefix}{name}:", f"{kind}[{shape}]", f"from party 0{options}, first_rows"))
        names.append(f"{prefix}{name}")
    return lines, names


def table(rows):
    """Declarations with their columns below one another."""
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    return "\n".join(f"{a.ljust(widths[0])} {b.ljust(widths[1])} {c}" for a, b, c in rows)


def applied(program, module, rows, scale, weights):
    """A program that applies a module."""
    declared, model = initial(program, "weights", weights)
    inputs, names = data_inputs(program, "", "N", scale)
    arguments = ", ".join([model] * bool(model) + names + ["false"] * program.root.trains)
    result = f"forward({arguments})"
    body = [f"    let (result, _) = {result}", "    output result = result to party 0"]
    if not program.root.updates:
        body = [f"    output result = {result} to party 0"]
    parts = [
        "\n".join(header(program, title_of(module), [])),
        f"const N = arg({rows})",
        "\n".join([*([declared] if declared else []), table(inputs)]),
        declarations(program),
        "\n".join(["fn main() {", *body, "}"]),
    ]
    return "\n\n".join(parts) + "\n"


def trained(program, module, loss, optimizer, settings, scale, weights):
    """A program that trains a module, as programs/ do."""
    kind, rate, options, decay = optimizer
    tested = settings["TEST"] > 0
    shape = program.root.result.shape
    if loss.classes and len(shape) != 2:
        raise Unsupported("loss", f"cross entropy of logits of shape [{shape_text(shape)}]", "logits of one row per sample: [b, classes]")
    if not program.model:
        raise Unsupported("", "nothing to train: the module has no parameters")
    used = [loss.name] + (["correct"] if tested and loss.classes else [])
    declared, model = initial(program, "initial", weights)
    constants = [("EPOCHS", settings["EPOCHS"]), ("BATCH", settings["BATCH"]), ("RATE", number(rate)), ("N", settings["N"])]
    constants += [("TEST", settings["TEST"])] if tested else []
    lines = [f"const {name.ljust(6)} = arg({value})" for name, value in constants]
    lines += [f"const PART   = min(TEST, {TEST_ROWS})"] if tested else []
    parts = [
        "\n".join([*header(program, title_of(module), used), "use optim"]),
        "\n".join(lines),
        "\n".join([*([declared] if declared else []), all_inputs(program, loss, scale, tested)]),
        declarations(program),
        main(program, loss, (kind, options, decay), model, tested),
    ]
    return "\n\n".join(parts) + "\n"


def all_inputs(program, loss, scale, tested):
    rows = []
    targets = ", ".join(str(size) for size in program.root.result.shape[1:])
    for prefix, count in [("train_", "N"), ("test_", "TEST")][: 1 + tested]:
        rows += data_inputs(program, prefix, count, scale)[0]
        rows.append((f"input {prefix}y:", f"fix[{count}, {targets}]", "from party 1" + (", one_hot" if loss.classes else "") + ", first_rows"))
    return table(rows)


def main(program, loss, optimizer, model, tested):
    """The loop over epochs and batches."""
    root = program.root
    divisor = loss.divisor(root.result.shape)
    call = lambda prefix, rows, train: "forward(p, " + ", ".join(
        [f"{prefix}{name}[{rows}]" for name in root.params] + [train] * root.trains) + ")"
    kind, options, decay = optimizer
    if root.updates:
        first = [f"let (z, q) = {call('train_', 'rows', 'true')}", f"let loss = sum({loss.name}(z, train_y[rows]))"]
    else:
        first = [f"let loss = sum({loss.name}({call('train_', 'rows', 'true')}, train_y[rows]))"]
    first.append(f"(p, s) = {step(kind, options, decay, divisor, 'q' if root.updates else 'p')}")
    first.append(f"total += loss / {divisor or 'BATCH'}")
    body = [f"var p = {model}", "var s = optim::start(p)", "for epoch in 0..EPOCHS {", "    var total = 0.0", "    for rows in batches(N, BATCH) {"]
    body += [f"        {line}" for line in first]
    body += ["    }", "    metric(\"loss\", reveal(total) * BATCH / N)"]
    if tested:
        body += ["    " + line for line in evaluation(root, loss, call)]
    body += ["}", "output weights = p to party 2"]
    return "\n".join(["fn main() {", *(f"    {line}" for line in body), "}"])


def evaluation(root, loss, call):
    """The accuracy of classes, the loss of everything else, on the test samples."""
    part = "i*PART .. +PART"
    name, measure = ("accuracy", "correct") if loss.classes else ("test loss", loss.name)
    lines = ["var hits = 0.0" if loss.classes else "var far = 0.0", "for i in 0..TEST / PART {"]
    total = "hits" if loss.classes else "far"
    z = call("test_", part, "false")
    if root.updates:
        lines.append(f"    let (z, _) = {z}")
        z = "z"
    lines += [f"    {total} += mean({measure}({z}, test_y[{part}]))", "}", f"metric(\"{name}\", reveal({total}) * PART / TEST)"]
    return lines
