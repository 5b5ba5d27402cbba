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


def test_a_run_without_critics_is_refused_in_one_line(tmp_path):
    with pytest.raises(rj.InputError, match="candidates is 0"):
        candidates.main([str(tmp_path), "--candidates", "0"])
    with pytest.raises(rj.InputError, match="--level is 2: give one above 0"):
        candidates.main([str(tmp_path), "--level", "2"])
