"""What is translated: each layer in a small network, and whole models. A case is (module, inputs, target, loss, optimizer)."""
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

SAMPLES = 12

SGD = partial(torch.optim.SGD, lr=0.1, momentum=0.9)


def seeded(make):
    """A tensor that is the same every time."""
    torch.manual_seed(7)
    return make()


def numbers(*shape, samples=SAMPLES):
    return seeded(lambda: torch.randn(samples, *shape))


def classes(n, samples=SAMPLES):
    return seeded(lambda: torch.randint(0, n, (samples,)))


class Called(nn.Module):
    """A function behind a dense layer, before another."""

    def __init__(self, function, shape, inner=None, outer=None, features=3):
        super().__init__()
        size = inner or int(torch.tensor(shape).prod())
        self.first, self.last = nn.Linear(8, size), nn.Linear(outer or size, features)
        self.function, self.shape = function, shape

    def forward(self, x):
        return self.last(self.function(self.first(x).view(-1, *self.shape)).flatten(1))


def called(function, *shape, outer=None):
    return lambda: Called(function, shape, outer=outer)


def image(*layers, outer):
    """Layers of an image, and a dense one."""
    return lambda: nn.Sequential(nn.Conv2d(2, 4, 3), *[layer() for layer in layers], nn.Flatten(), nn.Linear(outer, 3))


def row(*layers, outer):
    return lambda: nn.Sequential(*[layer() for layer in layers], nn.Flatten(), nn.Linear(outer, 3))


class Last(nn.Module):
    """The last output, or the last state, of a recurrent layer."""

    def __init__(self, layer, state, inside=True):
        super().__init__()
        self.rnn, self.state, self.inside = layer, state, inside
        self.fc = nn.Linear(layer.hidden_size * (2 if layer.bidirectional and not state else 1), 3)

    def forward(self, x):
        if not self.inside:
            x = x.transpose(0, 1)
        output, state = self.rnn(x)
        if self.state:
            state = state[0] if isinstance(self.rnn, nn.LSTM) else state
            return self.fc(state[-1])
        return self.fc(output[:, -1] if self.inside else output[-1])


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 6)
        self.fc = nn.Linear(6, 3)

    def forward(self, tokens):
        return self.fc(self.embedding(tokens).mean(dim=1))


class Attention(nn.Module):
    def __init__(self, batch_first=True):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=batch_first)
        self.fc = nn.Linear(8, 3)
        self.inside = batch_first

    def forward(self, x):
        x = x if self.inside else x.permute(1, 0, 2)
        x, _ = self.attention(x, x, x)
        return self.fc(x.mean(dim=1 if self.inside else 0))


class Heads(nn.Module):
    """Attention written out, with matmul and softmax."""

    def __init__(self):
        super().__init__()
        self.qkv, self.fc = nn.Linear(8, 24), nn.Linear(8, 3)
        self.position = nn.Parameter(0.1 * torch.randn(5, 8))

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = self.qkv(x + self.position).view(b, t, 3, 2, 4).permute(2, 0, 3, 1, 4)
        y = F.softmax(q @ k.transpose(-2, -1) / 2.0, dim=-1) @ v
        return self.fc(y.transpose(1, 2).reshape(b, t, c).mean(1))


class Joined(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(8, 5), nn.Linear(8, 4), nn.Linear(9, 3)

    def forward(self, x):
        return self.c(torch.cat([torch.relu(self.a(x)), self.b(x)], dim=1))


class Block(nn.Module):
    """Of a residual network."""

    def __init__(self, channels, filters, stride, activation):
        super().__init__()
        self.activation = activation
        self.conv1 = nn.Conv2d(channels, filters, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels != filters:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, filters, 1, stride=stride, bias=False), nn.BatchNorm2d(filters))

    def forward(self, x):
        out = self.activation(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return self.activation(out)


class Residual(nn.Module):
    def __init__(self, activation=F.relu):
        super().__init__()
        self.activation = activation
        self.conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(4)
        self.layer1 = nn.Sequential(Block(4, 4, 1, activation), Block(4, 4, 1, activation))
        self.layer2 = nn.Sequential(Block(4, 8, 2, activation), Block(8, 8, 1, activation))
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        x = self.activation(self.bn(self.conv(x)))
        x = self.layer2(self.layer1(x))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(13, 8)
        self.position = nn.Parameter(0.1 * torch.randn(1, 6, 8))
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, activation="gelu", batch_first=True)
        self.fc = nn.Linear(8, 4)

    def forward(self, tokens):
        return self.fc(self.block(self.embedding(tokens) + self.position).mean(dim=1))


class LeNet(nn.Module):
    """As programs/mnist_c.mpc."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.fc1 = nn.Linear(800, 500)
        self.fc2 = nn.Linear(500, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc2(x)


def alexnet():
    """For images of 32 by 32, as in CIFAR-10, in full: five convolutions, overlapping pooling, three dense layers; 3.9 million parameters. The weights begin as He's, so that
    gradients reach the first layers: the last convolutions are of images of one pixel, which one of nine weights sees."""
    net = nn.Sequential(
        nn.Conv2d(3, 96, 11, stride=4, padding=9), nn.ReLU(), nn.MaxPool2d(3, stride=2),
        nn.Conv2d(96, 256, 5, padding=1), nn.ReLU(), nn.MaxPool2d(2, stride=1),
        nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10),
    )
    for layer in net:
        if hasattr(layer, "weight"):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            layer.weight.data *= 3 if layer.weight.shape[2:] == (3, 3) else 1
    return net


X, Y = numbers(8), classes(3)
IMAGES = numbers(2, 9, 9)
ROWS = numbers(4, 11)
SERIES = numbers(5, 8)
TOKENS = seeded(lambda: torch.randint(0, 11, (SAMPLES, 4)))
CROSS = nn.CrossEntropyLoss()


def layer(make, x=IMAGES):
    return make, (x,), Y, CROSS, SGD


CASES = {
    "Linear": layer(called(torch.relu, 6), X),
    "Linear without bias": layer(lambda: nn.Sequential(nn.Linear(8, 6, bias=False), nn.Tanh(), nn.Linear(6, 3)), X),
    "Conv2d": layer(image(nn.ReLU, outer=196)),
    "Conv2d, stride 2": layer(image(nn.ReLU, lambda: nn.Conv2d(4, 4, 3, stride=2), outer=36)),
    "Conv2d, padding 1": layer(image(nn.ReLU, lambda: nn.Conv2d(4, 4, 3, padding=1), outer=196)),
    "Conv2d, padding 2 by 1, stride 2 by 1, window 3 by 2": layer(image(lambda: nn.Conv2d(4, 4, (3, 2), stride=(2, 1), padding=(2, 1)), outer=160)),
    "Conv2d, dilation 2": layer(image(nn.ReLU, lambda: nn.Conv2d(4, 4, 3, dilation=2), outer=36)),
    "Conv2d, 2 groups": layer(image(nn.ReLU, lambda: nn.Conv2d(4, 6, 3, groups=2, bias=False), outer=150)),
    "Conv2d, depthwise": layer(image(nn.ReLU, lambda: nn.Conv2d(4, 8, 3, groups=4), outer=200)),
    "Conv1d": layer(row(lambda: nn.Conv1d(4, 5, 3), nn.ReLU, lambda: nn.Conv1d(5, 4, 3, stride=2, padding=2, dilation=2), outer=20), ROWS),
    "Conv1d, 2 groups": layer(row(lambda: nn.Conv1d(4, 6, 3, groups=2), nn.ReLU, outer=54), ROWS),
    "BatchNorm1d": layer(lambda: nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3)), X),
    "BatchNorm2d": layer(image(lambda: nn.BatchNorm2d(4), nn.Tanh, outer=196)),
    "LayerNorm": layer(lambda: nn.Sequential(nn.Linear(8, 6), nn.LayerNorm(6), nn.ReLU(), nn.Linear(6, 3)), X),
    "ReLU": layer(called(nn.ReLU(), 6), X),
    "LeakyReLU": layer(called(nn.LeakyReLU(0.1), 6), X),
    "GELU": layer(called(nn.GELU(), 6), X),
    "GELU, by tanh": layer(called(nn.GELU(approximate="tanh"), 6), X),
    "SiLU": layer(called(nn.SiLU(), 6), X),
    "Tanh": layer(called(nn.Tanh(), 6), X),
    "Sigmoid": layer(called(nn.Sigmoid(), 6), X),
    "Softmax": layer(called(nn.Softmax(dim=-1), 6), X),
    "MaxPool2d": layer(image(lambda: nn.MaxPool2d(2), outer=36)),
    "MaxPool2d, overlapping, padded": layer(image(lambda: nn.MaxPool2d(3, stride=2, padding=1), outer=64)),
    "MaxPool1d": layer(row(lambda: nn.Conv1d(4, 4, 2), lambda: nn.MaxPool1d(2), outer=20), ROWS),
    "AvgPool2d": layer(image(lambda: nn.AvgPool2d(2), outer=36)),
    "AvgPool2d, overlapping, padded": layer(image(lambda: nn.AvgPool2d(3, stride=2, padding=1), outer=64)),
    "AdaptiveAvgPool2d": layer(image(lambda: nn.AdaptiveAvgPool2d((3, 2)), outer=24)),
    "AdaptiveAvgPool2d, one": layer(image(lambda: nn.AdaptiveAvgPool2d(1), outer=4)),
    "AdaptiveMaxPool2d": layer(image(lambda: nn.AdaptiveMaxPool2d(1), outer=4)),
    "Dropout, Flatten": layer(image(lambda: nn.Dropout(0.0), outer=196)),
    "Embedding": layer(Words, TOKENS),
    "residual sum": layer(called(lambda h: h + torch.tanh(h), 6), X),
    "concatenation": layer(Joined, X),
    "matmul": layer(called(lambda h: torch.matmul(h, h.transpose(1, 2)), 3, 4, outer=9), X),
    "arithmetic": layer(called(lambda h: (2 * h - 1) * h / 4 + (h - 8).abs().sqrt().clamp(2.0, 2.9) - h ** 2, 6), X),
    "slices and stacks": layer(called(lambda h: torch.stack([h[:, 0], h[:, -1] - h[:, 1:3].sum(dim=1)], 1), 3, 2, outer=4), X),
    "parts": layer(called(lambda h: h.chunk(2, dim=1)[0] * h.split([4, 2], dim=1)[0][:, 1:4].unsqueeze(2).squeeze(2), 6, outer=3), X),
    "MultiheadAttention": layer(Attention, SERIES),
    "MultiheadAttention, time first": layer(lambda: Attention(False), SERIES),
    "attention of matmul and softmax": layer(Heads, SERIES),
    "GRU": layer(lambda: Last(nn.GRU(8, 6, batch_first=True), False), SERIES),
    "GRU, two layers, time first": layer(lambda: Last(nn.GRU(8, 6, 2), False, inside=False), SERIES),
    "GRU, last state": layer(lambda: Last(nn.GRU(8, 6, batch_first=True), True), SERIES),
    "GRU, both directions": layer(lambda: Last(nn.GRU(8, 4, batch_first=True, bidirectional=True), False), SERIES),
    "LSTM": layer(lambda: Last(nn.LSTM(8, 6, batch_first=True), False), SERIES),
    "LSTM, two layers, last state": layer(lambda: Last(nn.LSTM(8, 6, 2, batch_first=True), True), SERIES),
}


def small():
    return nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3))


def with_loss(loss, target):
    return small, (X,), target, loss, SGD


def with_optimizer(kind, **options):
    return small, (X,), Y, CROSS, partial(kind, **options)


CASES |= {
    "cross entropy": with_loss(nn.CrossEntropyLoss(), Y),
    "cross entropy, summed": (small, (X,), Y, nn.CrossEntropyLoss(reduction="sum"), partial(torch.optim.SGD, lr=0.01, momentum=0.9)),
    "MSE": with_loss(nn.MSELoss(), numbers(3)),
    "BCE with logits": with_loss(nn.BCEWithLogitsLoss(), seeded(lambda: torch.randint(0, 2, (SAMPLES, 3)).float())),
    "SGD": with_optimizer(torch.optim.SGD, lr=0.1),
    "SGD, momentum": with_optimizer(torch.optim.SGD, lr=0.1, momentum=0.8),
    "SGD, Nesterov, weight decay": with_optimizer(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "Adam": with_optimizer(torch.optim.Adam, lr=0.01),
    "Adam, weight decay": with_optimizer(torch.optim.Adam, lr=0.01, weight_decay=0.01),
    "AMSGrad": with_optimizer(torch.optim.Adam, lr=0.01, amsgrad=True),
    "AdamW": with_optimizer(torch.optim.AdamW, lr=0.01, weight_decay=0.1),
    "weight decay beside batch normalisation": (
        lambda: nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3)), (X,), Y, CROSS,
        partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=0.01),
    ),
}

def descent(rate):
    return partial(torch.optim.SGD, lr=rate, momentum=0.9)


MODELS = {
    "LeNet": (LeNet, (numbers(1, 28, 28, samples=32),), classes(10, 32), CROSS, descent(0.01)),
    "AlexNet for CIFAR-10": (alexnet, (numbers(3, 32, 32, samples=32),), classes(10, 32), CROSS, descent(0.001)),
    "residual network": (lambda: Residual(F.silu), (numbers(3, 8, 8),), classes(5), CROSS, descent(0.01)),
    "transformer block": (Transformer, (seeded(lambda: torch.randint(0, 13, (32, 6))),), classes(4, 32), CROSS, descent(0.1)),
    "GRU network": (lambda: Last(nn.GRU(8, 12, batch_first=True), False), (numbers(8, 8, samples=32),), classes(3, 32), CROSS, descent(0.1)),
}

# With rectifiers, at f = 16 a single one on the other side of 0 changes a gradient behind a batch normalisation by several percent.
RECTIFIED = (Residual, (numbers(3, 8, 8),), classes(5), CROSS, descent(0.01))
