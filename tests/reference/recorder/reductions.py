"""Sums, extremes, moments and running totals, over everything, one dim, or several."""
import torch

from recorder.case import Cases, distinct, grid


def over(name):
    """torch.name over `dim` or, without one, over everything."""
    return lambda x, **kwargs: getattr(torch, name)(x, **kwargs)


def with_index(name):
    return lambda x, **kwargs: tuple(getattr(torch, name)(x, **kwargs))


def nonzero(*shape):
    x = grid(*shape)
    x[x == 0] = 1
    return x


def sums(cases):
    x = grid(2, 3, 4)
    for name in "sum", "mean":
        cases.add(name, over(name), [x])
        for dim in 0, 1, -1, (0, 2), (0, 1, 2):
            cases.add(name, over(name), [x], dim=dim)
        cases.add(name, over(name), [x], dim=1, keepdim=True)
        cases.add(name, over(name), [x], dim=(0, -1), keepdim=True)
        cases.add(name, over(name), [torch.tensor(1.5).double()], note="0-d")
    cases.add("sum", over("sum"), [grid(3, 0)], dim=1, note="empty")
    cases.add("sum", over("sum"), [grid(37)], note="longer than a vector register")

    x = nonzero(3, 4)
    one_zero, two_zeros = x.clone(), x.clone()
    one_zero[1, 2] = 0
    two_zeros[1, 1:3] = 0
    for tensor, note in (x, None), (one_zero, "one zero"), (two_zeros, "two zeros"):
        cases.add("prod", over("prod"), [tensor], note=note)
        cases.add("prod", over("prod"), [tensor], dim=1, note=note)
    cases.add("prod", over("prod"), [x], dim=0, keepdim=True)
    cases.add("prod", over("prod"), [grid(3, 0)], dim=1, note="empty")


def extremes(cases):
    x, deep = distinct(3, 4), distinct(2, 3, 4)
    for name in "max", "min":
        cases.add(name, over(name), [x])
        for dim in 0, 1, -1:
            cases.add(name, with_index(name), [x], dim=dim)
        cases.add(name, with_index(name), [deep], dim=1, keepdim=True)
    for name in "amax", "amin":
        cases.add(name, over(name), [x], dim=1)
        cases.add(name, over(name), [deep], dim=(0, 2))
        cases.add(name, over(name), [deep], dim=(0, 2), keepdim=True)
    ties = torch.tensor([[3, 1, 3, 0], [2, 2, 2, 2]]).double()
    cases.add("amax", over("amax"), [ties], dim=1, note="equals share the gradient")
    cases.add("max", over("max"), [ties[0]], note="equals share the gradient")
    for name in "argmax", "argmin":
        cases.add(name, over(name), [x], note="flattened")
        for dim in 0, 1, -1:
            cases.add(name, over(name), [x], dim=dim)
        cases.add(name, over(name), [deep], dim=1, keepdim=True)
        cases.add(name, over(name), [ties], dim=1, note="the first of equals")
        cases.add(name, over(name), [torch.tensor([1, float("nan"), 2, float("nan")]).double()], dim=0, frozen=[0],
                  note="NaN wins")
    for shape in (5,), (3, 5):
        cases.add("median", with_index("median"), [distinct(*shape)], dim=-1, note=f"{len(shape)}-d, odd")
    cases.add("median", with_index("median"), [distinct(3, 4)], dim=1, note="even, the lower of the middle two")
    cases.add("median", with_index("median"), [distinct(3, 4)], dim=0, keepdim=True)
    cases.add("median", over("median"), [distinct(3, 5)])
    mask = grid(3, 4) > 1.5
    mask[1] = False
    mask[2] = True
    for name in "any", "all":
        cases.add(name, over(name), [mask])
        cases.add(name, over(name), [mask], dim=1)
        cases.add(name, over(name), [mask], dim=0, keepdim=True)


def moments(cases):
    x = grid(2, 3, 4)
    for name in "var", "std":
        cases.add(name, over(name), [x])
        for dim in 0, 1, -1, (0, 2):
            cases.add(name, over(name), [x], dim=dim)
        cases.add(name, over(name), [x], dim=1, unbiased=False)
        cases.add(name, over(name), [x], dim=(0, 1), unbiased=False, keepdim=True)
        cases.add(name, over(name), [x / 64 + 1000], dim=2, note="a small spread far away")
    for p in 2.0, 1.0, 3.0, float("inf"):
        cases.add("norm", over("norm"), [x], p=p)
        cases.add("norm", over("norm"), [x], p=p, dim=1)
        cases.add("norm", over("norm"), [x], p=p, dim=(0, 2), keepdim=True)
    for dim in 0, 1, -1, (0, 2):
        cases.add("logsumexp", over("logsumexp"), [x], dim=dim)
    cases.add("logsumexp", over("logsumexp"), [x], dim=2, keepdim=True)
    inf = float("inf")
    far = torch.tensor([[1000, 1000, -1000], [-1000, -1001, -inf]]).double()
    cases.add("logsumexp", over("logsumexp"), [far], dim=1, note="large and masked")


def running(cases):
    x = nonzero(3, 4)
    zeros = x.clone()
    zeros[1, 1] = zeros[2, 0] = zeros[2, 3] = 0
    for dim in 0, 1, -1:
        cases.add("cumsum", over("cumsum"), [x], dim=dim)
        cases.add("cumprod", over("cumprod"), [x], dim=dim)
        cases.add("logcumsumexp", over("logcumsumexp"), [x], dim=dim)
    cases.add("cumsum", over("cumsum"), [grid(2, 3, 2)], dim=1, note="3-d")
    cases.add("cumprod", over("cumprod"), [zeros], dim=1, note="zeros")
    for name in "cummax", "cummin":
        cases.add(name, with_index(name), [distinct(3, 4)], dim=1)


def record():
    cases = Cases()
    sums(cases)
    extremes(cases)
    moments(cases)
    running(cases)
    return cases
