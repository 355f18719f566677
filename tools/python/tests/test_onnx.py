"""Programs of ONNX files against PyTorch, which has written them."""
import os
import subprocess
import sys

import numpy
import pytest
import torch
from checks import command
from torch import nn

import tern

onnx = pytest.importorskip("onnx")


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.skip = nn.Conv2d(1, 4, 1)
        self.l1 = nn.Linear(4 * 4 * 4, 10)

    def forward(self, x):
        y = torch.relu(self.norm(self.conv(x))) + self.skip(x) * 0.5
        y = nn.functional.max_pool2d(y, 2)
        return torch.softmax(self.l1(y.flatten(1)), 1)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(8, 8) for _ in range(3))
        self.out = nn.Linear(8, 2)

    def forward(self, x):
        scores = torch.softmax(self.q(x) @ self.k(x).transpose(1, 2) / 8**0.5, -1)
        return self.out((scores @ self.v(x)).mean(1))


MODELS = {
    "a perceptron": (lambda: nn.Sequential(nn.Linear(6, 8), nn.LeakyReLU(0.1), nn.Linear(8, 3), nn.Tanh()), (4, 6)),
    "a network of convolutions": (Block, (3, 1, 8, 8)),
    "a convolution over time": (lambda: nn.Sequential(nn.Conv1d(2, 4, 3, stride=2), nn.ReLU(), nn.AvgPool1d(2), nn.Flatten(), nn.Linear(8, 2)), (4, 2, 11)),
    "attention": (Attention, (2, 5, 8)),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("folded", [True, False])
def test_a_model(name, folded, tmp_path):
    torch.manual_seed(2)
    make, shape = MODELS[name]
    net = make().eval()
    x = torch.randn(shape)
    mode = torch.onnx.TrainingMode.EVAL if folded else torch.onnx.TrainingMode.PRESERVE
    torch.onnx.export(net, x, str(tmp_path / "m.onnx"), training=mode, do_constant_folding=folded, dynamic_axes={"x": {0: "n"}}, input_names=["x"])
    source, weights = tern.from_onnx(tmp_path / "m.onnx", rows=shape[0])
    result = tern.compile(source).emulate({"x": x, **({"weights": weights} if weights else {})}, seed=1)
    with torch.no_grad():
        assert numpy.allclose(result["result"], net(x).numpy(), atol=5e-3), source


def test_names_come_from_the_file(tmp_path):
    net = nn.Sequential()
    net.add_module("first", nn.Linear(6, 8))
    net.add_module("act", nn.ReLU())
    net.add_module("second", nn.Linear(8, 3))
    torch.onnx.export(net, torch.zeros(4, 6), str(tmp_path / "m.onnx"))
    source, weights = tern.from_onnx(tmp_path / "m.onnx")
    assert set(weights) == {"first.weight", "first.bias", "second.weight", "second.bias"} and "first:  Dense(6, 8)" in source
    assert source.startswith("// Network: from m.onnx.\n")


def test_trained_on(tmp_path):
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    torch.onnx.export(net, torch.zeros(4, 6), str(tmp_path / "m.onnx"))
    module, example = tern.onnx_module(tmp_path / "m.onnx")
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    source, weights = tern.from_torch(module, example, loss=nn.CrossEntropyLoss(), optimizer=optimizer, rows=8, epochs=1)
    assert tern.compile(source).cost().rounds > 0 and len(weights) == 4


def exported(path, shape=(4, 6)):
    """A perceptron as a file, and itself."""
    torch.manual_seed(2)
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    torch.onnx.export(net, torch.zeros(shape), str(path))
    return net


def test_tensors_in_other_files(tmp_path):
    exported(tmp_path / "m.onnx")
    expected = tern.from_onnx(tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    onnx.save_model(model, tmp_path / "big.onnx", save_as_external_data=True, location="big.data", size_threshold=0)
    source, weights = tern.from_onnx(tmp_path / "big.onnx")
    assert source == expected[0].replace("m.onnx", "big.onnx") and set(weights) == set(expected[1])
    assert all(numpy.array_equal(weights[name], expected[1][name]) for name in weights)
    (tmp_path / "big.data").rename(tmp_path / "elsewhere")
    with pytest.raises(tern.DataError, match="big.onnx cannot be read as ONNX: .*big.data"):
        tern.from_onnx(tmp_path / "big.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(tern.DataError, match="text.onnx cannot be read as ONNX"):
        tern.from_onnx(tmp_path / "text.onnx")


def imports(folder, *arguments):
    """What `tern import` does with this Python: its code, output and errors."""
    call = [command(), "import", *arguments, "--python", sys.executable]
    done = subprocess.run(call, cwd=folder, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.skipif(command() is None, reason="no tern command")
def test_the_command_gives_the_same(tmp_path):
    exported(tmp_path / "m.onnx")
    code, said, errors = imports(tmp_path, "m.onnx", "--rows", "20", "--scale", "1/4")
    assert code == 0, errors
    assert said.startswith("m.mpc: the program, for the inputs ") and said.endswith("m.npz: its weights, 4 tensors: --input weights=m.npz\n")
    source, weights = tern.from_onnx(tmp_path / "m.onnx", rows=20, scale="1/4")
    assert (tmp_path / "m.mpc").read_text() == source
    written = numpy.load(tmp_path / "m.npz")
    assert set(written) == set(weights) and all(numpy.array_equal(written[name], weights[name]) for name in weights)
    code, _, errors = imports(tmp_path, "m.onnx")
    assert code == 1 and "m.mpc is there already" in errors and "--replace" in errors
    (tmp_path / "onnx.py").write_text("raise SystemExit('a module that lies about')")
    training = ["--loss", "cross-entropy", "--optimizer", "sgd,lr=0.1,momentum=0.5", "--batch", "5", "--epochs", "3"]
    code, said, errors = imports(tmp_path, "m.onnx", "--replace", "--rows", "20", *training)
    assert code == 0 and "--input initial=m.npz" in said, errors
    optimizer = lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.5)
    assert (tmp_path / "m.mpc").read_text() == tern.from_onnx(tmp_path / "m.onnx", nn.CrossEntropyLoss(), optimizer, rows=20, batch=5, epochs=3)[0]
    for arguments, text in [
        (["none.onnx"], "none.onnx cannot be read as ONNX"),
        (["m.onnx", "--replace", "--loss", "mse", "--optimizer", "newton"], "there are sgd, adam, adamw"),
        (["m.onnx", "--replace", "--loss", "mse", "--optimizer", "sgd,speed=3"], "speed"),
    ]:
        code, said, errors = imports(tmp_path, *arguments)
        assert code == 1 and text in errors and "Traceback" not in errors and not said, errors
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".tern-import")]


def test_what_has_no_counterpart(tmp_path):
    class Sine(nn.Module):
        def forward(self, x):
            return torch.sin(x)

    torch.onnx.export(Sine(), torch.zeros(4, 6), str(tmp_path / "m.onnx"))
    with pytest.raises(tern.Unsupported, match="Sin of ONNX has no counterpart"):
        tern.from_onnx(tmp_path / "m.onnx")
