"""Linear algebra in f64. Where a factor's sign is free, the recorded function does not depend on it."""
import torch
from torch import linalg

from recorder.case import Cases, distinct, grid

SYMMETRIC = "(x + x^T) / 2"
POSITIVE = "x x^T + I"


def symmetric(x):
    return (x + x.mT) / 2


def positive(x):
    return x @ x.mT + torch.eye(x.shape[-1]).double()


def square(*shape):
    """Random, and far from singular."""
    return grid(*shape, reach=1) + 3 * torch.eye(shape[-1]).double()


def spectrum(k):
    """Fixed weights 1, 2, ..., k, so that Q diag(h) Q^T does not see the signs of Q's columns."""
    return torch.arange(1, k + 1).double()


def products(cases):
    shapes = [((3, 4), (4, 2)), ((4,), (4,)), ((3, 4), (4,)), ((4,), (4, 2)), ((2, 3, 4), (4, 2)), ((2, 3, 4), (4,)),
              ((4,), (2, 4, 3)), ((2, 3, 4), (2, 4, 2)), ((2, 1, 3, 4), (3, 4, 2)), ((3, 4), (2, 2, 4, 1)),
              ((3, 0), (0, 2))]
    for a, b in shapes:
        note = " x ".join("(" + ",".join(map(str, shape)) + ")" for shape in (a, b))
        cases.add("matmul", torch.matmul, [grid(*a), grid(*b)], note=note)


def systems(cases):
    cases.add("solve", linalg.solve, [square(3, 3), grid(3, 2)])
    cases.add("solve", linalg.solve, [square(3, 3), grid(3)], note="a vector")
    cases.add("solve", linalg.solve, [square(2, 3, 3), grid(2, 3, 2)], note="batch")
    cases.add("inv", linalg.inv, [square(3, 3)])
    cases.add("inv", linalg.inv, [square(2, 3, 3)], note="batch")
    cases.add("det", linalg.det, [square(3, 3)])
    cases.add("det", linalg.det, [-square(2, 3, 3)], note="batch, negative")
    for sign in 1, -1:
        cases.add("slogdet", lambda x: linalg.slogdet(x)[1], [sign * square(3, 3)], of="the logarithm, not the sign",
                  note="positive" if sign > 0 else "negative")
    for shape, note in ((5, 3), "tall"), ((3, 3), "square"):
        cases.add("lstsq", lambda a, b: linalg.lstsq(a, b).solution, [square(5, 5)[:, :shape[1]][:shape[0]],
                                                                       grid(shape[0], 2)], note=note)
    cases.add("cholesky", lambda x: linalg.cholesky(positive(x)), [grid(3, 3)], of=POSITIVE)
    cases.add("cholesky", lambda x: linalg.cholesky(positive(x)), [grid(2, 3, 3)], of=POSITIVE, note="batch")


def factors(cases):
    def qr_q(x):
        q, _ = linalg.qr(x)
        return q * spectrum(q.shape[-1]) @ q.mT

    def qr_r(x):
        _, r = linalg.qr(x)
        return r.mT @ (spectrum(r.shape[-2])[:, None] * r)

    def svd_factors(x):
        u, s, vh = linalg.svd(x, full_matrices=False)
        return u * spectrum(s.shape[-1]) @ vh

    def eigh_factors(x):
        w, v = linalg.eigh(symmetric(x))
        return v * spectrum(w.shape[-1]) @ v.mT

    for shape, note in ((3, 3), "square"), ((5, 3), "tall"), ((2, 4, 3), "batch"):
        x = square(5, 5)[:, :3] if shape == (5, 3) else grid(*shape)
        cases.add("qr", qr_q, [x], of="Q diag(1, 2, ...) Q^T", note=note + ", Q")
        cases.add("qr", qr_r, [x], of="R^T diag(1, 2, ...) R", note=note + ", R")
    for shape, note in ((3, 3), "square"), ((5, 3), "tall"), ((3, 5), "wide"), ((2, 4, 3), "batch"):
        x = grid(*shape)
        cases.add("svd", linalg.svdvals, [x], of="the singular values", note=note + ", S")
        cases.add("svd", svd_factors, [x], of="U diag(1, 2, ...) V^T, thin", note=note + ", U and V")
    for shape, note in ((4, 4), "one"), ((2, 3, 3), "batch"):
        x = grid(*shape)
        cases.add("eigh", lambda a: linalg.eigvalsh(symmetric(a)), [x], of="the eigenvalues of " + SYMMETRIC,
                  note=note + ", eigenvalues")
        cases.add("eigh", eigh_factors, [x], of="V diag(1, 2, ...) V^T of " + SYMMETRIC, note=note + ", vectors")


def norms(cases):
    inf = float("inf")
    for order in 2, 1, 3, 0.5, inf, -inf:
        cases.add("vector_norm", linalg.vector_norm, [grid(3, 4)], ord=float(order))
    for order in 2, 1, inf, 3:
        cases.add("vector_norm", linalg.vector_norm, [grid(3, 4)], ord=float(order), dim=1, keepdim=True)
        cases.add("vector_norm", linalg.vector_norm, [distinct(2, 3, 4)], ord=float(order), dim=(0, -1))
    zero = torch.tensor([[0, 0, 0], [0, 3, 4]]).double()
    cases.add("vector_norm", linalg.vector_norm, [zero], ord=2.0, dim=1, note="a zero row")
    for order in "fro", "nuc", 1, -1, 2, -2, inf, -inf:
        order = order if isinstance(order, str) else float(order)
        cases.add("matrix_norm", linalg.matrix_norm, [grid(3, 4)], ord=order)
        cases.add("matrix_norm", linalg.matrix_norm, [grid(2, 3, 3)], ord=order, keepdim=True)


def record():
    cases = Cases("f64")
    products(cases)
    systems(cases)
    factors(cases)
    norms(cases)
    return cases
