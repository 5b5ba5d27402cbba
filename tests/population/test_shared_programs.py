"""Populations that share programs: one compilation, and the same members."""

import numpy as np
import pytest

from ramac_jax.population import (
    Callbacks,
    InitialStates,
    Schedule,
    SharedPrograms,
    select_settings,
    train_population,
)
from tests.helpers import keyed_agent
from tests.population import toy
from tests.population.toy import assert_same


@pytest.fixture
def counted():
    """The toy agent, and how often its update is traced."""
    traces = []

    def update(*arguments):
        traces.append("update")
        return toy.update(*arguments)

    return keyed_agent(toy.init, update, toy.act), traces


def test_smaller_populations_train_in_the_same_program(counted):
    """Four members, then two of them, then three from the states of four."""
    agent, traces = counted
    shared = SharedPrograms(4)
    everyone = toy.make_members(4)
    schedule = Schedule(num_steps=4, batch_size=4, log_every=2, eval_every=2)
    seen = []

    def evaluate(step, params, members, cancelled):
        seen.append(len(members.seed))
        return {"mean": np.zeros(len(members.seed))}

    def train(members, schedule=schedule, start=None):
        return train_population(
            agent,
            toy.DATASET,
            members,
            schedule,
            start=start,
            callbacks=Callbacks(evaluate=evaluate),
            shared=shared,
        )

    whole = train(everyone)
    count = len(traces)
    assert count
    two = select_settings(everyone.hyperparams, np.array([1, 3]), [0])
    two = two._replace(seed=everyone.seed[[1, 3]])
    part = train(two)
    assert seen == [4, 4, 2, 2]  # copies are not evaluated
    assert part.states.step.tolist() == [4, 4]
    assert part.history.metrics["error"].shape == (2, 2)
    for row, place in enumerate((1, 3)):
        assert_same(toy.member(part.states, row), toy.member(whole.states, place))
    start = InitialStates(states=part.states_of(two), step=4)
    longer = train(two, schedule._replace(num_steps=6), start)
    assert longer.states.step.tolist() == [6, 6]
    assert len(traces) == count
