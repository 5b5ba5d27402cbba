"""Rows of a rollout depend on their agent and their seed alone."""

import dataclasses

import jax
import numpy as np
import pytest

from ramac_jax.acting import ActingOptions
from ramac_jax.errors import InputError
from ramac_jax.evaluation import (
    Episodes,
)
from tests.evaluation.counters import (
    HOPPER,
    assert_same_rows,
    member,
    play,
)

pytestmark = pytest.mark.usefixtures("optimised")


def test_a_nan_agent_changes_no_bit_of_the_others(hopper, hopper_episodes):
    params = jax.tree.map(np.array, hopper.params)
    for leaf in jax.tree.leaves(params):
        leaf[1] = np.nan
    broken = dataclasses.replace(hopper, params=params)
    episodes = play(broken, HOPPER, 3, seed=7, horizon=40)
    assert episodes.failed[1].all()
    kept = [0, 2]
    assert_same_rows(
        Episodes(*(x[kept] for x in episodes)),
        Episodes(*(x[kept] for x in hopper_episodes)),
    )


def test_a_row_depends_on_its_agent_and_its_seed_alone(hopper, hopper_episodes):
    assert len(np.unique(hopper_episodes.returns)) == 9
    for agent in range(3):
        alone = play(member(hopper, agent), HOPPER, 19, seed=0, horizon=40)
        first = 7 + 3 * agent
        assert_same_rows(
            Episodes(*(x[:, first : first + 3] for x in alone)),
            Episodes(*(x[agent : agent + 1] for x in hopper_episodes)),
        )


def test_agents_of_one_number_meet_the_same_episodes(hopper, hopper_episodes):
    """Those of the number that an agent has by default, whatever its row."""
    swapped = play(hopper, HOPPER, 3, seed=7, horizon=40, numbers=[1, 1, 0])
    np.testing.assert_array_equal(swapped.start[0], swapped.start[1])
    np.testing.assert_array_equal(swapped.start[2], hopper_episodes.start[0])
    assert_same_rows(
        Episodes(*(x[1] for x in swapped)), Episodes(*(x[1] for x in hopper_episodes))
    )
    assert not np.isin(swapped.returns[[0, 2]], hopper_episodes.returns).any()


@pytest.mark.parametrize("numbers", [[0, 1], [0, 1, -1]])
def test_every_agent_needs_a_number(hopper, numbers):
    with pytest.raises(InputError, match="for 3 agents: give one for each, 0 or more"):
        play(hopper, HOPPER, 1, seed=0, numbers=numbers)


def test_a_ranked_row_depends_on_its_agent_and_its_seed_alone(hopper, hopper_episodes):
    acting = ActingOptions(temperature=0.7, num_candidates=5, risk_level=0.2)
    together = play(hopper, HOPPER, 3, seed=7, horizon=40, acting=acting)
    assert not np.isin(together.returns, hopper_episodes.returns).any()
    for agent in range(3):
        first = 7 + 3 * agent
        alone = play(
            member(hopper, agent), HOPPER, 19, seed=0, horizon=40, acting=acting
        )
        assert_same_rows(
            Episodes(*(x[:, first : first + 3] for x in alone)),
            Episodes(*(x[agent : agent + 1] for x in together)),
        )
