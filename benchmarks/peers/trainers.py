"""Loops of other people's agents: each sampled and updated by its own code.

A trainer is a function of seconds. It updates for so long and returns updates/s.
"""

import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.packages import import_from, import_package

OBSERVATION_DIM, ACTION_DIM = 17, 6
ROWS, BATCH_SIZE = 65_536, 256
TrainFn = Callable[[float], float]


def draw_data() -> dict[str, np.ndarray]:
    """Draw random transitions with the names that FQL and the release give them."""
    draw = np.random.default_rng(0)
    shape = ROWS, OBSERVATION_DIM
    actions = draw.uniform(-1.0, 1.0, (ROWS, ACTION_DIM))
    return {
        "observations": draw.standard_normal(shape, np.float32),
        "actions": actions.astype(np.float32),
        "next_observations": draw.standard_normal(shape, np.float32),
        "rewards": draw.standard_normal(ROWS, np.float32),
        "terminals": np.zeros(ROWS, np.float32),
    }


def repeat(update: Callable[[], Any], wait: Callable[[Any], Any]) -> TrainFn:
    """Return a trainer that repeats an update and waits for the last one."""

    def train(seconds: float) -> float:
        start, count, found = time.perf_counter(), 0, None
        while time.perf_counter() - start < seconds:
            found = update()
            count += 1
        wait(found)
        return count / (time.perf_counter() - start)

    return train


def build_fql(clone: Path) -> TrainFn:
    """Return the trainer of seohongpark/fql: 3 x 256 actors and 2 x 256 values.

    Its values have no layer normalization, and their loss is normalized, as ours.
    """
    jax = import_package("jax", "FQL")
    module = import_from(clone, "agents.fql", "seohongpark/fql")
    datasets = import_from(clone, "utils.datasets", "seohongpark/fql")
    config = module.get_config()
    config.actor_hidden_dims, config.value_hidden_dims = (256,) * 3, (256,) * 2
    config.layer_norm, config.normalize_q_loss = False, True
    data = draw_data()
    data["masks"] = 1.0 - data["terminals"]
    buffer = datasets.ReplayBuffer.create_from_initial_dataset(data, size=ROWS + 1)
    example = buffer.sample(1)
    pair = example["observations"], example["actions"]
    agent = module.FQLAgent.create(0, *pair, config)

    def update() -> Any:
        nonlocal agent
        agent, info = agent.update(buffer.sample(BATCH_SIZE))
        return info

    return repeat(update, jax.block_until_ready)


def build_dql(clone: Path) -> TrainFn:
    """Return the trainer of flow-rl's Diffusion-QL, with its own settings for D4RL.

    Its dataset imports d4rl and gym, which sampling does not use: empty modules stand
    for them, and the arrays are set without its constructor, which loads D4RL.
    """
    jax = import_package("jax", "flow-rl")
    omegaconf = import_package("omegaconf", "flow-rl")
    for name in ("d4rl", "gym"):
        sys.modules.setdefault(name, types.ModuleType(name))
    name = "typoverflow/flow-rl"
    module = import_from(clone, "flowrl.agent.offline.dql", name)
    dataset_type = import_from(clone, "flowrl.dataset.d4rl", name).D4RLDataset
    settings = clone / "examples/offline/config/d4rl/algo/dql.yaml"
    config = omegaconf.OmegaConf.load(settings).algo
    agent = module.DQLAgent(OBSERVATION_DIM, ACTION_DIM, config, 0)
    data, dataset = draw_data(), dataset_type.__new__(dataset_type)
    dataset.scan, dataset.batch_idx, dataset.size = True, 0, ROWS
    dataset.scan_index = np.random.default_rng(0).permutation(ROWS)
    dataset.dataset = {
        "obs": data["observations"],
        "action": data["actions"],
        "reward": data["rewards"][:, None],
        "terminal": data["terminals"][:, None],
        "next_obs": data["next_observations"],
        "next_action": data["actions"],
    }
    step = 0

    def update() -> Any:
        nonlocal step
        metrics = agent.train_step(dataset.sample(BATCH_SIZE), step=step)
        step += 1
        return metrics

    return repeat(update, lambda _: jax.block_until_ready(agent.actor.params))


def build_release(clone: Path, name: str) -> TrainFn:
    """Return the trainer of RADAC or RAFMAC of the PyTorch release, on the CPU.

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
    if name == "rafmac":
        agent = module.RAFMAC(
            **shared, flow_steps=10, normalize_q_loss=True, bandit=False
        )
    else:
        sizes = {"n_quantiles": 32, "embedding_dim": 128, "n_timesteps": 5}
        agent = module.RADAC(**shared, **sizes, beta_schedule="vp", grad_norm=5.0)

    def update() -> None:
        agent.train(buffer, iterations=1, batch_size=BATCH_SIZE)

    return repeat(update, lambda _: None)
