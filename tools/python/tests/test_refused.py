"""What has no counterpart is refused with its place and a way out."""
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import tern


def refused(module, *inputs, **options):
    with pytest.raises(tern.Unsupported) as found:
        tern.from_torch(module, inputs or torch.zeros(4, 8), **options)
    return found.value


class Inside(nn.Module):
    def __init__(self, part):
        super().__init__()
        self.block = nn.Sequential(nn.Linear(8, 8), part)

    def forward(self, x):
        return self.block(x)


class Calls(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


@pytest.mark.parametrize(
    "part, instead",
    [
        (nn.ELU(), "torch.nn.ReLU"),
        (nn.LogSoftmax(dim=1), "CrossEntropyLoss"),
        (nn.GroupNorm(2, 8), "LayerNorm"),
        (nn.BatchNorm1d(8, affine=False), "affine=True"),
        (nn.BatchNorm1d(8, momentum=None), "momentum=0.1"),
        (nn.Softmax(dim=0), "dim=-1"),
    ],
)
def test_a_layer(part, instead):
    error = refused(Inside(part))
    assert error.path.startswith("block.1") and instead in error.instead, error


@pytest.mark.parametrize(
    "function, words",
    [
        (lambda x: F.log_softmax(x, dim=1), "CrossEntropyLoss"),
        (lambda x: torch.fft.fft(x).real, "no counterpart"),
        (lambda x: x / x.shape[0], "number of samples"),
        (lambda x: x if x.sum() > 0 else -x, "torch.where"),
        (lambda x: (x, x), "several results"),
        (lambda x: x[:, ::2], "subscript"),
        (lambda x: x ** 0.5, "torch.sqrt"),
    ],
)
def test_a_function(function, words):
    assert words in str(refused(Calls(function)))


def test_an_input_that_is_missing():
    class Two(nn.Module):
        def forward(self, x, y):
            return x + y

    assert "an example of every input" in refused(Two()).instead


def test_a_part_called_with_a_number():
    class Part(nn.Module):
        def forward(self, x, factor=1.0):
            return x * factor

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.part = Part()

        def forward(self, x):
            return self.part(x, factor=2.0)

    error = refused(Whole())
    assert error.path == "part" and "__init__" in error.instead


def test_a_convolution_with_reflections():
    error = refused(nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect")), torch.zeros(2, 1, 5, 5))
    assert error.path == "0" and "padding_mode='zeros'" in error.instead


def test_attention_with_a_mask():
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
            self.register_buffer("mask", torch.zeros(3, 3))

        def forward(self, x):
            return self.attention(x, x, x, attn_mask=self.mask)[0]

    error = refused(Masked(), torch.zeros(2, 3, 8))
    assert error.path == "attention" and "mask" in error.why


def test_losses_and_optimizers():
    net = nn.Linear(8, 3)
    sgd = torch.optim.SGD(net.parameters(), lr=0.1)
    assert "CrossEntropyLoss" in refused(net, loss=nn.L1Loss(), optimizer=sgd).instead
    assert "label_smoothing" in refused(net, loss=nn.CrossEntropyLoss(label_smoothing=0.1), optimizer=sgd).why
    assert "AdamW" in refused(net, loss=nn.MSELoss(), optimizer=torch.optim.RMSprop(net.parameters())).instead
    damped = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, dampening=0.5)
    assert "dampening=0" in refused(net, loss=nn.MSELoss(), optimizer=damped).instead
    some = torch.optim.SGD([net.weight], lr=0.1)
    assert "module.parameters()" in refused(net, loss=nn.MSELoss(), optimizer=some).instead


def test_arguments():
    net = nn.Linear(8, 3)
    with pytest.raises(ValueError, match="both"):
        tern.from_torch(net, torch.zeros(4, 8), loss=nn.MSELoss())
    with torch.no_grad():
        net.weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match="weight is not finite"):
        tern.from_torch(net, torch.zeros(4, 8))
