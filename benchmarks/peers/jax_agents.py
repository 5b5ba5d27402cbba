"""FQL and flow-rl's Diffusion-QL: sampled, updated and asked to act by their code."""

import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.packages import import_from, import_package
from benchmarks.peers.data import (
    ACTION_DIM,
    BATCH_SIZE,
    OBSERVATION_DIM,
    ROWS,
    draw_data,
)
from benchmarks.peers.trainer import Trainer, repeat


def copies(parts: Mapping[str, Any]) -> dict[str, list[np.ndarray]]:
    """Return a copy of every array in each of the trees of JAX's arrays."""
    jax = import_package("jax", "a peer")
    return {
        part: [np.array(x) for x in jax.tree.leaves(tree)]
        for part, tree in parts.items()
    }


def gigaflop(*lowered: Any) -> float:
    """Return XLA's count for an update of these programs."""
    flop = [x.compile().cost_analysis()["flops"] for x in lowered]
    return sum(flop) / 1e9


def build_fql(clone: Path) -> Trainer:
    """Return the agent of seohongpark/fql: 3 x 256 actors and 2 x 256 values.

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
    agent, rng = module.FQLAgent.create(0, *pair, config), jax.random.PRNGKey(0)

    def update() -> Any:
        nonlocal agent
        agent, info = agent.update(buffer.sample(BATCH_SIZE))
        return info

    def act(observation: np.ndarray) -> np.ndarray:
        nonlocal rng
        rng, key = jax.random.split(rng)
        return np.array(agent.sample_actions(observations=observation, seed=key))

    def params() -> dict[str, list[np.ndarray]]:
        found = {k.removeprefix("modules_"): v for k, v in agent.network.params.items()}
        actors = found["actor_bc_flow"], found["actor_onestep_flow"]
        return copies({"actor": actors, "critics": found["critic"]})

    lowered = module.FQLAgent.update.lower(agent, buffer.sample(BATCH_SIZE))
    train = repeat(update, jax.block_until_ready)
    return Trainer(train, act, params, gigaflop(lowered))


def build_dql(clone: Path) -> Trainer:
    """Return flow-rl's Diffusion-QL, with its own settings for D4RL.

    Its dataset imports d4rl and gym, which sampling does not use: empty modules stand
    for them, and the arrays are set without its constructor, which loads D4RL. It acts
    by one sample; its own evaluation ranks 50.
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

    def act(observation: np.ndarray) -> np.ndarray:
        return np.asarray(agent.sample_actions(observation[None], num_samples=1)[0])[0]

    return Trainer(
        train=repeat(update, lambda _: jax.block_until_ready(agent.actor.params)),
        act=act,
        params=lambda: copies(
            {"actor": agent.actor.params, "critics": agent.critic.params}
        ),
        gigaflop=gigaflop(*lower_dql(module, agent, dataset.sample(BATCH_SIZE))),
    )


def lower_dql(module: Any, agent: Any, batch: Any) -> tuple[Any, Any]:
    """Return the two programs that one update of Diffusion-QL calls."""
    config = agent.cfg
    critics = module.jit_update_critic.lower(
        agent.rng,
        agent.critic,
        agent.critic_target,
        agent.actor_target,
        batch,
        config.critic.discount,
        config.critic.maxQ,
        config.diffusion.solver,
        config.critic.ema,
    )
    actor = module.jit_update_actor.lower(
        agent.rng,
        agent.actor,
        agent.actor_target,
        agent.critic,
        batch,
        config.eta,
        config.diffusion.solver,
        config.diffusion.ema,
        do_ema_update=False,
    )
    return critics, actor
