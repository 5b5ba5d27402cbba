#!/usr/bin/env bash
# d3rlpy 2.8.1 with torch 2.13.0, CPU.
#
# The target of TD3, SAC and others is the lesser of two critics (`reduction="min"`).
# With `IQNQFunctionFactory` it is less than either critic even where both are equal.
# Each critic draws its own random fractions for each row, and the lesser is the one
# whose mean over these fractions is less. This picks the critic that happened to draw
# the lower fractions. For n fractions and a law of deviation s, the lesser mean lies
# .56 s / sqrt(n) below the mean, and the greater as much above. At a discount g
# bootstrapping multiplies this by about 1 / (1 - g). `QRQFunctionFactory` has fixed
# fractions: there the lesser and the greater of two equal critics are the same.
# (`n_quantiles=32` equals the default of `n_greedy_quantiles`, as the continuous IQN
# needs in training.)
#
# The first part asks two critics with equal weights for the lesser and the greater
# target. The second part trains TD3 on one state whose rewards are standard normal and
# do not depend on the action, with discount .9, so that the true value is 0.
#
# Seen on 2026-11-27 (the first two in deviations of the quantiles):
#   QR  two equal critics, greater - lesser: 0.00
#   IQN two equal critics, greater - lesser: 0.20
#   QR  two critics, value after training: 0.01
#   IQN one critic,  value after training: -0.03
#   IQN two critics, value after training: -1.25
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install -q d3rlpy==2.8.1 torch==2.13.0 numpy==2.4.6
cat > "$place/lesser.py" <<'PYTHON'
import logging

import d3rlpy
import numpy as np
import structlog
import torch
from d3rlpy.logging import NoopAdapterFactory
from d3rlpy.models import (
    IQNQFunctionFactory,
    QRQFunctionFactory,
    VectorEncoderFactory,
)
from d3rlpy.models.builders import create_continuous_q_function

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
torch.set_num_threads(1)
QR, IQN = QRQFunctionFactory(), IQNQFunctionFactory(n_quantiles=32)
SMALL = VectorEncoderFactory([32])


def gap(factory):
    """Greater minus lesser target of two equal critics, in deviations."""
    torch.manual_seed(0)
    networks, forwarder = create_continuous_q_function(
        (3,), 1, SMALL, factory, device="cpu", enable_ddp=False, n_ensembles=2
    )
    networks[1].load_state_dict(networks[0].state_dict())
    rows = torch.randn(4096, 3), 2.0 * torch.rand(4096, 1) - 1.0
    with torch.no_grad():
        lesser, greater = (
            forwarder.compute_target(*rows, reduction=name).mean()
            for name in ("min", "max")
        )
        deviation = networks[0](*rows).quantiles.std(dim=1).mean()
    return float((greater - lesser) / deviation)


def value(factory, n_critics):
    """What TD3 predicts of standard normal rewards after 2,000 updates."""
    d3rlpy.seed(0)
    rng = np.random.default_rng(0)
    ones = np.ones((20_000, 1), np.float32)
    action = rng.uniform(-1.0, 1.0, ones.shape).astype(np.float32)
    reward = rng.normal(size=ones.shape).astype(np.float32)
    episodes = np.zeros(len(ones), np.float32)
    episodes[99::100] = 1.0
    data = d3rlpy.dataset.MDPDataset(
        ones, action, reward, np.zeros_like(episodes), timeouts=episodes
    )
    agent = d3rlpy.algos.TD3Config(
        batch_size=64,
        gamma=0.9,
        tau=0.05,
        critic_learning_rate=1e-3,
        n_critics=n_critics,
        q_func_factory=factory,
        actor_encoder_factory=SMALL,
        critic_encoder_factory=SMALL,
    ).create(device=False)
    agent.fit(
        data,
        n_steps=2000,
        n_steps_per_epoch=2000,
        logger_adapter=NoopAdapterFactory(),
        show_progress=False,
    )
    return float(agent.predict_value(ones[:100], action[:100]).mean())


found = {}
for name, factory in {"QR ": QR, "IQN": IQN}.items():
    found[f"{name} two equal critics, greater - lesser"] = gap(factory)
for label, factory, n_critics in (
    ("QR  two critics, value after training", QR, 2),
    ("IQN one critic,  value after training", IQN, 1),
    ("IQN two critics, value after training", IQN, 2),
):
    found[label] = value(factory, n_critics)
for label, number in found.items():
    print(f"{label}: {number + 0.0:.2f}")
same, apart, qr, one, two = found.values()
assert same == 0.0 and 0.18 < apart < 0.23, "the gap has changed"
assert abs(qr) < 0.3 and abs(one) < 0.3 and two < -0.8, "the values have changed"
PYTHON
"$place/venv/bin/python" "$place/lesser.py"
