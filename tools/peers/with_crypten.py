"""CrypTen 0.4.1, 16 fraction bits, two parties in threads of one process."""

import crypten
import torch

from points import FUNCTIONS, points, show

OPERATIONS = {
    "exp": lambda x: x.exp(),
    "reciprocal": lambda x: x.reciprocal(),
    "inverse root": lambda x: x.inv_sqrt(),
    "root": lambda x: x.sqrt(),
    "ln": lambda x: x.log(),
    "sigmoid": lambda x: x.sigmoid(),
    "tanh": lambda x: x.tanh(),
}
crypten.init()
torch.set_num_threads(1)
for name in FUNCTIONS:
    x = crypten.cryptensor(torch.tensor(points(name)))
    show("CrypTen 0.4.1, 16 bits", name, OPERATIONS[name](x).get_plain_text().double().tolist())
