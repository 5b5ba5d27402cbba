"""The categorical critic: its loss, its targets and the laws that it reads."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import ramac_jax as rj
from ramac_jax.agent.noise import draw_ood_noise, sample_ood_actions
from ramac_jax.agent.update import bellman_targets
from ramac_jax.losses import bin_centres, cross_entropy, least_law, project
from ramac_jax.returns import steps_to_end
from ramac_jax.types import ReturnLaw

KEY = jax.random.key(0)
FINE = (np.arange(20_000) + 0.5) / 20_000


def test_a_target_falls_on_the_two_nearest_bins_and_keeps_its_mean():
    """Bins of [0, 4] have the centres .5, 1.5, 2.5, 3.5."""
    logits = jnp.array([0.3, -1.0, 0.5, 2.0])
    log_p = jax.nn.log_softmax(logits)
    loss = cross_entropy(log_p, jnp.array([1.75]), jnp.ones(1), 0.0, 4.0)
    np.testing.assert_allclose(loss, -(0.75 * log_p[1] + 0.25 * log_p[2]), rtol=1e-6)


def test_targets_beyond_the_range_count_as_the_outer_bins():
    logits = jnp.array([0.3, -1.0, 0.5, 2.0])
    log_p = jax.nn.log_softmax(logits)
    probability = jnp.array([0.1, 0.2, 0.3, 0.4])
    loss = cross_entropy(
        log_p, jnp.array([-50.0, 0.1, 3.9, 50.0]), probability, 0.0, 4.0
    )
    np.testing.assert_allclose(loss, -(0.3 * log_p[0] + 0.7 * log_p[3]), rtol=1e-6)


def test_the_loss_is_least_at_the_frequencies_of_the_targets():
    def loss(logits):
        law = jnp.array([0.5, 2.5]), jnp.array([0.75, 0.25])
        return cross_entropy(jax.nn.log_softmax(logits), *law, 0.0, 4.0)

    slope = jax.grad(loss)
    right = jnp.log(jnp.array([0.75, 1e-9, 0.25, 1e-9]))
    np.testing.assert_allclose(slope(right), 0.0, atol=1e-6)
    assert jnp.abs(slope(right[::-1])).max() > 0.1


def test_a_smooth_law_keeps_its_variance_on_the_bins():
    """Two bins for each value would add f (1 - f) squared widths: a quarter at .5."""
    centres = bin_centres(-10.0, 10.0, 81)  # .247 wide
    law = jax.nn.softmax(-0.5 * centres**2)  # a standard normal
    for shift in (0.03, 0.1, 0.125, 0.2):
        value = 0.99 * centres + shift
        bins = project(value, law, -10.0, 10.0, 81)
        np.testing.assert_allclose(bins.sum(), 1.0, rtol=1e-6)
        np.testing.assert_allclose(bins @ centres, law @ value, atol=1e-5)
        wanted = law @ value**2 - (law @ value) ** 2
        np.testing.assert_allclose(bins @ centres**2 - shift**2, wanted, rtol=1e-5)


def test_no_bin_is_left_with_less_than_nothing():
    laws = jax.random.dirichlet(jax.random.key(0), jnp.full(21, 0.1), (200,))
    value = jax.random.uniform(jax.random.key(1), (200, 21), minval=-2.0, maxval=5.0)
    bins = jax.vmap(lambda v, p: project(v, p, -1.0, 4.0, 15))(value, laws)
    assert bins.min() >= 0.0
    np.testing.assert_allclose(bins.sum(1), 1.0, rtol=1e-5)
    inside = jnp.clip(value, -1.0 + 1 / 6, 4.0 - 1 / 6)
    mean = bins @ bin_centres(-1.0, 4.0, 15)
    np.testing.assert_allclose(mean, jnp.sum(laws * inside, 1), atol=1e-5)


@pytest.mark.parametrize("independent", [True, False])
def test_targets_are_the_whole_law_of_what_follows(independent):
    """r + gamma Z' of 5 bins of [0, 5], and no fraction is drawn."""
    critic = rj.categorical_critic(0.0, 5.0, widths=(3,), num_atoms=5)
    agent = rj.ramac_agent(
        rj.flow_actor(1, 1, widths=(2,)), critic, independent_targets=independent
    )
    (config,) = agent.update_from_noise.__wrapped__.args
    rows = rj.Transition(
        observation=jnp.array([[0.2], [-0.7]]),
        action=jnp.zeros((2, 1)),
        reward=jnp.array([0.5, 1.0]),
        next_observation=jnp.array([[1.0], [-2.0]]),
        terminated=jnp.array([0.0, 1.0]),
    )
    following = rows.next_observation, jnp.array([[0.3], [0.9]])
    params = jax.tree.map(lambda x: 3.0 * x, critic.init(KEY, *following))
    target = bellman_targets(
        config, params, rows, following[1], None, rj.Hyperparams(discount=0.5)
    )
    values, laws = critic.law(params, *following)
    np.testing.assert_allclose(values, [0.5, 1.5, 2.5, 3.5, 4.5])
    wanted = laws if independent else jax.vmap(least_law, 1)(laws)[None]
    np.testing.assert_allclose(target.probability, jnp.swapaxes(wanted, 0, 1))
    np.testing.assert_allclose(target.value[0, 0], 0.5 + 0.5 * values)
    np.testing.assert_allclose(target.value[1, 0], 1.0)  # the episode ends
    assert jnp.abs(laws[0] - laws[1]).max() > 0.01


def test_a_loss_of_quantiles_refuses_values_that_are_not_equally_likely():
    loss = rj.quantile_loss(lambda params, observation, action, tau: params)
    law = ReturnLaw(jnp.zeros((1, 2, 3)), jnp.full((1, 2, 3), 1.0 / 3.0))
    with pytest.raises(rj.InputError, match="a law a loss of its own"):
        loss(jnp.zeros((1, 2, 4)), None, None, law, jnp.ones(4), 1.0)


def train(dataset, critic, num_steps, target_steps=1, discount=0.99, **settings):
    """Critics [E] that learn a dataset, whose one policy is the data's."""
    agent = rj.ramac_agent(
        rj.flow_actor(1, 1, widths=(4,)),
        critic,
        num_quantiles=8,
        num_risk_quantiles=1,
        target_steps=target_steps,
        ood_actions="ood_weight" in settings,
    )
    hyperparams = rj.Hyperparams(
        critic_learning_rate=1e-2,
        risk_weight=0.0,
        discount=discount,
        decay_steps=float(num_steps),
        **settings,
    )
    fit = jax.jit(rj.make_train(agent, num_steps=num_steps, batch_size=128))
    start = agent.init(KEY, dataset)
    jax.config.update("jax_disable_most_optimizations", False)  # this run is long
    state, _ = fit(start, dataset, KEY, hyperparams)
    jax.config.update("jax_disable_most_optimizations", True)
    return state.critic_params


def read(critic, params, tau):
    observation, action = jnp.ones((1, 2)), jnp.zeros((1, 1))
    return critic.quantiles(params, observation, action, jnp.asarray(tau))[:, 0]


def one_state(reward, ends):
    """One state and one action, with these rewards and ends of episodes."""
    size = len(reward)
    state, action = jnp.ones((size, 2)), jnp.zeros((size, 1))
    left = np.asarray(steps_to_end(ends), np.float32)
    terminated = jnp.asarray(ends, jnp.float32)
    reward = jnp.asarray(reward, jnp.float32)
    return rj.Transition(state, action, reward, state, terminated, jnp.asarray(left))


@pytest.mark.slow
def test_a_rare_penalty_that_ends_the_episode_keeps_its_probability():
    """Reward 1 and on with .9, or -20 and the end; discount 1, targets of 10 steps.

    P(Z = k - 20) = .9^k .1, so that the mean is 9 - 20, the deviation sqrt(.9) / .1,
    and the worst tenth is -20.
    """
    rng = np.random.default_rng(0)
    ends = rng.random(20_000) < 0.1
    ends[-1] = True
    dataset = one_state(np.where(ends, -20.0, 1.0), ends)
    bounds = rj.value_range(dataset, 1.0)
    critic = rj.categorical_critic(*bounds, widths=(16,), num_atoms=51)
    params = train(dataset, critic, 1500, target_steps=10, discount=1.0)
    quantiles = read(critic, params, FINE).min(axis=0)
    np.testing.assert_allclose(quantiles.mean(), -11.0, atol=1.0)
    np.testing.assert_allclose(quantiles.std(), np.sqrt(0.9) / 0.1, rtol=0.1)
    tail = quantiles[: len(FINE) // 10].mean()
    np.testing.assert_allclose(tail, -20.0, atol=1.5)


def test_it_agrees_with_itself_in_bfloat16(make_batch):
    batch, sizes = make_batch(), {"widths": (128, 128), "num_atoms": 11}
    wide = rj.categorical_critic(-5.0, 5.0, **sizes)
    narrow = rj.categorical_critic(-5.0, 5.0, **sizes, dtype="bfloat16")
    params = wide.init(KEY, batch.observation, batch.action)
    tau = jnp.array([0.1, 0.5, 0.9])
    pair = batch.observation, batch.action
    found = narrow.quantiles(params, *pair, tau)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, wide.quantiles(params, *pair, tau), atol=0.1)
    assert np.any(found != wide.quantiles(params, *pair, tau))


@pytest.mark.parametrize(
    "bounds", [(1.0, 1.0), (2.0, 1.0), (-np.inf, 1.0), (0, np.nan)]
)
def test_bounds_that_are_no_range_are_refused(bounds):
    with pytest.raises(rj.InputError, match="give finite bounds, low below high"):
        rj.categorical_critic(*bounds)


def ood_share(behaviour, at):
    """Share of sampled OOD actions in these and the data's actions, near `at`.

    By counting, of as many of each; behaviour holds actions of the data.
    """
    noise = draw_ood_noise(behaviour, jax.random.key(1))
    ood_actions = np.asarray(sample_ood_actions(behaviour, noise))
    near = [np.sum(np.abs(x - at) < 0.02) for x in (ood_actions, np.asarray(behaviour))]
    return near[0] / sum(near)


def test_half_of_the_sampled_actions_lie_near_those_of_the_data():
    """Around -.9: N(-.9, .4) clipped at -1 is there with Phi(-.25); or U(-1, 1)."""
    action = jnp.full((20_000, 1), -0.9)
    ood_actions = sample_ood_actions(action, draw_ood_noise(action, KEY))
    assert np.abs(ood_actions).max() <= 1.0
    at_edge = np.mean(ood_actions == -1.0)
    np.testing.assert_allclose(at_edge, 0.5 * norm.cdf(-0.1 / 0.4), atol=0.01)
    near = np.mean(np.abs(ood_actions + 0.9) < 0.4)
    expected = 0.5 * (norm.cdf(1.0)) + 0.5 * 0.5 / 2.0
    np.testing.assert_allclose(near, expected, atol=0.01)


@pytest.mark.slow
def test_a_policy_avoids_actions_in_proportion_to_how_rare_the_data_make_them():
    """Actions U(-.5, .5), reward 1 and the end; an OOD weight of 1."""
    size = 20_000
    behaviour = jax.random.uniform(KEY, (size, 1), minval=-0.5, maxval=0.5)
    dataset = one_state(np.ones(size), np.full(size, True))._replace(action=behaviour)
    critic = rj.categorical_critic(-4.0, 4.0, widths=(32,), num_atoms=9)
    params = train(dataset, critic, 1500, ood_weight=1.0)
    asked = jnp.array([[0.0], [0.3], [0.9]])
    tau = (jnp.arange(1000) + 0.5) / 1000
    state = jnp.ones((3, 2))
    pessimistic = critic.pessimistic_quantiles(params, state, asked, tau)  # [E, 3, N]
    found = np.mean(pessimistic < -4.0, axis=(0, 2))
    expected = [ood_share(behaviour, at) for at in (0.0, 0.3, 0.9)]
    np.testing.assert_allclose(found, expected, atol=0.08)
    assert expected[2] == 1.0 and expected[0] < 0.6
    # What a target and a prediction say of the return has no share of it.
    quantiles = critic.quantiles(params, state, asked, tau)
    np.testing.assert_allclose(quantiles.mean(axis=2)[:, :2], 1.0, atol=0.1)


@pytest.mark.slow
def test_without_made_up_actions_caution_changes_nothing():
    dataset = one_state(np.ones(500), np.full(500, True))
    critic = rj.categorical_critic(-4.0, 4.0, widths=(8,), num_atoms=9)
    params = train(dataset, critic, 300)
    tau = jnp.linspace(0.05, 1.0, 20)
    place = jnp.ones((1, 2)), jnp.zeros((1, 1)), tau
    plain, pessimistic = (
        x(params, *place) for x in (critic.quantiles, critic.pessimistic_quantiles)
    )
    np.testing.assert_allclose(pessimistic, plain, atol=0.1)
