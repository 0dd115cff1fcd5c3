"""Layers forward and backward, what dropout scales by, and a small network's gradients."""
import torch
from torch import nn
from torch.nn import functional as F

from recorder.case import Cases, grid, labels


def layer_cases(cases):
    weight, bias = grid(3, 4), grid(3)
    for x, note in (grid(4), "one sample"), (grid(5, 4), "(N, in)"), (grid(2, 3, 4), "(N, L, in)"):
        cases.add("linear", F.linear, [x, weight, bias], note=note)
        cases.add("linear", F.linear, [x, weight], note=note + ", no bias")
    cases.add("linear", F.linear, [grid(7, 33), grid(17, 33), grid(17)], note="wider than a vector register")

    def layer_norm(x, *affine, normalized_shape, eps=1e-5):
        return F.layer_norm(x, normalized_shape, *affine, eps=eps)

    x = grid(3, 6)
    cases.add("layer_norm", layer_norm, [x], normalized_shape=(6,))
    cases.add("layer_norm", layer_norm, [x, grid(6)], normalized_shape=(6,), note="weight")
    cases.add("layer_norm", layer_norm, [x, grid(6), grid(6)], normalized_shape=(6,), note="weight and bias")
    cases.add("layer_norm", layer_norm, [x, grid(6), grid(6)], normalized_shape=(6,), eps=0.1,
              note="weight and bias")
    cases.add("layer_norm", layer_norm, [grid(2, 3, 4), grid(3, 4), grid(3, 4)], normalized_shape=(3, 4),
              note="weight and bias")
    cases.add("layer_norm", layer_norm, [grid(2, 3, 4), grid(4), grid(4)], normalized_shape=(4,),
              note="weight and bias, (N, L, C)")
    cases.add("layer_norm", layer_norm, [grid(2, 5) / 8 + 64], normalized_shape=(5,), note="a small spread far away")
    cases.add("layer_norm", layer_norm, [torch.full((2, 4), 3.0).double(), grid(4), grid(4)], normalized_shape=(4,),
              note="weight and bias, constant rows")


def network_cases(cases):
    def network(*tensors, activation, loss):
        x, w1, b1, w2, b2 = tensors[:5]
        y = F.linear(getattr(torch, activation)(F.linear(x, w1, b1)), w2, b2)
        return F.cross_entropy(y, tensors[5]) if loss == "cross_entropy" else y

    tensors = [grid(6, 4), grid(8, 4), grid(8), grid(3, 8), grid(3)]
    for activation in "tanh", "relu", "sigmoid":
        cases.add("Sequential", network, tensors, activation=activation, loss="none")
        cases.add("Sequential", network, tensors + [labels(3, 6)], activation=activation, loss="cross_entropy")


def dropout():
    """A kept element is multiplied by `scale`, the others are zero; `kept` is their expected share."""
    rows = []
    for p in 0.0, 0.1, 0.5, 0.75, 1.0:
        y = F.dropout(torch.full((10000,), 2.0).double(), p)
        kept = y[y != 0]
        rows.append({"p": p, "kept": 1 - p, "scale": kept[0].item() / 2 if len(kept) else 0})
        assert (kept == kept[:1]).all() and abs(len(kept) / len(y) - (1 - p)) < 0.02
    assert torch.equal(F.dropout(torch.ones(9), 0.5, training=False), torch.ones(9))
    return {"training": rows, "evaluation_changes_nothing": True}


def record():
    cases = Cases()
    layer_cases(cases)
    network_cases(cases)
    return {"cases": cases, "dropout": dropout()}
