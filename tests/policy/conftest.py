"""A checkpoint that tests of this room share."""

import pytest

from ramac_jax import policy as checkpoints
from tests.policy.populations import population


@pytest.fixture(scope="module")
def flow(tmp_path_factory):
    spec, _, states = population("flow")
    folder = tmp_path_factory.mktemp("flow") / "checkpoint"
    checkpoints.save_policy(folder, states, spec)
    return folder, spec, states
