"""What the tests of the commands share."""

import numpy as np
import pytest
from minari.data_collector import EpisodeBuffer

from ramac_jax.cli import sweep
from tests.cli import sweeps


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
