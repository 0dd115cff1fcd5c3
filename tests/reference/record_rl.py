#!/usr/bin/env python3
"""Records trajectories of Gymnasium's CartPole-v1 and an update of CleanRL's PPO, as Lua data for rl_spec and ppo_spec.

usage: python3 tests/reference/record_rl.py [cartpole] [ppo]

Needs what record.py needs, and Gymnasium 1.x:

  /usr/bin/python3 -m venv --system-site-packages VENV && VENV/bin/pip install gymnasium
  VENV/bin/python tests/reference/record_rl.py

The recorders are recorder/cartpole.py and recorder/ppo.py; README.md explains the fields.
"""
import importlib
import os
import sys

import numpy

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from recorder import lua   # noqa: E402  (the line above makes it findable)

COMMENT = """{what}, recorded by tests/reference/record_rl.py {subject}: do not edit, record again.
{versions}, NumPy {numpy}.
"""


def main(subjects):
    for subject in subjects or ["cartpole", "ppo"]:
        recorder = importlib.import_module("recorder." + subject)
        path = os.path.join(HERE, subject + ".lua")
        comment = COMMENT.format(what=recorder.WHAT, subject=subject, versions=recorder.VERSIONS,
                                 numpy=numpy.__version__)
        lua.write(path, comment, recorder.record())
        print(f"{subject + '.lua':18} {os.path.getsize(path) / 1024:6.1f} KB")


if __name__ == "__main__":
    main(sys.argv[1:])
