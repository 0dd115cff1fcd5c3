"""Optimizers on a fixed list of gradients, L-BFGS on functions, and clipping.

The gradients do not depend on the parameters, so every case walks the same twenty steps. All in f64.
"""
import numpy as np
import torch

from recorder.case import arguments, grid, spec, title, values

STEPS = [1, 2, 5, 10, 20]

CASES = [
    ("SGD", dict(lr=0.1)),
    ("SGD", dict(lr=0.1, weight_decay=0.1)),
    ("SGD", dict(lr=0.1, momentum=0.9)),
    ("SGD", dict(lr=0.1, momentum=0.9, dampening=0.5)),
    ("SGD", dict(lr=0.1, momentum=0.9, nesterov=True)),
    ("SGD", dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1)),
    ("SGD", dict(lr=0.1, momentum=0.9, maximize=True)),
    ("RMSprop", dict()),
    ("RMSprop", dict(lr=0.05, alpha=0.9, eps=1e-3)),
    ("RMSprop", dict(lr=0.05, momentum=0.9)),
    ("RMSprop", dict(lr=0.05, centered=True)),
    ("RMSprop", dict(lr=0.05, centered=True, momentum=0.9, weight_decay=0.1)),
    ("RMSprop", dict(lr=0.05, maximize=True)),
    ("Adagrad", dict()),
    ("Adagrad", dict(lr=0.1, lr_decay=0.1)),
    ("Adagrad", dict(lr=0.1, initial_accumulator_value=0.5, weight_decay=0.1)),
    ("Adagrad", dict(lr=0.1, eps=1e-2, maximize=True)),
    ("Adadelta", dict()),
    ("Adadelta", dict(lr=0.5, rho=0.8, eps=1e-3)),
    ("Adadelta", dict(lr=0.5, weight_decay=0.1, maximize=True)),
    ("Adam", dict()),
    ("Adam", dict(lr=0.05, betas=(0.8, 0.9))),
    ("Adam", dict(lr=0.05, eps=1e-2)),
    ("Adam", dict(lr=0.05, weight_decay=0.1)),
    ("Adam", dict(lr=0.05, amsgrad=True)),
    ("Adam", dict(lr=0.05, amsgrad=True, weight_decay=0.1, maximize=True)),
    ("AdamW", dict()),
    ("AdamW", dict(lr=0.05, weight_decay=0.1)),
    ("AdamW", dict(lr=0.05, amsgrad=True, eps=1e-2)),
    ("AdamW", dict(lr=0.05, maximize=True)),
    ("Adamax", dict()),
    ("Adamax", dict(lr=0.05, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1)),
    ("NAdam", dict()),
    ("NAdam", dict(lr=0.05, betas=(0.8, 0.9), momentum_decay=0.01, weight_decay=0.1)),
    ("RAdam", dict()),
    ("RAdam", dict(lr=0.05, betas=(0.8, 0.9), weight_decay=0.1)),
    ("Lion", dict()),
    ("Lion", dict(lr=0.01, betas=(0.8, 0.9))),
    ("Lion", dict(lr=0.01, weight_decay=0.1)),
    ("Lion", dict(lr=0.01, weight_decay=0.1, maximize=True)),
]


class Lion:
    """Chen et al. 2023, arXiv:2302.06675, Algorithm 2; PyTorch has none. The defaults are the paper's."""

    def __init__(self, parameters, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0, maximize=False):
        self.parameters, self.lr, self.betas = parameters, lr, betas
        self.weight_decay, self.maximize = weight_decay, maximize
        self.moments = [np.zeros(tuple(parameter.shape)) for parameter in parameters]

    def step(self):
        beta1, beta2 = self.betas
        for i, parameter in enumerate(self.parameters):
            theta, g, m = parameter.detach().numpy(), parameter.grad.numpy(), self.moments[i]
            g = -g if self.maximize else g
            c = beta1 * m + (1 - beta1) * g
            theta -= self.lr * (np.sign(c) + self.weight_decay * theta)   # shares the parameter's memory
            self.moments[i] = beta2 * m + (1 - beta2) * g


def walk(name, kwargs, initial, gradients):
    parameters = [torch.nn.Parameter(value.clone()) for value in initial]
    optimizer = Lion(parameters, **kwargs) if name == "Lion" else getattr(torch.optim, name)(parameters, **kwargs)
    after = []
    for step, row in enumerate(gradients, 1):
        for parameter, gradient in zip(parameters, row):
            parameter.grad = gradient.clone()
        optimizer.step()
        if step in STEPS:
            after.append([parameter.detach().reshape(-1).tolist() for parameter in parameters])
    args = arguments(kwargs, "f64")
    return {"name": title(name, args, None), "op": name, "args": args, "after": after}


def rosenbrock(x):
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def quadratic(x):
    """sum_i i (x_i - i)^2, i from 1."""
    i = torch.arange(1, len(x) + 1).double()
    return (i * (x - i) ** 2).sum()


LBFGS_CASES = [
    (rosenbrock, [-1.25, 1], dict(lr=0.001, max_iter=5)),
    (rosenbrock, [-1.25, 1], dict(lr=0.5, max_iter=4, history_size=2)),
    (rosenbrock, [-1.25, 1], dict(max_iter=4, line_search_fn="strong_wolfe")),
    (rosenbrock, [-1.25, 1], dict(max_iter=4, history_size=2, line_search_fn="strong_wolfe")),
    (rosenbrock, [-1.25, 1], dict(max_iter=20, max_eval=8, line_search_fn="strong_wolfe")),
    (quadratic, [0, 0, 0, 0], dict(lr=0.5, max_iter=3)),
    (quadratic, [0, 0, 0, 0], dict(line_search_fn="strong_wolfe", max_iter=3)),
    (quadratic, [0, 0, 0, 0], dict(line_search_fn="strong_wolfe", tolerance_grad=1e-3, tolerance_change=1e-3)),
]


def lbfgs(function, start, kwargs, calls=5):
    x = torch.nn.Parameter(torch.tensor(start, dtype=torch.float64))
    optimizer = torch.optim.LBFGS([x], **kwargs)
    evaluations = 0

    def closure():
        nonlocal evaluations
        evaluations += 1
        optimizer.zero_grad()
        loss = function(x)
        loss.backward()
        return loss

    after = []
    for _ in range(calls):
        before = optimizer.step(closure).item()
        after.append({"returned": before, "x": x.detach().tolist(), "loss": function(x).item(),
                      "evaluations": evaluations})
    return {"name": title("LBFGS", kwargs, function.__name__), "op": "LBFGS", "objective": function.__name__,
            "start": start, "args": kwargs, "after": after}


def clipping():
    gradients = [grid(3, 2), grid(4)]
    rows = []

    def clip(op, function, **kwargs):
        parameters = [torch.nn.Parameter(torch.zeros_like(gradient)) for gradient in gradients]
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = gradient.clone()
        norm = function(parameters, **kwargs)
        rows.append({"name": title(op, kwargs, None), "op": op, "args": kwargs,
                     "total_norm": None if norm is None else norm.item(),
                     "grads": [values(parameter.grad) for parameter in parameters]})

    for norm_type in 2.0, 1.0, 3.0, float("inf"):
        for max_norm in 1.0, 100.0:
            clip("clip_grad_norm_", torch.nn.utils.clip_grad_norm_, max_norm=max_norm, norm_type=norm_type)
    clip("clip_grad_value_", torch.nn.utils.clip_grad_value_, clip_value=0.75)
    return {"grads": [spec(gradient, "f64") for gradient in gradients], "cases": rows}


def record():
    initial = [grid(3, 2), grid(4)]
    gradients = [[grid(3, 2, step=1 / 8), grid(4, step=1 / 8)] for _ in range(max(STEPS))]
    return {
        "initial": [spec(value, "f64") for value in initial],
        "gradients": [[gradient.reshape(-1).tolist() for gradient in row] for row in gradients],
        "steps": STEPS,
        "cases": [walk(name, kwargs, initial, gradients) for name, kwargs in CASES],
        "lbfgs": [lbfgs(*case) for case in LBFGS_CASES],
        "clip": clipping(),
    }
