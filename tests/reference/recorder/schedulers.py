"""Learning rates under the schedules: `lr` holds the rate before the first step() and after each of thirty."""
import torch
from torch.optim import lr_scheduler

from recorder.case import title

STEPS = 30

CASES = [
    ("StepLR", dict(step_size=10)),
    ("StepLR", dict(step_size=4, gamma=0.5)),
    ("MultiStepLR", dict(milestones=[5, 12, 13], gamma=0.5)),
    ("ExponentialLR", dict(gamma=0.9)),
    ("CosineAnnealingLR", dict(T_max=30)),
    ("CosineAnnealingLR", dict(T_max=10, eta_min=0.01)),
    ("CosineAnnealingWarmRestarts", dict(T_0=8)),
    ("CosineAnnealingWarmRestarts", dict(T_0=4, T_mult=2, eta_min=0.01)),
    ("LinearLR", dict()),
    ("LinearLR", dict(start_factor=0.1, end_factor=0.5, total_iters=12)),
    ("ConstantLR", dict()),
    ("ConstantLR", dict(factor=0.5, total_iters=7)),
    ("PolynomialLR", dict(total_iters=20)),
    ("PolynomialLR", dict(total_iters=20, power=2.0)),
    ("OneCycleLR", dict(max_lr=0.5, total_steps=31)),
    ("OneCycleLR", dict(max_lr=0.5, epochs=4, steps_per_epoch=10, pct_start=0.25)),
    ("OneCycleLR", dict(max_lr=0.5, total_steps=31, anneal_strategy="linear", div_factor=10.0, final_div_factor=100.0)),
    ("OneCycleLR", dict(max_lr=0.5, total_steps=31, three_phase=True)),
    ("OneCycleLR", dict(max_lr=0.5, total_steps=31, cycle_momentum=False)),
    ("CyclicLR", dict(base_lr=0.01, max_lr=0.1, step_size_up=5)),
    ("CyclicLR", dict(base_lr=0.01, max_lr=0.1, step_size_up=4, step_size_down=6, mode="triangular2")),
    ("CyclicLR", dict(base_lr=0.01, max_lr=0.1, step_size_up=5, mode="exp_range", gamma=0.9,
                      cycle_momentum=False)),
]

# Falls, rests on a plateau, creeps down by less than the threshold, rises, and falls again.
METRICS = [10.0, 8.0, 7.0, 7.0, 7.5, 7.0, 7.0, 6.9999, 6.9999, 6.9998, 6.5, 6.0, 5.0, 6.0, 6.0,
           6.0, 6.0, 6.0, 6.0, 6.0, 6.0, 6.0, 4.0, 4.5, 4.5, 4.5, 4.5, 4.5, 4.5, 4.5]

PLATEAU_CASES = [
    dict(patience=2),
    dict(factor=0.5, patience=2, cooldown=2),
    dict(factor=0.5, patience=1, threshold=0.05),
    dict(factor=0.5, patience=1, threshold=0.75, threshold_mode="abs"),
    dict(factor=0.5, patience=1, min_lr=0.03),
    dict(mode="max", factor=0.5, patience=3),
]


def walk(optimizer, scheduler, metrics=None):
    group = optimizer.param_groups[0]
    rates, momenta = [group["lr"]], [group["momentum"]]
    for step in range(STEPS):
        optimizer.step()
        scheduler.step(*([metrics[step]] if metrics else []))
        rates.append(group["lr"])
        momenta.append(group["momentum"])
    moved = any(momentum != momenta[0] for momentum in momenta)
    return {"lr": rates, "momentum": momenta if moved else None}


def case(op, make, args, metrics=None, note=None):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    scheduler = make(optimizer)
    return {"name": title(op, args, None), "op": op, "args": args, "note": note, **walk(optimizer, scheduler, metrics)}


def record():
    cases = [case(op, lambda optimizer: getattr(lr_scheduler, op)(optimizer, **args), args) for op, args in CASES]
    cases.append(case("LambdaLR", lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda k: min(1, (k + 1) / 8)), {},
                      note="lambda(k) = min(1, (k + 1) / 8), k from 0"))
    cases.append(case("MultiplicativeLR",
                      lambda optimizer: lr_scheduler.MultiplicativeLR(optimizer, lambda k: 1 - 1 / (k + 4)), {},
                      note="lambda(k) = 1 - 1 / (k + 4), k from 1"))
    cases.append(case("SequentialLR", lambda optimizer: lr_scheduler.SequentialLR(
        optimizer, [lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=5),
                    lr_scheduler.CosineAnnealingLR(optimizer, T_max=25)], milestones=[5]),
        {"milestones": [5]}, note="LinearLR(start_factor=0.1, total_iters=5), then CosineAnnealingLR(T_max=25)"))
    cases.append(case("ChainedScheduler", lambda optimizer: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=4),
         lr_scheduler.ExponentialLR(optimizer, gamma=0.9)]),
        {}, note="ConstantLR(factor=0.5, total_iters=4) and ExponentialLR(gamma=0.9)"))
    plateau = [case("ReduceLROnPlateau", lambda optimizer: lr_scheduler.ReduceLROnPlateau(optimizer, **args), args,
                    metrics=METRICS) for args in PLATEAU_CASES]
    return {"optimizer": {"op": "SGD", "lr": 0.1, "momentum": 0.9}, "cases": cases,
            "metrics": METRICS, "plateau": plateau}
