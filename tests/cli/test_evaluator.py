"""The figures of episodes, and the evaluator that plays them."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.cli.runs import evaluator as evaluators
from ramac_jax.cli.runs.evaluator import Evaluator, figures_of
from ramac_jax.evaluation import Episodes
from ramac_jax.normalization import Scaling
from ramac_jax.policy import CriticSpec, PolicySpec
from ramac_jax.population import cross


def test_figures_leave_failed_episodes_out_and_count_them():
    nan = np.nan
    returns = np.array([[4.0, 1.0, 3.0, 2.0], [5.0, nan, 7.0, nan], [nan] * 4])
    length = np.array([[2, 2, 2, 2], [1, 3, 1, 3], [0, 0, 0, 0]])
    risky = np.array([[1, 0, 1, 0], [0, 3, 0, 3], [0, 0, 0, 0]])
    failed = np.isnan(returns)
    episodes = Episodes(length, returns, length, risky, returns, returns, failed, None)
    figures = figures_of(episodes, 0.5)
    assert figures["mean"].tolist() == pytest.approx([2.5, 6.0, nan], nan_ok=True)
    # (1 + 2) / 2, less the bias 31/128 of four returns; 5, less that of two, 1/2
    expected = pytest.approx([1.2578125, 4.5, nan], nan_ok=True)
    assert figures["cvar"].tolist() == expected
    assert figures["risky_share"].tolist() == [0.25, 0.75, 0.0]
    assert figures["failed"].tolist() == [0, 2, 4]


def test_members_of_a_seed_play_the_same_episodes_in_training(monkeypatch):
    """Two settings of three seeds; a chunk of a population has some of them."""
    played = []
    monkeypatch.setattr(
        Evaluator, "play", lambda self, params, numbers, **rest: played.append(numbers)
    )
    monkeypatch.setattr(evaluators, "figures_of", lambda episodes, level: {})
    everyone = cross(rj.grid(rj.Hyperparams(), risk_weight=(0.1, 0.2)), [5, 6, 7])
    protocol = SimpleNamespace(level=0.1)
    evaluate = Evaluator(None, protocol, None).callback(everyone).evaluate
    for rows in (slice(None), slice(2, 5)):
        evaluate(0, None, jax.tree.map(lambda x, i=rows: x[i], everyone), None)
    assert played == [[0, 1, 2, 0, 1, 2], [2, 0, 1]]


def test_an_evaluator_builds_its_actor_and_its_critics_once():
    scaling = Scaling(*(jnp.zeros(2) for _ in Scaling._fields))
    spec = PolicySpec(
        scaling=scaling,
        actor="flow",
        actor_options={"num_steps": 2, "widths": (8,)},
    )
    evaluator = Evaluator(spec, None, None)
    assert evaluator.actor is evaluator.actor
    other = evaluator.for_policy(spec._replace(actor="diffusion"))
    assert other.actor is not evaluator.actor
    assert other.actor is other.actor
    assert evaluator.critic is None
    critic = CriticSpec(name="value", options={"widths": (8,)})
    ranking = evaluator.for_policy(spec._replace(critic=critic))
    assert ranking.critic is ranking.critic is not None
