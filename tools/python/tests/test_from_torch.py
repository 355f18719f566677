"""What from_torch writes computes what PyTorch computes: forward, gradients, and weights after ten steps, at both precisions."""
import json
import os
import subprocess

import pytest
import torch
from checks import ROOT, applied, check, command
from networks import CASES, CROSS, MODELS, RECTIFIED, SAMPLES, LeNet, Residual, Transformer, numbers
from table import written
from torch import nn

import tern
from tern._torch import export

pytestmark = pytest.mark.skipif(command() is None, reason="no tern command")

# What errors may be, as parts of the largest number.
BOUNDS = {16: {"forward": 0.01, "gradient": 0.02, "weights": 0.02}, 32: {"forward": 2.0**-26, "gradient": 1e-5, "weights": 1e-5}}

FOUND = {}


@pytest.mark.parametrize("f", [16, 32])
@pytest.mark.parametrize("name", [*CASES, *MODELS])
def test_as_in_pytorch(name, f):
    errors, source = check(*(CASES | MODELS)[name], f)
    FOUND.setdefault(name, {})[f] = errors
    too_large = {what: error for what, error in errors.items() if not error <= BOUNDS[f][what]}
    assert not too_large, f"{name}, f = {f}: {too_large}\n{source}"


def test_a_residual_network_with_rectifiers():
    """At f = 32; at f = 16 in the result."""
    errors, source = check(*RECTIFIED, 32)
    assert all(errors[what] <= BOUNDS[32][what] for what in errors), f"{errors}\n{source}"
    errors, source = check(*RECTIFIED, 16)
    assert errors["forward"] <= BOUNDS[16]["forward"], f"{errors}\n{source}"


@pytest.mark.skipif(not export.AVAILABLE, reason="this PyTorch has no torch.export")
@pytest.mark.parametrize("name", [*CASES, *MODELS])
def test_as_in_pytorch_by_torch_export(name):
    errors, source = check(*(CASES | MODELS)[name], 32, recorder="export")
    too_large = {what: error for what, error in errors.items() if not error <= BOUNDS[32][what]}
    assert not too_large, f"{name}: {too_large}\n{source}"


class Conditional(nn.Module):
    """What torch.fx cannot record: a condition of sizes."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 3)

    def forward(self, x):
        if x.shape[1] == 8:
            x = torch.relu(x)
        return self.fc(x)


class Scaled(nn.Module):
    """With arguments that are mostly left out."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def forward(self, x, y=None, scale=0.5):
        return self.fc(x) * scale if y is None else self.fc(x) * scale + y


class Uses(nn.Module):
    def __init__(self):
        super().__init__()
        self.part, self.other = Scaled(), Scaled()

    def forward(self, x, mask=None):
        x = self.part(x)
        return self.other(y=x, x=torch.relu(x)) if mask is None else x * mask


def test_arguments_with_defaults_and_by_name():
    error, source = applied(Uses, (numbers(8),), 32)
    assert error <= BOUNDS[32]["forward"], source
    assert "scaled(p.part, x)" in source and "p.other" in source


def test_conditions_of_sizes():
    x = numbers(8)
    if export.AVAILABLE:
        error, source = applied(Conditional, (x,), 32)
        assert error <= BOUNDS[32]["forward"], source
    else:
        with pytest.raises(tern.Unsupported, match="depends on the values"):
            tern.from_torch(Conditional(), x)


def test_the_table_in_docs():
    """docs/from-pytorch-errors.md names every case; UPDATE_EXPECT=1 writes it anew, after all cases have run."""
    page = ROOT / "docs" / "from-pytorch-errors.md"
    if os.environ.get("UPDATE_EXPECT") and len(FOUND) == len(CASES | MODELS):
        page.write_text(written(FOUND, BOUNDS, torch.__version__))
    text = page.read_text()
    assert all(f"| {name} |" in text for name in CASES | MODELS), "UPDATE_EXPECT=1 pytest tools/python/tests"


@pytest.mark.parametrize("f", [16, 32])
def test_in_evaluation(f):
    """Running statistics are used, dropout is not."""
    images = numbers(3, 8, 8, samples=4)

    def make():
        net = nn.Sequential(Residual(), nn.Dropout(0.5))
        net.train()
        for _ in range(3):
            net(numbers(3, 8, 8, samples=20).to(next(net.parameters()).dtype))
        return net

    error, source = applied(make, (images,), f)
    assert error <= BOUNDS[f]["forward"], source


def lenet(**options):
    net = LeNet()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    return tern.from_torch(
        net, torch.zeros(128, 1, 28, 28), loss=CROSS, optimizer=optimizer, rows=60000, test_rows=10000, epochs=15, scale="1/256", **options
    )[0]


def cost(path, *more):
    result = subprocess.run([command(), "cost", str(path), "--json", *more], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_lenet_is_what_a_person_has_written(tmp_path):
    """No longer than programs/mnist_c.mpc, and as dear to the bit, with as many test images as both take at a time."""
    by_hand = ROOT / "programs" / "mnist_c.mpc"
    source = lenet(weights=False)
    assert len(source.splitlines()) <= len(by_hand.read_text().splitlines()), source
    path = tmp_path / "lenet.mpc"
    path.write_text(source)
    ours, theirs = (cost(program, "--arg", "TEST=250") for program in (path, by_hand))
    assert {key: ours[key] for key in ("rounds", "bits")} == {key: theirs[key] for key in ("rounds", "bits")}


def test_sources_are_as_they_were(tmp_path):
    """Golden sources of whole models, to be read."""
    torch.manual_seed(3)
    folder = ROOT / "tools" / "python" / "tests" / "sources"
    for name in ("LeNet", "residual network", "transformer block", "GRU network", "AlexNet for CIFAR-10"):
        make, inputs, _, loss, optimizer = MODELS[name]
        net = make()
        source, _ = tern.from_torch(net, inputs, loss=loss, optimizer=optimizer(net.parameters()))
        path = folder / f"{name.replace(' ', '_')}.mpc"
        if os.environ.get("UPDATE_EXPECT"):
            path.write_text(source)
        assert path.read_text() == source, f"UPDATE_EXPECT=1 rewrites {path}"


def test_a_state_dictionary_comes_back():
    net = Residual()
    _, weights = tern.from_torch(net, numbers(3, 8, 8, samples=4))
    other = Residual()
    other.load_state_dict(tern.to_state_dict(weights, other))
    for one, two in zip(net.state_dict().values(), other.state_dict().values()):
        assert torch.equal(one, two) or one.dtype == torch.int64


@pytest.mark.parametrize("make, x", [(lambda: nn.Linear(8, 3), numbers(8)), (lambda: nn.Conv2d(2, 3, 3), numbers(2, 5, 5))])
def test_a_layer_alone(make, x):
    error, source = applied(make, (x,), 32)
    assert error <= BOUNDS[32]["forward"], source


def test_the_module_stays_as_it_is():
    """Neither its weights and statistics nor its mode change."""
    net = Transformer()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    tern.from_torch(net, torch.zeros(SAMPLES, 6, dtype=torch.int64))
    assert net.training and isinstance(net.block, nn.TransformerEncoderLayer)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_any_number_of_samples(tmp_path):
    """Sizes that follow the batch do so in the program: another batch than the example's."""
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3)).double()
    source, weights = tern.from_torch(net, torch.zeros(5, 1, 6, 6, dtype=torch.float64))
    from checks import relative, run

    x = numbers(1, 6, 6, samples=7).double()
    with torch.no_grad():
        exact = net(x)
    found = run(source, {"x": x.numpy(), "weights": weights}, 32, "--arg", "N=7")
    assert relative(found["result"]["result"], exact) < 2.0**-26
