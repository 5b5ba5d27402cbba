"""What the tests of the commands share."""

import json

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from minari.data_collector import EpisodeBuffer

import ramac_jax as rj
from ramac_jax import policy as checkpoints
from ramac_jax.cli import sweep
from ramac_jax.normalization import Scaling
from tests.cli import sweeps

SAMPLER = {"num_steps": 2, "widths": [8], "time_width": 4}


def make_episodes():
    """Five episodes of a Hopper that leans from 0 to .19, of random actions."""
    draw = np.random.default_rng(0)
    episodes = []
    for _ in range(5):
        observations = draw.normal(size=(41, 11))
        observations[:, 1] = np.linspace(0.0, 0.19, 41)
        episodes.append(
            EpisodeBuffer(
                observations=observations,
                actions=draw.uniform(-1.0, 1.0, (40, 3)).astype(np.float32),
                rewards=np.ones(40),
                terminations=np.zeros(40, bool),
                truncations=np.arange(40) == 39,
            )
        )
    return episodes


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of datasets."""
    folder = tmp_path / "datasets"
    folder.mkdir()
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(folder))
    return folder


@pytest.fixture(scope="session")
def leaning_hopper():
    return make_episodes


@pytest.fixture(scope="module")
def sweep_datasets(tmp_path_factory, leaning_hopper):
    folder = tmp_path_factory.mktemp("datasets")
    sweeps.make_datasets(folder, leaning_hopper())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(folder))
        yield folder


@pytest.fixture(scope="module")
def toys():
    with sweeps.toys():
        yield


@pytest.fixture(scope="module")
def whole(sweep_datasets, toys, tmp_path_factory):
    """A sweep that nothing disturbed."""
    out = tmp_path_factory.mktemp("sweeps") / "whole"
    sweep.main([*sweeps.SEARCH, "--out", str(out)])
    return out


@pytest.fixture(scope="module")
def untrained_run(tmp_path_factory):
    """A run of hopper-medium-expert, of seeds 5 and 6, before any evaluation."""
    scaling = Scaling(jnp.zeros(11), jnp.ones(11), -jnp.ones(3), jnp.ones(3))
    critic = checkpoints.CriticSpec(
        name="quantile",
        options={"width": 8, "embedding_width": 8, "num_cosines": 4},
        risk_level=0.25,
        num_quantiles=4,
    )
    spec = checkpoints.PolicySpec(
        scaling=scaling, actor="flow", actor_options=SAMPLER, critic=critic
    )
    agent = rj.ramac_agent(
        checkpoints.build_actor(spec), checkpoints.build_critic(critic), num_quantiles=4
    )
    batch = rj.Transition(
        np.ones((4, 11)), np.ones((4, 3)), np.ones(4), np.ones((4, 11)), np.zeros(4)
    )
    draw = np.random.default_rng(0)
    states = jax.tree.map(
        lambda x: jnp.asarray(draw.normal(size=(2, *x.shape)), x.dtype),
        jax.eval_shape(agent.init, jax.random.key(0), batch),
    )
    folder = tmp_path_factory.mktemp("run")
    checkpoints.save_policy(folder / "checkpoint", states, spec)
    record = {
        "task": "hopper-medium-expert",
        "preset": "hopper-medium-expert/rafmac",
        "env": gymnasium.spec("ramac_jax/hopper-medium-expert-v4").to_json(),
        "seeds": [5, 6],
    }
    (folder / "run.json").write_text(json.dumps(record))
    return folder
