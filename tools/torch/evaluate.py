"""Accuracy in floating point of weights that tern has written: evaluate.py NETWORK WEIGHTS DATA"""
import sys

import torch
from networks import NETWORKS, data, load

name, weights, folder = sys.argv[1:]
net = NETWORKS[name]()
net.load_state_dict({key: torch.from_numpy(value) for key, value in load(weights).items()})
images, labels = data(folder, "test")
with torch.no_grad():
    print(f"accuracy {(net(images).argmax(1) == labels).float().mean():.4f}")
