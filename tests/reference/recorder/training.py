"""Whole trainings: a small network step by step, and the accuracy that Fashion-MNIST's network should reach."""
import gzip

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from recorder.case import grid, labels, spec, values

FASHION_MNIST = "/usr/share/datasets/fashion-mnist/"   # Debian's dataset-fashion-mnist


def small_network(dtype, x, y, initial, steps):
    """A 4-8-3 tanh network under Adam(lr = 0.01) and cross entropy: the losses, and the parameters at the end."""
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).to(dtype)
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), initial):
            parameter.copy_(value)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(steps):
        loss = F.cross_entropy(model(x.to(dtype)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "parameters": [values(parameter) for parameter in model.parameters()]}


def images(name):
    raw = np.frombuffer(gzip.open(FASHION_MNIST + name).read(), np.uint8, offset=16)
    return torch.from_numpy(raw.reshape(-1, 784).astype(np.float32) / 255)


def classes(name):
    return torch.from_numpy(np.frombuffer(gzip.open(FASHION_MNIST + name).read(), np.uint8, offset=8).astype(np.int64))


def fashion_mnist(seed, epochs):
    """Test accuracy after each epoch of a 784-256-10 ReLU network, Adam(lr = 1e-3), batch 64, pixels / 255."""
    x, y = images("train-images-idx3-ubyte.gz"), classes("train-labels-idx1-ubyte.gz")
    x_test, y_test = images("t10k-images-idx3-ubyte.gz"), classes("t10k-labels-idx1-ubyte.gz")
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    accuracy = []
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(64):
            loss = F.cross_entropy(model(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            accuracy.append((model(x_test).argmax(1) == y_test).sum().item() / len(y_test))
    return accuracy


def record():
    x, y = grid(12, 4), labels(3, 12)
    initial = [grid(*shape, step=1 / 32, reach=0.5) for shape in ((8, 4), (8,), (3, 8), (3,))]
    seeds, epochs = list(range(10)), 3
    accuracies = [fashion_mnist(seed, epochs) for seed in seeds]
    last = [run[-1] for run in accuracies]
    return {
        "small_network": {
            "layers": "Linear(4, 8), Tanh, Linear(8, 3)", "loss": "cross_entropy", "optimizer": "Adam", "lr": 0.01,
            "steps": 10, "x": spec(x, "f32"), "labels": spec(y),
            "initial": [spec(parameter, "f32") for parameter in initial],
            "f64": small_network(torch.float64, x, y, initial, 10),
            "f32": small_network(torch.float32, x, y, initial, 10),
        },
        "fashion_mnist": {
            "layers": "Linear(784, 256), ReLU, Linear(256, 10)", "loss": "cross_entropy", "optimizer": "Adam",
            "lr": 1e-3, "batch_size": 64, "epochs": epochs, "pixels": "divided by 255",
            "initialisation": "PyTorch's default: uniform within 1 / sqrt(fan_in), weights and biases",
            "seeds": seeds, "test_accuracy_per_epoch": accuracies, "test_accuracy": last,
            "mean_of_first_three": round(float(np.mean(last[:3])), 5), "mean": round(float(np.mean(last)), 5),
            "standard_deviation": round(float(np.std(last, ddof=1)), 5),
        },
    }
