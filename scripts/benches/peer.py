"""The same work in PyTorch, in a process that stays: a request per line, "NAME ARGUMENTS...", an answer per line.

A measurement "name args... SECONDS" repeats its work for about SECONDS and answers with seconds per piece of work;
what it needs is made when it is first asked for. The first argument is how many threads this process may use.
"""

import gzip
import sys
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

THREADS = int(sys.argv[1])
torch.set_num_threads(THREADS)
made = {}


class Work:
    """Something to repeat; how often fits into a sample is found out in the first one."""

    def __init__(self, run):
        self.run, self.calls = run, 0

    def timed(self, calls):
        start = time.perf_counter()
        for _ in range(calls):
            self.run()
        return time.perf_counter() - start

    def seconds_per_call(self, seconds):
        if not self.calls:
            self.calls = 1
            while (took := self.timed(self.calls)) < 0.5 * seconds:
                self.calls = max(2 * self.calls, int(self.calls * seconds / max(took, 1e-7)))
        self.timed(self.calls // 16 + 1)
        return self.timed(self.calls) / self.calls


def once(name, make):
    if name not in made:
        made[name] = make()
    return made[name]


def small_network():
    return nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))


# ---- what can be asked for ----


def forward(batch, seconds):
    def make():
        net, x = small_network(), torch.randn(int(batch), 4)

        def work():
            with torch.no_grad():
                net(x)

        return Work(work)

    return once(("forward", batch), make).seconds_per_call(float(seconds))


def train(batch, seconds):
    def make(foreach):
        net, x, y = small_network(), torch.randn(int(batch), 4), torch.randn(int(batch), 2)
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, foreach=foreach)

        def work():
            optimizer.zero_grad()
            F.mse_loss(net(x), y).backward()
            optimizer.step()

        return Work(work)

    works = once(("train", batch), lambda: [make(False), make(True)])
    return min(work.seconds_per_call(float(seconds) / 2) for work in works)


def op(name, seconds):
    def make():
        million, rows = torch.randn(1 << 20), torch.randn(4096, 256)
        other, w, b = torch.randn(1 << 20), torch.ones(256), torch.zeros(256)
        p = torch.randn(1 << 20, requires_grad=True)
        p.grad = 1e-3 * torch.randn(1 << 20)
        optimizer = torch.optim.Adam([p], lr=1e-3)
        works = {
            "add": lambda: million + other,
            "mul": lambda: million * other,
            "exp": lambda: torch.exp(million),
            "tanh": lambda: torch.tanh(million),
            "gelu": lambda: F.gelu(million, approximate="tanh"),
            "gelu_rows": lambda: F.gelu(rows, approximate="tanh"),
            "softmax": lambda: F.softmax(rows, -1),
            "layer_norm": lambda: F.layer_norm(rows, (256,), w, b),
            "adam": optimizer.step,
        }
        return {key: Work(work) for key, work in works.items()}

    return once("ops", make)[name].seconds_per_call(float(seconds))


def matmul(m, n, k, seconds):
    def make():
        a, b = torch.randn(int(m), int(k)), torch.randn(int(k), int(n))
        assert torch.allclose(a @ b, (a.double() @ b.double()).float(), atol=1e-2), "this BLAS is wrong"
        return Work(lambda: torch.mm(a, b))

    return once((m, n, k), make).seconds_per_call(float(seconds))


def small_add(seconds):
    def make():
        x, y = torch.randn(16), torch.randn(16)
        return Work(lambda: x + y)

    return once("add", make).seconds_per_call(float(seconds))


def tape(seconds):
    """Per node: a chain of 100 multiplications, recorded, and its backward pass."""

    def make():
        x, y = torch.randn(16, requires_grad=True), torch.randn(16)

        def work():
            z = x
            for _ in range(100):
                z = z * y
            z.sum().backward()

        return Work(work)

    return once("tape", make).seconds_per_call(float(seconds)) / 100


def clothes():
    def images(name):
        raw = gzip.open("/usr/share/datasets/fashion-mnist/" + name + "-images-idx3-ubyte.gz").read()
        return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 784).astype(np.float32) / 255)

    def labels(name):
        raw = gzip.open("/usr/share/datasets/fashion-mnist/" + name + "-labels-idx1-ubyte.gz").read()
        return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=8).astype(np.int64))

    return images("train"), labels("train"), images("t10k"), labels("t10k")


def fashion(seed, epochs):
    """Trains 784-256-10 for so many epochs: seconds per epoch, and accuracy on the test images."""
    x, y, test_x, test_y = once("clothes", clothes)
    torch.manual_seed(int(seed))
    net = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    start = time.perf_counter()
    for _ in range(int(epochs)):
        order = torch.randperm(len(x))
        for i in range(0, len(x), 64):
            rows = order[i : i + 64]
            optimizer.zero_grad()
            F.cross_entropy(net(x[rows]), y[rows]).backward()
            optimizer.step()
    seconds = (time.perf_counter() - start) / int(epochs)
    with torch.no_grad():
        return seconds, (net(test_x).argmax(1) == test_y).float().mean().item()


def ppo(seed, steps):
    import peer_ppo

    return peer_ppo.train(int(seed), int(steps))


def version():
    return torch.__version__


for line in sys.stdin:
    name, *arguments = line.split()
    try:
        answer = globals()[name](*arguments)
        print(*(answer if isinstance(answer, tuple) else (answer,)), flush=True)
    except Exception as problem:
        print("error:", str(problem).replace("\n", " "), flush=True)
