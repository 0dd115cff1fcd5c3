"""What the initialisers draw from: gains, bounds and standard deviations, not the draws.

A tensor that notes the arguments of uniform_ and normal_ instead of filling itself shows what PyTorch asks for.
"""
import math

import torch
from torch import nn
from torch.nn import init


class Probe(torch.Tensor):
    def uniform_(self, low=0, high=1):
        self.asked = {"distribution": "uniform", "low": low, "high": high}
        return self

    def normal_(self, mean=0, std=1):
        self.asked = {"distribution": "normal", "mean": mean, "std": std}
        return self


def probe(*shape):
    return torch.empty(*shape).as_subclass(Probe)


def gains():
    names = ["linear", "conv1d", "conv2d", "conv3d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]
    rows = [{"nonlinearity": name, "gain": float(init.calculate_gain(name))} for name in names]
    return rows + [{"nonlinearity": "leaky_relu", "param": slope, "gain": init.calculate_gain("leaky_relu", slope)}
                   for slope in (0.2, 1.0, math.sqrt(5))]


def draws():
    rows = []

    def ask(name, shape, **kwargs):
        asked = getattr(init, name)(probe(*shape), **kwargs).asked
        fan_in, fan_out = init._calculate_fan_in_and_fan_out(torch.empty(*shape))
        rows.append({"init": name, "shape": list(shape), "args": kwargs, "fan_in": fan_in, "fan_out": fan_out, **asked})

    for shape in (8, 4), (256, 784), (16, 3, 5, 5):
        for name in "xavier_uniform_", "xavier_normal_":
            ask(name, shape)
            ask(name, shape, gain=5 / 3)
        for name in "kaiming_uniform_", "kaiming_normal_":
            ask(name, shape)
            ask(name, shape, mode="fan_out")
            ask(name, shape, nonlinearity="relu")
            ask(name, shape, nonlinearity="tanh", mode="fan_out")
            ask(name, shape, a=0.2, nonlinearity="leaky_relu")
            ask(name, shape, a=math.sqrt(5))
    return rows


def linear_defaults():
    """nn.Linear's own start: weights and biases both uniform within 1 / sqrt(in_features)."""
    rows = []
    for in_features, out_features in (4, 8), (784, 256), (1, 1):
        layer = nn.Linear(in_features, out_features)
        asked = []
        uniform = torch.Tensor.uniform_
        torch.Tensor.uniform_ = lambda self, low, high: asked.append([low, high])
        try:
            layer.reset_parameters()
        finally:
            torch.Tensor.uniform_ = uniform
        rows.append({"in_features": in_features, "out_features": out_features, "weight": asked[0], "bias": asked[1]})
    return rows


def record():
    return {"gains": gains(), "draws": draws(), "linear_defaults": linear_defaults()}
