"""RADAC and RAFMAC of the PyTorch release, trained and asked to act by its code."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.packages import import_from, import_package
from benchmarks.peers.data import ACTION_DIM, BATCH_SIZE, OBSERVATION_DIM, draw_data
from benchmarks.peers.trainer import Trainer, repeat


def build_release(clone: Path, name: str) -> Trainer:
    """Return RADAC or RAFMAC of the PyTorch release, on the CPU.

    RAFMAC has bandit=False: its default leaves the next value out of the target.
    """
    import_package("torch", "KaiFukazawa/RAMAC")
    module = import_from(clone, f"agents.{name}", "KaiFukazawa/RAMAC")
    datasets = import_from(clone, "utils.offline_dataset", "KaiFukazawa/RAMAC")
    buffer = datasets.OfflineReplayDataset(draw_data(), device="cpu")
    shared: dict[str, Any] = {
        "state_dim": OBSERVATION_DIM,
        "action_dim": ACTION_DIM,
        "max_action": 1.0,
        "device": "cpu",
        "discount": 0.99,
        "tau": 0.005,
    }
    parts: dict[str, tuple[Any, ...]]
    if name == "rafmac":
        agent = module.RAFMAC(
            **shared, flow_steps=10, normalize_q_loss=True, bandit=False
        )
        parts = {"actor": (agent.vf, agent.one), "critics": (agent.q1, agent.q2)}
    else:
        sizes = {"n_quantiles": 32, "embedding_dim": 128, "n_timesteps": 5}
        agent = module.RADAC(**shared, **sizes, beta_schedule="vp", grad_norm=5.0)
        parts = {"actor": (agent.actor,), "critics": (agent.critic1, agent.critic2)}

    def update() -> None:
        agent.train(buffer, iterations=1, batch_size=BATCH_SIZE)

    def params() -> dict[str, list[np.ndarray]]:
        return {
            part: [x.detach().numpy().copy() for y in several for x in y.parameters()]
            for part, several in parts.items()
        }

    return Trainer(repeat(update, lambda _: None), agent.sample_action, params)
