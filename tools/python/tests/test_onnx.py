"""Programs of ONNX files against PyTorch, which has written them."""
import numpy
import pytest
import torch
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


def test_what_has_no_counterpart(tmp_path):
    class Sine(nn.Module):
        def forward(self, x):
            return torch.sin(x)

    torch.onnx.export(Sine(), torch.zeros(4, 6), str(tmp_path / "m.onnx"))
    with pytest.raises(tern.Unsupported, match="Sin of ONNX has no counterpart"):
        tern.from_onnx(tmp_path / "m.onnx")
