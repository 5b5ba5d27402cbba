"""The benchmark of ranked candidates."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from benchmarks import candidates


def slope_critic():
    """Two critics whose returns rise with the action, by 1 and by 2."""

    def quantiles(params, observation, action, tau):
        value = params[:, None] * action[..., 0]  # [E, B]
        return value[..., None] + tau

    def init(key, observation, action):
        return jnp.array([1.0, 2.0])

    return rj.Critic(init=init, quantiles=quantiles, loss=rj.quantile_loss(quantiles))


@pytest.mark.parametrize("count", [1, 5])
def test_the_action_of_the_highest_tail_is_taken_of_those_that_the_policy_draws(count):
    actor = rj.gaussian_actor(1, widths=(4,))
    key, observation = jax.random.key(0), jnp.ones(3)
    params = actor.init(key, observation, jnp.zeros(1))
    critic = slope_critic()
    ranked = candidates.best_of(actor, critic, count, 0.1)
    found = ranked.sample((params, jnp.array([1.0, 2.0])), observation, key)
    drawn = actor.sample(params, jnp.ones((count, 3)), key)
    np.testing.assert_allclose(found, drawn.max(axis=0), rtol=1e-6)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--candidates 0", "--candidates is 0: give 1 or more"),
        ("--level 2", "--level is 2: give one above 0 and at most 1"),
        ("", "no run: give --run, a folder of ramac train"),
        ("--run /nowhere", "there is no folder /nowhere/checkpoint"),
    ],
)
def test_bad_options_are_refused(words, message):
    with pytest.raises(rj.InputError, match=message):
        candidates.main(words.split())


def test_a_run_without_critics_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(candidates, "load_policy", lambda folder: None)
    with pytest.raises(rj.InputError, match="has no critics that know the tail"):
        candidates.main(["--run", str(tmp_path)])
