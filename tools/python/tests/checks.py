"""Programs of from_torch against PyTorch in double precision."""
import os
import pathlib
import subprocess
import tempfile

import numpy
import torch
from torch import nn

import tern

ROOT = pathlib.Path(__file__).resolve().parents[3]
STEPS = 10


def command():
    """The tern command: TERN, or what was built last here; None if there is none."""
    built = [os.environ.get("TERN"), *(ROOT / "target" / kind / "tern" for kind in ("release", "debug"))]
    return next((str(path) for path in built if path and pathlib.Path(path).exists()), None)


def run(source, inputs, f, *arguments):
    """The outputs of a program in the emulator: by output, by tensor. `inputs` are arrays, or dictionaries of them for models."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "program.mpc").write_text(source)
        options = ["--fixed", str(f), "--seed", "1", "--out", str(folder / "out"), *arguments]
        for name, value in inputs.items():
            path = folder / f"{name}.npz"
            numpy.savez(path, **(value if isinstance(value, dict) else {name: value}))
            options += ["--input", f"{name}={path}"]
        result = subprocess.run([command(), "emulate", str(folder / "program.mpc"), *options], capture_output=True, text=True)
        assert result.returncode == 0, f"{result.stdout}{result.stderr}\n{source}"
        return {path.stem: dict(numpy.load(path)) for path in (folder / "out").glob("*.npz")}


def torch_step(module, inputs, target, loss):
    """Result, and the gradient of the loss by every parameter."""
    module.zero_grad()
    result = module(*inputs)
    loss(result, target).backward()
    return result.detach(), {name: p.grad.clone() for name, p in module.named_parameters()}


def double(module, inputs, target, f):
    """Everything in double precision, and numbers as the program has them: multiples of 2^-f."""
    module = module.double()
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            if tensor.is_floating_point():
                tensor.copy_(rounded(tensor, f))
    inputs = tuple(rounded(x.double(), f) if x.is_floating_point() else x for x in inputs)
    return module, inputs, rounded(target.double(), f) if target.is_floating_point() else target


def rounded(x, f):
    return torch.round(x * 2.0**f) / 2.0**f


def relative(found, exact):
    """The largest error, as a part of the largest number."""
    found, exact = numpy.asarray(found, "f8").reshape(exact.shape), numpy.asarray(exact, "f8")
    return float(numpy.abs(found - exact).max() / max(numpy.abs(exact).max(), 1e-12))


def worst(found, exact):
    """The largest relative error of several tensors by their Euclidean norms, which it shows. A tensor whose elements are on average below a hundredth of the largest
    of all counts as having such."""
    size = max(float(tensor.abs().max()) for tensor in exact.values()) / 100
    errors = {}
    for name, tensor in exact.items():
        off = torch.from_numpy(numpy.asarray(found[tern.key(name)], "f8").reshape(tensor.shape)) - tensor
        errors[name] = float(off.norm() / max(tensor.norm(), size * tensor.numel() ** 0.5))
    name = max(errors, key=errors.get)
    print(f"worst {errors[name]:.1e}: {name}, largest {float(exact[name].abs().max()):.1e}")
    return errors[name]


def one_step(source):
    """The program with another main function: result and gradient of the first step, from the whole of the training data."""
    head, main = source.split("fn main() {\n")
    line = next(line.strip() for line in main.splitlines() if "let loss = sum(" in line)
    before = [text.strip() for text in main.splitlines() if "let (z, q) = " in text]
    body = ["let p = initial", *before, line, "output g = grad(loss, p) to party 2"]
    body += ["output z = z to party 2"] if before else ["output z = " + argument(line) + " to party 2"]
    text = "\n".join(f"    {row}" for row in body).replace("[rows]", "")
    kept = [row for row in head.splitlines() if not row.startswith("use optim")]
    return "\n".join(kept) + f"\nfn main() {{\n{text}\n}}\n"


def argument(line):
    """The first argument of the loss in `let loss = sum(LOSS(forward(…), train_y[rows]))`."""
    return line.split("(", 2)[2].rsplit(", train_y", 1)[0]


def file_of(tensor):
    return tensor.detach().numpy()


def check(make, inputs, target, loss, optimizer, f, steps=STEPS, recorder=None):
    """The errors of the result (the largest, as a part of the largest number), of gradients, and of weights after so many steps (of the worst tensor)."""
    torch.manual_seed(3)
    module, inputs, target = double(make(), inputs, target, f)
    module.train()
    optimizer = optimizer(module.parameters())
    source, weights = tern.from_torch(module, tuple(inputs), loss=loss, optimizer=optimizer, epochs=steps, recorder=recorder)
    names = [line.split()[1].rstrip(":") for line in source.splitlines() if line.startswith("input train_")][:-1]
    files = {name: file_of(x) for name, x in zip(names, inputs)} | {"train_y": file_of(target), "initial": weights}
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    result, gradients = torch_step(module, inputs, target, loss)
    module.load_state_dict(before)
    factor = 1 if loss.reduction == "sum" else (result.shape[0] if isinstance(loss, nn.CrossEntropyLoss) else result.numel())
    found = run(one_step(source), files, f)
    errors = {"forward": relative(found["z"]["z"], result)}
    errors["gradient"] = worst(found["g"], {name: factor * g for name, g in gradients.items()})
    for _ in range(steps):
        torch_step(module, inputs, target, loss)
        optimizer.step()
    after = run(source, files, f)["weights"]
    trained = {name: tensor for name, tensor in module.state_dict().items() if not name.endswith("num_batches_tracked")}
    errors["weights"] = worst(after, trained)
    again = tern.to_state_dict(after, module)
    assert set(again) == set(module.state_dict())
    return errors, source


def applied(make, inputs, f):
    """The error of a module's result in evaluation."""
    torch.manual_seed(3)
    module, inputs, _ = double(make(), inputs, torch.zeros(1), f)
    module.eval()
    source, weights = tern.from_torch(module, tuple(inputs))
    names = [line.split()[1].rstrip(":") for line in source.splitlines() if line.startswith("input ")]
    files = dict(zip([name for name in names if name != "weights"], map(file_of, inputs)))
    files |= {"weights": weights} if weights else {}
    with torch.no_grad():
        return relative(run(source, files, f)["result"]["result"], module(*inputs)), source
