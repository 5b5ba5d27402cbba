"""Pretrained actors are shared by members that clone alike; diverged ones stop."""

import jax
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.population.pretraining import distinct_members
from tests.population import toy

pytestmark = pytest.mark.usefixtures("compiled_once", "waiting")
READ = ("actor_learning_rate", "max_grad_norm", "ema_rate", "bc_weight")


def test_members_that_clone_alike_share_a_pretrained_actor(train, uninterrupted, close):
    rows = np.array([3, 1, 3, 0, 1])
    members = jax.tree.map(lambda x: x[rows], toy.make_members())
    level = np.linspace(0.1, 0.5, 5, dtype=np.float32)  # the toy does not read it
    members = members._replace(
        hyperparams=members.hyperparams._replace(risk_level=level)
    )
    pretrained = []

    def report(progress):
        if progress.phase == "pretraining":
            pretrained.append(sorted(progress.members.seed.tolist()))

    start = toy.PRETRAINING._replace(hyperparams_read=READ)
    trained = train(members=members, report=report, start=start)
    assert pretrained and all(seeds == [0, 1, 3] for seeds in pretrained)
    states = jax.tree.map(lambda x: x[rows], uninterrupted[0].states)
    close(trained.states, states, 1e-5, 1e-4)


@pytest.mark.parametrize("name", rj.Hyperparams._fields)
def test_only_the_seed_and_the_hyperparams_read_distinguish_members(name):
    members = toy.make_members(2)
    alike = jax.tree.map(lambda x: x[[0, 0, 0]], members)
    values = np.array([0.5, 0.25, 0.5], np.float32)
    changed = alike._replace(hyperparams=alike.hyperparams._replace(**{name: values}))
    rows, places = distinct_members(changed, READ)
    if name in READ:
        assert len(rows) == 2
        np.testing.assert_array_equal(values[rows][places], values)
    else:
        np.testing.assert_array_equal(rows, [0])
        np.testing.assert_array_equal(places, [0, 0, 0])
    rows, places = distinct_members(alike._replace(seed=np.array([5, 4, 5])), READ)
    np.testing.assert_array_equal(rows[places], [0, 1, 0])


@pytest.fixture(scope="module")
def diverged():
    """Options of a run in whose pretraining the second member diverges."""
    members = toy.make_members()
    rate = np.array([1e-3, 1e10, 2e-3, 3e-3, 4e-3], np.float32)
    hyperparams = members.hyperparams._replace(actor_learning_rate=rate)
    return {
        "members": members._replace(hyperparams=hyperparams),
        "start": toy.PRETRAINING._replace(num_steps=40),
    }


def test_a_member_whose_pretraining_diverged_makes_no_update(train, diverged):
    trained = train(**diverged)
    assert trained.frozen == {1: 0}
    assert trained.states.step.tolist() == [10, 0, 10, 10, 10]
    for leaf in jax.tree.leaves(trained.states):
        assert np.isfinite(leaf).all()
    metrics = trained.history.metrics
    assert np.isnan(metrics["error"][:, 1]).all()
    assert np.isfinite(np.delete(metrics["error"], 1, axis=1)).all()


def test_an_inactive_member_stays_inactive_in_a_resumed_run(train, diverged, tmp_path):
    expected = train(**diverged)
    with pytest.raises(toy.Death):
        train(tmp_path, report=toy.Reports(("training", 0, 8), toy.die), **diverged)
    again = toy.Reports()
    toy.assert_same(train(tmp_path, report=again, **diverged), expected)
    assert again.places[0] == ("training", 0, 6)


def test_pretraining_of_no_updates_is_none(train):
    none = toy.PRETRAINING._replace(num_steps=0)
    seen = toy.Reports()
    trained = train(start=none, report=seen)
    assert {phase for phase, _, _ in seen.places} == {"training"}
    toy.assert_same(trained, train(start=None))
