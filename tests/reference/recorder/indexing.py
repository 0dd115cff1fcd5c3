"""Choosing, moving and writing elements. Index inputs are i64 and count from 1; masks are bool."""
import torch

from recorder.case import Cases, distinct, grid


def choosing(cases):
    x = grid(3, 4)
    index = torch.tensor([[0, 3, 3], [1, 0, 2]])
    cases.add("gather", lambda t, i, dim: torch.gather(t, dim, i), [x, index], dim=1)
    cases.add("gather", lambda t, i, dim: torch.gather(t, dim, i), [x, torch.tensor([[2, 0, 2, 1]])], dim=0)
    cases.add("gather", lambda t, i, dim: torch.gather(t, dim, i), [grid(2, 3, 2), torch.tensor([[[2, 0], [1, 1]]])],
              dim=-2)
    rows = torch.tensor([2, 0, 0])
    for dim in 0, 1, -1:
        cases.add("index_select", lambda t, i, dim: torch.index_select(t, dim, i), [x, rows], dim=dim)
    cases.add("index_select", lambda t, i, dim: torch.index_select(t, dim, i), [x, torch.tensor([]).long()], dim=0,
              note="nothing chosen")
    mask = torch.tensor([[1, 0, 0, 1], [0, 0, 0, 0], [0, 1, 1, 1]]).bool()
    cases.add("masked_select", torch.masked_select, [x, mask])
    cases.add("masked_select", torch.masked_select, [x, mask[2]], note="broadcast mask")
    cases.add("masked_select", torch.masked_select, [x, torch.zeros(3, 4).bool()], note="nothing chosen")
    cases.add("masked_fill", lambda t, m, value: t.masked_fill(m, value), [x, mask], value=-9.0)
    cases.add("masked_fill", lambda t, m, value: t.masked_fill(m, value), [x, mask[0]], value=0.5,
              note="broadcast mask")
    cases.add("where", torch.where, [mask, x, grid(3, 4)])
    cases.add("where", torch.where, [mask, grid(4), grid(3, 1)], note="broadcast")
    cases.add("take_along_dim", torch.take_along_dim, [x, x.argsort(1)], dim=1)


def writing(cases):
    x, rows = grid(3, 4), torch.tensor([2, 0, 2])

    def scatter(name):
        return lambda t, i, source, dim: getattr(torch, name)(t, dim, i, source)

    index = torch.tensor([[0, 2, 0, 1], [2, 2, 1, 1]])
    cases.add("scatter_add", scatter("scatter_add"), [x, index, grid(2, 4)], dim=0)
    cases.add("scatter_add", scatter("scatter_add"), [x, torch.tensor([[3, 3], [0, 1], [2, 2]]), grid(3, 2)], dim=1)
    cases.add("scatter", scatter("scatter"), [x, torch.tensor([[0, 2, 0, 1], [2, 1, 1, 0]]), grid(2, 4)], dim=0)
    cases.add("index_add", scatter("index_add"), [x, rows, grid(3, 4)], dim=0)
    cases.add("index_add", scatter("index_add"), [x, rows[:2], grid(3, 2)], dim=1)
    cases.add("index_copy", scatter("index_copy"), [x, rows[:2], grid(2, 4)], dim=0)


def moving(cases):
    x = grid(3, 4)
    for dims in (0,), (1,), (0, 1), (-1,):
        cases.add("flip", torch.flip, [x], dims=dims)
    for shifts, dims in ((1,), (0,)), ((-1,), (1,)), ((5,), (1,)), ((1, -2), (0, 1)):
        cases.add("roll", torch.roll, [x], shifts=shifts, dims=dims)
    cases.add("roll", lambda t, shifts: torch.roll(t, shifts), [x], shifts=3, note="flattened")
    for name in "tril", "triu":
        for diagonal in 0, 1, -1, 5, -5:
            cases.add(name, getattr(torch, name), [x], diagonal=diagonal)
        cases.add(name, getattr(torch, name), [grid(2, 3, 3)], note="batch")
    cases.add("diagonal", torch.diagonal, [x])
    cases.add("repeat_interleave", torch.repeat_interleave, [x], repeats=2, dim=1)
    cases.add("cat", lambda *tensors, dim: torch.cat(tensors, dim), [grid(3, 2), grid(3, 1), grid(3, 0)], dim=1)
    cases.add("stack", lambda *tensors, dim: torch.stack(tensors, dim), [grid(2, 3), grid(2, 3)], dim=1)


def ordering(cases):
    x = distinct(3, 4)
    sort = lambda t, **kwargs: tuple(torch.sort(t, **kwargs))
    topk = lambda t, **kwargs: tuple(torch.topk(t, **kwargs))
    kth = lambda t, **kwargs: tuple(torch.kthvalue(t, **kwargs))
    for dim in 0, 1, -1:
        for descending in False, True:
            cases.add("sort", sort, [x], dim=dim, descending=descending)
    ties = torch.tensor([2, 1, 2, 0, 1, 2]).double()
    cases.add("sort", sort, [ties], dim=0, descending=False, stable=True, note="ties")
    cases.add("sort", sort, [ties], dim=0, descending=True, stable=True, note="ties")
    nan, inf = float("nan"), float("inf")
    cases.add("sort", sort, [torch.tensor([nan, 1, -inf, inf, 0]).double()], dim=0, descending=False,
              frozen=[0], note="NaN counts as largest")
    cases.add("argsort", torch.argsort, [x], dim=1)
    cases.add("argsort", torch.argsort, [x], dim=0, descending=True)
    for dim in 0, 1:
        for largest in True, False:
            cases.add("topk", topk, [x], k=2, dim=dim, largest=largest)
    cases.add("topk", topk, [distinct(2, 3, 5)], k=3, dim=-1, largest=True)
    cases.add("kthvalue", kth, [x], k=2, dim=1)


def record():
    cases = Cases()
    choosing(cases)
    writing(cases)
    moving(cases)
    ordering(cases)
    return cases
