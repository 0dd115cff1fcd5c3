"""Activations at zero, at the kinks, near them and far away."""
import torch
from torch import nn
from torch.nn import functional as F

from recorder.case import Cases, grid

# Not +-3: there the gradient of Hardswish changed between PyTorch versions.
POINTS = torch.tensor([-100, -20, -6.5, -6, -3.5, -2, -1, -0.5, -0.125, -2 ** -10,
                       0, 2 ** -10, 0.125, 0.5, 1, 2, 3.5, 6, 20, 100]).double().reshape(4, 5)

ELEMENTWISE = [
    ("Sigmoid", {}), ("Tanh", {}), ("ReLU", {}), ("ReLU6", {}), ("SELU", {}), ("SiLU", {}), ("Mish", {}),
    ("Softsign", {}), ("Tanhshrink", {}), ("LogSigmoid", {}), ("Hardswish", {}), ("Hardsigmoid", {}),
    ("LeakyReLU", {}), ("LeakyReLU", {"negative_slope": 0.2}), ("LeakyReLU", {"negative_slope": 0.0}),
    ("LeakyReLU", {"negative_slope": -0.5}),
    ("ELU", {}), ("ELU", {"alpha": 0.5}), ("CELU", {}), ("CELU", {"alpha": 0.5}),
    ("GELU", {}), ("GELU", {"approximate": "tanh"}),
    ("Softplus", {}), ("Softplus", {"beta": 0.5}), ("Softplus", {"beta": 4.0, "threshold": 2.0}),
    ("Hardtanh", {}), ("Hardtanh", {"min_val": -2.0, "max_val": 0.5}),
    ("Softshrink", {}), ("Softshrink", {"lambd": 1.0}), ("Hardshrink", {}), ("Hardshrink", {"lambd": 1.0}),
    ("Threshold", {"threshold": 0.125, "value": -7.0}),
]


def module(name):
    return lambda x, **kwargs: getattr(nn, name)(**kwargs)(x)


def record():
    cases = Cases()
    for name, kwargs in ELEMENTWISE:
        cases.add(name, module(name), [POINTS], **kwargs)

    prelu = lambda x, weight: F.prelu(x, weight)
    cases.add("PReLU", prelu, [POINTS, torch.tensor([0.25]).double()], note="one slope")
    cases.add("PReLU", prelu, [grid(2, 3, 2), torch.tensor([0.25, -0.5, 2]).double()], note="a slope per channel")

    inf = float("inf")
    far = torch.tensor([[1000, -1000, 0], [-1000, -1000.5, -1001], [-inf, 1, 2], [88, 89, 710]]).double()
    for name in "Softmax", "LogSoftmax", "Softmin":
        for dim in 0, 1, 2, -1:
            cases.add(name, module(name), [grid(2, 3, 4)], dim=dim)
    for name in "Softmax", "LogSoftmax":
        cases.add(name, module(name), [far], dim=1, note="large and masked")
        cases.add(name, module(name), [grid(5)], dim=0, note="a vector")
        cases.add(name, module(name), [grid(2, 1)], dim=1, note="one class")
        cases.add(name, module(name), [grid(3, 37)], dim=1, note="wider than a vector register")
    return cases
