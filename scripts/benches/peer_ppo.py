"""PPO on CartPole-v1 as CleanRL's ppo.py writes it, with environments that step together in NumPy.

CleanRL's own environments, one Gym object each, are slower: this is PyTorch at its best.
"""

import time

import numpy as np
import torch
import torch.nn as nn
from torch.distributions.categorical import Categorical

ENVS, STEPS, EPOCHS, MINIBATCHES = 8, 128, 4, 4
BATCH = ENVS * STEPS


class CartPole:
    """Barto, Sutton & Anderson 1983, as in Gymnasium; an ended episode begins anew at once."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.state, self.steps, self.returns = self.start(ENVS), np.zeros(ENVS, int), []

    def start(self, n):
        return self.random.uniform(-0.05, 0.05, (n, 4))

    def step(self, action):
        x, speed, angle, spin = self.state.T
        c, s = np.cos(angle), np.sin(angle)
        push = (np.where(action == 1, 10.0, -10.0) + 0.05 * spin**2 * s) / 1.1
        turn = (9.8 * s - c * push) / (0.5 * (4 / 3 - 0.1 * c * c / 1.1))
        pull = push - 0.05 * turn * c / 1.1
        self.state = np.stack([x + 0.02 * speed, speed + 0.02 * pull, angle + 0.02 * spin, spin + 0.02 * turn], 1)
        self.steps += 1
        ended = (np.abs(self.state[:, 0]) > 2.4) | (np.abs(self.state[:, 2]) > 12 * np.pi / 180) | (self.steps >= 500)
        if ended.any():
            self.returns += self.steps[ended].tolist()
            self.state[ended], self.steps[ended] = self.start(ended.sum()), 0
        return self.state.astype(np.float32), np.ones(ENVS, np.float32), ended.astype(np.float32)


def layer(inputs, outputs, gain=2**0.5):
    made = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(made.weight, gain)
    nn.init.constant_(made.bias, 0.0)
    return made


def network(outputs, gain):
    return nn.Sequential(layer(4, 64), nn.Tanh(), layer(64, 64), nn.Tanh(), layer(64, outputs, gain))


def train(seed, total):
    """Steps per second, and the mean return of the last 32 episodes."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    actor, critic, envs = network(2, 0.01), network(1, 1.0), CartPole(seed)
    parameters = [*actor.parameters(), *critic.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=2.5e-4, eps=1e-5)
    observations, actions = torch.zeros(STEPS, ENVS, 4), torch.zeros(STEPS, ENVS)
    logprobs, rewards, dones, values = (torch.zeros(STEPS, ENVS) for _ in range(4))
    now, done = torch.tensor(envs.state.astype(np.float32)), torch.zeros(ENVS)
    begun, iterations = time.perf_counter(), total // BATCH
    for iteration in range(iterations):
        optimizer.param_groups[0]["lr"] = 2.5e-4 * (1 - iteration / iterations)
        for t in range(STEPS):
            observations[t], dones[t] = now, done
            with torch.no_grad():
                policy = Categorical(logits=actor(now))
                action = policy.sample()
                logprobs[t], values[t] = policy.log_prob(action), critic(now).flatten()
            actions[t] = action
            after, reward, ended = envs.step(action.numpy())
            rewards[t], now, done = torch.from_numpy(reward), torch.from_numpy(after), torch.from_numpy(ended)
        with torch.no_grad():
            next_value, advantages, later = critic(now).flatten(), torch.zeros_like(rewards), 0
            for t in reversed(range(STEPS)):
                alive = 1 - (done if t == STEPS - 1 else dones[t + 1])
                delta = rewards[t] + 0.99 * (next_value if t == STEPS - 1 else values[t + 1]) * alive - values[t]
                advantages[t] = later = delta + 0.99 * 0.95 * alive * later
            returns = advantages + values
        kept = observations, actions, logprobs, advantages, returns, values
        batch = [x.reshape(BATCH, -1).squeeze(1) for x in kept]
        order = np.arange(BATCH)
        for _ in range(EPOCHS):
            np.random.shuffle(order)
            for rows in np.split(order, MINIBATCHES):
                x, action, logprob, advantage, target, value = (part[rows] for part in batch)
                policy = Categorical(logits=actor(x))
                ratio = (policy.log_prob(action) - logprob).exp()
                advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
                policy_loss = torch.max(-advantage * ratio, -advantage * ratio.clamp(0.8, 1.2)).mean()
                guess = critic(x).flatten()
                held = value + (guess - value).clamp(-0.2, 0.2)
                value_loss = 0.5 * torch.max((guess - target) ** 2, (held - target) ** 2).mean()
                loss = policy_loss - 0.01 * policy.entropy().mean() + 0.5 * value_loss
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(parameters, 0.5)
                optimizer.step()
    rate = iterations * BATCH / (time.perf_counter() - begun)
    return rate, float(np.mean(envs.returns[-32:]))
