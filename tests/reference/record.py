#!/usr/bin/python3
"""Records what PyTorch computes, as Lua data that Yutu's tests compare with. README.md tells how to read it.

usage: /usr/bin/python3 tests/reference/record.py [SUBJECT...]

Made with Debian 12's python3-torch and python3-numpy; `training` also needs dataset-fashion-mnist and two minutes,
the rest take seconds. Every subject seeds the generator anew and runs on one thread: the same machine and versions
write the same bytes; another machine may differ in the last digit or two.
"""
import importlib
import os
import subprocess
import sys
import warnings

import numpy
import torch

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from recorder import lua   # noqa: E402  (the line above makes it findable)

SUBJECTS = ["activations", "losses", "optimizers", "schedulers", "init", "layers", "linalg", "indexing", "reductions",
            "training"]

COMMENT = """PyTorch's results, recorded by tests/reference/record.py {subject}: do not edit, record again.
{versions}.
Dims, labels and indices count from 1. README.md explains the fields.
"""


def versions():
    """What PyTorch and NumPy call themselves, and Debian's package: its 1.13.1 reports 1.13.0a0."""
    packages = ["python3-torch", "python3-numpy"]
    query = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}, "] + packages, capture_output=True,
                           text=True, check=False)
    return f"{query.stdout}reporting PyTorch {torch.__version__}, NumPy {numpy.__version__}"


def main(subjects):
    unknown = [subject for subject in subjects if subject not in SUBJECTS]
    if unknown:
        sys.exit(f"record.py: no subject {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")   # PyTorch on what KLDivLoss and SequentialLR may become
    for subject in subjects or SUBJECTS:
        torch.manual_seed(1)
        data = importlib.import_module("recorder." + subject).record()
        path = os.path.join(HERE, subject + ".lua")
        lua.write(path, COMMENT.format(subject=subject, versions=versions()), data)
        print(f"{subject + '.lua':18} {os.path.getsize(path) / 1024:6.1f} KB")


if __name__ == "__main__":
    main(sys.argv[1:])
