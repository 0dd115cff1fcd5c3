"""Losses under each reduction. Targets and class weights carry no gradient; where two predictions meet, both do."""
import torch
from torch import nn

from recorder.case import Cases, distinct, grid, labels, probabilities

ALL = "none", "mean", "sum"
TWO = "none", "mean"        # for the variants of a loss whose "sum" is recorded already


def module(name):
    """The loss module as a function of its inputs and options, options that are tensors included."""
    return lambda *inputs, **kwargs: getattr(nn, name)(**kwargs)(*inputs)


def signs(*shape):
    return torch.randint(0, 2, shape).double() * 2 - 1


def unit(*shape):
    """Strictly between zero and one."""
    return torch.randint(1, 64, shape).double() / 64


def every_reduction(cases, name, inputs, frozen=(), reductions=ALL, note=None, **kwargs):
    for reduction in reductions:
        cases.add(name, module(name), inputs, frozen=frozen, note=note, reduction=reduction, **kwargs)


def regression(cases):
    x, y = grid(3, 4), grid(3, 4)
    y[0, :2] = x[0, :2]                                  # no error at all
    y[1, :2] = x[1, :2] + torch.tensor([1.0, -0.5])      # on the corners of SmoothL1 and Huber
    for name in "MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss":
        every_reduction(cases, name, [x, y], frozen=[1])
    every_reduction(cases, "SmoothL1Loss", [x, y], frozen=[1], beta=0.5, reductions=TWO)
    every_reduction(cases, "SmoothL1Loss", [x, y + 1 / 32], frozen=[1], beta=0.0, reductions=TWO)
    every_reduction(cases, "HuberLoss", [x, y], frozen=[1], delta=0.5, reductions=TWO)

    variance = unit(3, 4) * 2
    every_reduction(cases, "GaussianNLLLoss", [x, y, variance], frozen=[1])
    every_reduction(cases, "GaussianNLLLoss", [x, y, variance], frozen=[1], reductions=["mean"], full=True)
    every_reduction(cases, "GaussianNLLLoss", [x, y, unit(3, 1)], frozen=[1], reductions=["mean"],
                    note="one variance a row")
    every_reduction(cases, "GaussianNLLLoss", [x, y, torch.zeros(3, 4).double()], frozen=[1, 2], eps=0.25,
                    reductions=TWO, note="variance below eps")
    counts = torch.randint(0, 6, (3, 4)).double()
    every_reduction(cases, "PoissonNLLLoss", [x, counts], frozen=[1])
    every_reduction(cases, "PoissonNLLLoss", [unit(3, 4), counts], frozen=[1], log_input=False, reductions=TWO)
    every_reduction(cases, "PoissonNLLLoss", [x, counts], frozen=[1], reductions=["none", "mean"], full=True)


def classification(cases):
    x, y, weight = grid(5, 4), labels(4, 5), torch.tensor([0.5, 2, 1, 0.25]).double()
    deep, deep_y = grid(2, 4, 3), labels(4, 2, 3)
    y[:2] = torch.tensor([2, 1])
    missing = y.clone()
    missing[[1, 4]] = -100

    def cross_entropy(inputs, reductions=TWO, **kwargs):
        every_reduction(cases, "CrossEntropyLoss", inputs, frozen=[1], reductions=reductions, **kwargs)

    cross_entropy([x, y], reductions=ALL)
    cross_entropy([x, y], reductions=ALL, weight=weight)
    cross_entropy([x, y], label_smoothing=0.1)
    cross_entropy([x, y], weight=weight, label_smoothing=0.1)
    cross_entropy([x, y], ignore_index=2)
    cross_entropy([x, y], weight=weight, ignore_index=2, label_smoothing=0.1)
    cross_entropy([x, missing], note="labels of -100 are ignored")
    cross_entropy([deep, deep_y], note="(N, C, d)")
    cross_entropy([deep, deep_y], weight=weight, label_smoothing=0.1, reductions=["mean"], note="(N, C, d)")
    cross_entropy([grid(4), labels(4)], reductions=["mean"], note="one sample")
    cross_entropy([grid(3, 4) * 400, labels(4, 3)], reductions=["none"], note="large logits")
    cross_entropy([x, probabilities(5, 4)], note="probabilities")
    cross_entropy([x, probabilities(5, 4)], weight=weight, note="probabilities")
    cross_entropy([x, probabilities(5, 4)], label_smoothing=0.1, note="probabilities")
    cross_entropy([x, probabilities(5, 4)], weight=weight, label_smoothing=0.1, reductions=["mean"],
                  note="probabilities")
    cross_entropy([deep, probabilities(2, 3, 4).transpose(1, 2)], reductions=["mean"], note="probabilities, (N, C, d)")

    log_p = -unit(5, 4) * 4
    every_reduction(cases, "NLLLoss", [log_p, y], frozen=[1])
    every_reduction(cases, "NLLLoss", [log_p, y], frozen=[1], weight=weight)
    every_reduction(cases, "NLLLoss", [log_p, y], frozen=[1], weight=weight, ignore_index=2, reductions=TWO)
    every_reduction(cases, "NLLLoss", [-unit(2, 4, 3), deep_y], frozen=[1], note="(N, C, d)", reductions=["mean"])

    for p in 1, 2:
        every_reduction(cases, "MultiMarginLoss", [x, y], frozen=[1], p=p)
    every_reduction(cases, "MultiMarginLoss", [x, y], frozen=[1], margin=0.3, weight=weight, reductions=["none"])
    every_reduction(cases, "MultiMarginLoss", [x, y], frozen=[1], p=2, margin=0.3, weight=weight,
                    reductions=["mean"])
    several = torch.tensor([[2, 0, -1, 1], [1, -1, -1, -1], [3, 1, 0, 2], [-1, 0, 0, 0], [0, -1, 2, 3]])
    every_reduction(cases, "MultiLabelMarginLoss", [x, several], frozen=[1],
                    note="a row's labels end at the first 0")


def binary(cases):
    p, y, weight = unit(3, 4), unit(3, 4).round(), torch.tensor([0.5, 2, 1, 0.25]).double()
    x = grid(3, 4, reach=4)
    x[0] = torch.tensor([60, -60, 0, 1000])
    every_reduction(cases, "BCELoss", [p, y], frozen=[1])
    every_reduction(cases, "BCELoss", [p, unit(3, 4)], frozen=[1], note="soft targets", reductions=["none"])
    every_reduction(cases, "BCELoss", [p, y], frozen=[1], weight=weight, reductions=TWO)
    certain = torch.tensor([0, 1, 0, 1]).double(), torch.tensor([0, 1, 1, 0]).double()
    cases.add("BCELoss", module("BCELoss"), certain, frozen=[0, 1], reduction="none",
              note="certain, the logarithm stops at -100")
    every_reduction(cases, "BCEWithLogitsLoss", [x, y], frozen=[1])
    every_reduction(cases, "BCEWithLogitsLoss", [x, unit(3, 4)], frozen=[1], note="soft targets", reductions=["none"])
    every_reduction(cases, "BCEWithLogitsLoss", [x, y], frozen=[1], weight=weight, reductions=TWO)
    every_reduction(cases, "BCEWithLogitsLoss", [x, y], frozen=[1], pos_weight=weight)
    every_reduction(cases, "BCEWithLogitsLoss", [x, y], frozen=[1], weight=weight, pos_weight=weight,
                    reductions=["mean"])
    every_reduction(cases, "SoftMarginLoss", [grid(3, 4), signs(3, 4)], frozen=[1])
    every_reduction(cases, "MultiLabelSoftMarginLoss", [grid(3, 4), y], frozen=[1])
    every_reduction(cases, "MultiLabelSoftMarginLoss", [grid(3, 4), y], frozen=[1], weight=weight, reductions=TWO)
    distance = distinct(3, 4)
    every_reduction(cases, "HingeEmbeddingLoss", [distance, signs(3, 4)], frozen=[1])
    every_reduction(cases, "HingeEmbeddingLoss", [distance, signs(3, 4)], frozen=[1], margin=0.5, reductions=TWO)


def between_rows(cases):
    x1, x2, x3 = grid(4, 5), grid(4, 5) + 1 / 32, grid(4, 5) + 1 / 64   # nowhere equal
    sign = torch.tensor([1, -1, -1, 1]).double()
    for margin in 0.0, 0.5, -0.5:
        every_reduction(cases, "CosineEmbeddingLoss", [x1, x2, sign], frozen=[2], margin=margin,
                        reductions=ALL if margin == 0 else ["none"])
    every_reduction(cases, "MarginRankingLoss", [x1[:, 0], x2[:, 0], sign], frozen=[2])
    every_reduction(cases, "MarginRankingLoss", [x1[:, 0], x2[:, 0], sign], frozen=[2], margin=1.0, reductions=TWO)
    every_reduction(cases, "TripletMarginLoss", [x1, x2, x3])
    every_reduction(cases, "TripletMarginLoss", [x1, x2, x3], p=1.0, margin=2.0, reductions=["none"])
    every_reduction(cases, "TripletMarginLoss", [x1, x2, x3], p=3.0, margin=2.0, reductions=["mean"])
    every_reduction(cases, "TripletMarginLoss", [x1, x2, x3], margin=4.0, swap=True, reductions=["none"])

    log_p, q = -unit(3, 4) * 4, probabilities(3, 4)
    reductions = ALL + ("batchmean",)
    every_reduction(cases, "KLDivLoss", [log_p, q], frozen=[1], reductions=reductions)
    every_reduction(cases, "KLDivLoss", [log_p, -unit(3, 4) * 4], frozen=[1], reductions=["none", "batchmean"],
                    log_target=True)


def record():
    cases = Cases()
    regression(cases)
    classification(cases)
    binary(cases)
    between_rows(cases)
    return cases
