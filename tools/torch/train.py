"""Train in PyTorch as the programs do, and write weights for tern: train.py NETWORK DATA EPOCHS WEIGHTS.npz [SEED]"""
import sys

import numpy
import torch
from networks import NETWORKS, data

name, folder, epochs, weights, *seed = sys.argv[1:]
torch.manual_seed(int(seed[0]) if seed else 1)
batch, rate = (50, 0.05) if name == "digits" else (128, 0.01)
net = NETWORKS[name]()
for layer in net:
    if hasattr(layer, "weight"):
        torch.nn.init.xavier_uniform_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
optimizer = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9)
(images, labels), test = data(folder, "train"), data(folder, "test")
for epoch in range(int(epochs)):
    for rows in torch.randperm(len(images)).split(batch):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(images[rows]), labels[rows]).backward()
        optimizer.step()
    with torch.no_grad():
        print(f"accuracy {(net(test[0]).argmax(1) == test[1]).float().mean():.4f}", flush=True)
numpy.savez(weights, **{key: value.numpy() for key, value in net.state_dict().items()})
