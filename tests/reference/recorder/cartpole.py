"""Trajectories of Gymnasium's CartPole-v1 from given states, under given actions: what src/envs/cartpole.c must do.

Episodes: one that a simple controller keeps up through the time limit of 500 steps, one under random actions until
the pole falls, one pushed to the right until it falls, and one whose cart runs out of the track. Starting states have
few binary digits, so that they are exact on both sides; states are kept in f64, as Gymnasium does. Actions are written
as L and R.
"""
import gymnasium
import numpy

WHAT = "Trajectories of CartPole-v1"
VERSIONS = f"Gymnasium {gymnasium.__version__}"
EVERY = 20   # steps between recorded states


def balance(state, _step):
    return int(state[2] + 0.5 * state[3] + 0.02 * state[0] + 0.05 * state[1] > 0)


def run_away(state, _step):
    """Keeps the pole leaning to the right while the cart chases it."""
    return int(state[2] + 0.5 * state[3] > 0.04)


def random_actions(seed):
    random = numpy.random.RandomState(seed)
    return lambda _state, _step: int(random.randint(2))


def episode(name, start, policy):
    env = gymnasium.make("CartPole-v1")
    env.reset(seed=1)
    env.unwrapped.state = numpy.array(start, dtype=numpy.float64)
    actions, states, steps = "", [], []
    terminated = truncated = False
    total = 0.0
    while not (terminated or truncated):
        action = policy(env.unwrapped.state, len(actions))
        _, reward, terminated, truncated, _ = env.step(action)
        actions += "LR"[action]
        total += reward
        if len(actions) % EVERY == 0 or terminated or truncated:
            steps.append(len(actions))
            states.append([float(x) for x in env.unwrapped.state])
    rows = [actions[i:i + 100] for i in range(0, len(actions), 100)]
    return {"name": name, "start": start, "actions": rows, "steps": steps, "states": states,
            "terminated": terminated, "truncated": truncated, "total_reward": total}


def record():
    return [
        episode("balanced to the limit", [1 / 64, -1 / 32, 1 / 128, 1 / 64], balance),
        episode("random pushes", [-1 / 32, 1 / 64, 1 / 64, -1 / 128], random_actions(3)),
        episode("always to the right", [0.0, 0.0, -1 / 32, 0.0], lambda _state, _step: 1),
        episode("off the track", [1.0, 0.5, 1 / 32, 0.0], run_away),
    ]
