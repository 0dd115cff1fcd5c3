"""One iteration of CleanRL's ppo.py, transcribed with PyTorch in f64: what lua/yutu/rl/ppo.lua must compute.

Source: https://github.com/vwxyzjn/cleanrl, cleanrl/ppo.py, from "bootstrap value if not done" to the optimizer step;
its settings. The rollout (8 steps of 4 environments), the weights (one hidden layer of 8) and the order of the
minibatches are drawn here and recorded. Where an episode was truncated, CleanRL, which has one flag for both, is given
reward + gamma V(final observation): the same advantage as bootstrapping there.
"""
import torch
from torch import nn

WHAT = "One iteration of CleanRL's PPO"
VERSIONS = f"PyTorch {torch.__version__} (Debian 12: 1.13.1)"
STEPS, ENVS, HIDDEN, EPOCHS, MINIBATCHES = 8, 4, 8, 2, 2
GAMMA, LAMBDA, CLIP, ENTROPY, VALUE, MAX_NORM, LR, EPS = 0.99, 0.95, 0.2, 0.01, 0.5, 0.5, 2.5e-3, 1e-5


def grid(*shape, step=1 / 64, reach=0.5):
    """Random multiples of step: exact in f32."""
    limit = int(reach / step)
    return torch.randint(-limit, limit + 1, shape).double() * step


def network(outputs):
    net = nn.Sequential(nn.Linear(4, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, outputs)).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(grid(*parameter.shape))
    return net


def flat(tensor):
    return tensor.detach().reshape(-1).tolist()


def record():
    torch.manual_seed(1)
    torch.set_num_threads(1)
    actor, critic = network(2), network(1)
    parameters = list(actor.parameters()) + list(critic.parameters())
    optimizer = torch.optim.Adam(parameters, lr=LR, eps=EPS)
    initial = [flat(p) for p in parameters]

    obs, final_obs = grid(STEPS + 1, ENVS, 4, reach=2), grid(STEPS, ENVS, 4, reach=2)
    actions = torch.randint(0, 2, (STEPS, ENVS))
    rewards = grid(STEPS, ENVS, reach=2)
    terminated, truncated = torch.zeros(STEPS, ENVS).bool(), torch.zeros(STEPS, ENVS).bool()
    for t, env in (2, 1), (5, 3), (7, 0):         # (7, ...) is the last step of the rollout
        terminated[t, env] = True
    for t, env in (3, 0), (4, 2), (7, 2):
        truncated[t, env] = True
    behaviour = grid(STEPS, ENVS, 2)      # logits of a slightly different policy, so that ratios differ from 1
    with torch.no_grad():
        behaviour = actor(obs[:-1]) + behaviour
        values = critic(obs).squeeze(2)
        final_values = critic(final_obs).squeeze(2)
        logprobs = behaviour.log_softmax(2).gather(2, actions.unsqueeze(2)).squeeze(2)
        done = (terminated | truncated).double()
        paid = rewards + GAMMA * final_values * truncated.double()
        advantages, last = torch.zeros(STEPS, ENVS).double(), 0
        for t in reversed(range(STEPS)):
            going_on = 1.0 - done[t]
            delta = paid[t] + GAMMA * values[t + 1] * going_on - values[t]
            advantages[t] = last = delta + GAMMA * LAMBDA * going_on * last
        returns = advantages + values[:-1]

    b_obs, b_actions, b_logprobs = obs[:-1].reshape(-1, 4), actions.reshape(-1), logprobs.reshape(-1)
    b_advantages, b_returns, b_values = advantages.reshape(-1), returns.reshape(-1), values[:-1].reshape(-1)
    updates = []
    for _ in range(EPOCHS):
        for mb in torch.randperm(STEPS * ENVS).chunk(MINIBATCHES):
            logits, newvalue = actor(b_obs[mb]), critic(b_obs[mb]).view(-1)
            policy = torch.distributions.Categorical(logits=logits)
            logratio = policy.log_prob(b_actions[mb]) - b_logprobs[mb]
            ratio = logratio.exp()
            with torch.no_grad():
                approx_kl = ((ratio - 1) - logratio).mean()
                clipfrac = ((ratio - 1.0).abs() > CLIP).double().mean()
            mb_advantages = b_advantages[mb]
            mb_advantages = (mb_advantages - mb_advantages.mean()) / (mb_advantages.std() + 1e-8)
            pg_loss1 = -mb_advantages * ratio
            pg_loss2 = -mb_advantages * torch.clamp(ratio, 1 - CLIP, 1 + CLIP)
            pg_loss = torch.max(pg_loss1, pg_loss2).mean()
            v_loss_unclipped = (newvalue - b_returns[mb]) ** 2
            v_clipped = b_values[mb] + torch.clamp(newvalue - b_values[mb], -CLIP, CLIP)
            v_loss = 0.5 * torch.max(v_loss_unclipped, (v_clipped - b_returns[mb]) ** 2).mean()
            entropy = policy.entropy().mean()
            loss = pg_loss - ENTROPY * entropy + v_loss * VALUE
            optimizer.zero_grad()
            loss.backward()
            norm = nn.utils.clip_grad_norm_(parameters, MAX_NORM)
            optimizer.step()
            updates.append({"index": (mb + 1).tolist(), "policy_loss": pg_loss.item(), "value_loss": v_loss.item(),
                            "entropy": entropy.item(), "approx_kl": approx_kl.item(), "clip_fraction": clipfrac.item(),
                            "gradient_norm": norm.item()})
    return {
        "steps": STEPS, "envs": ENVS, "hidden": HIDDEN, "epochs": EPOCHS, "minibatches": MINIBATCHES,
        "learning_rate": LR, "initial": initial,
        "observation": flat(obs), "final_observation": flat(final_obs), "action": flat(actions + 1),
        "reward": flat(rewards), "terminated": flat(terminated.int()), "truncated": flat(truncated.int()),
        "logits": flat(behaviour), "value": flat(values), "final_value": flat(final_values),
        "logprob": flat(logprobs), "advantage": flat(advantages), "returns": flat(returns),
        "updates": updates, "after": [flat(p) for p in parameters],
    }
