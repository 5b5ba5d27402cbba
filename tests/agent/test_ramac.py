"""One update: its hyperparams, its order and its arithmetic."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from tests.helpers import noiseless_actor

KEY = jax.random.key(7)
# Fast critics of so few units die at their first step: their gradient is then 0.
STEADY = rj.Hyperparams(critic_learning_rate=5e-5)
RISK_ONLY = STEADY._replace(bc_weight=0.0, risk_weight=1.0)

# For each hyperparameter a value far from its default that changes an update at step 5.
OTHER_VALUES = rj.Hyperparams(
    actor_learning_rate=1e-3,
    critic_learning_rate=2e-3,
    max_grad_norm=1e-3,
    discount=0.5,
    target_rate=0.5,
    ema_rate=0.5,
    bc_weight=2.0,
    risk_weight=2.0,
    risk_level=0.9,
    risk_warmup=100.0,
    risk_ramp=100.0,
    value_min=0.5,
    value_max=-0.5,
    huber_threshold=0.1,
    conservative_weight=1.0,
    support_weight=1.0,
    decay_steps=10.0,
)


def test_one_trace_serves_every_hyperparameter_and_each_matters(compiled, distance):
    state = compiled.state._replace(step=jnp.int32(5))
    usual, _ = compiled.update(state, compiled.batch, KEY, STEADY)
    for name, value in OTHER_VALUES._asdict().items():
        hyperparams = STEADY._replace(**{name: value})
        other, _ = compiled.update(state, compiled.batch, KEY, hyperparams)
        # such an agent has no such terms
        matters = name not in ("conservative_weight", "support_weight")
        assert (distance(usual, other) > 0.0) == matters, name
    assert len(compiled.traces) == 1


def test_the_key_is_the_only_chance(compiled, distance):
    start = (compiled.state, compiled.batch)
    one = compiled.update(*start, KEY, STEADY)
    same = compiled.update(*start, jax.random.key(7), STEADY)
    other = compiled.update(*start, jax.random.key(8), STEADY)
    assert distance(one, same) == 0.0
    assert distance(one[0].actor_params, other[0].actor_params) > 0.0
    assert distance(one[0].critic_params, other[0].critic_params) > 0.0


def test_the_first_update_by_risk_alone_moves_the_acting_policy(compiled, distance):
    agent, state = compiled.agent, compiled.state
    new, _ = compiled.update(state, compiled.batch, KEY, RISK_ONLY)
    assert distance(new.actor_params, state.actor_params) > 0.0
    before = agent.act(state, compiled.batch.observation, KEY)
    after = agent.act(new, compiled.batch.observation, KEY)
    assert before.shape == compiled.batch.action.shape
    assert distance(before, after) > 0.0


def test_the_risk_term_is_silent_until_warmed_up(compiled, distance):
    hyperparams = RISK_ONLY._replace(risk_warmup=3.0)
    moved = []
    for step in range(5):
        state = compiled.state._replace(step=jnp.int32(step))
        new, _ = compiled.update(state, compiled.batch, KEY, hyperparams)
        moved.append(distance(new.actor_params, state.actor_params) > 0.0)
        assert distance(new.critic_params, state.critic_params) > 0.0
    assert moved == [False, False, False, True, True]


def test_learning_rates_decay_to_nothing(compiled, distance):
    hyperparams = STEADY._replace(decay_steps=10.0)

    def step_sizes(step):
        state = compiled.state._replace(step=jnp.int32(step))
        new, _ = compiled.update(state, compiled.batch, KEY, hyperparams)
        return (
            distance(new.actor_params, state.actor_params),
            distance(new.critic_params, state.critic_params),
        )

    first, half, last = step_sizes(0), step_sizes(5), step_sizes(10)
    np.testing.assert_allclose(half, np.multiply(first, 0.5), rtol=1e-2)
    assert last == (0.0, 0.0)


def test_target_networks_step_towards_the_online_ones(compiled, close):
    hyperparams = rj.Hyperparams(
        target_rate=0.25,
        ema_rate=0.75,
        actor_learning_rate=0.1,
        critic_learning_rate=0.1,
    )
    shifted = jax.tree.map(lambda x: x + 1.0, compiled.state.target_critic_params)
    old = compiled.state._replace(target_critic_params=shifted)
    new, _ = compiled.update(old, compiled.batch, KEY, hyperparams)

    def between(target, online, rate):
        return jax.tree.map(lambda t, p: (1 - rate) * t + rate * p, target, online)

    expected = between(old.target_actor_params, new.actor_params, 0.75)
    close(new.target_actor_params, expected)
    expected = between(old.target_critic_params, new.critic_params, 0.25)
    close(new.target_critic_params, expected)


def test_state_is_arrays_and_keeps_its_types(compiled):
    state = compiled.state
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(state))
    assert not any(
        jnp.issubdtype(x.dtype, jax.dtypes.prng_key) for x in jax.tree.leaves(state)
    )
    new, metrics = compiled.update(state, compiled.batch, KEY, STEADY)
    described = [jax.tree.map(lambda x: (x.shape, x.dtype), s) for s in (state, new)]
    assert described[0] == described[1]
    assert new.step == 1
    assert all(value.shape == () for value in metrics.values())


def test_buffers_of_a_fresh_state_are_all_its_own(compiled):
    leaves = jax.tree.leaves(compiled.agent.init(KEY, compiled.batch))
    assert len({leaf.unsafe_buffer_pointer() for leaf in leaves}) == len(leaves)


# A worked example small enough for pen and paper: the action is the actor's one
# weight, and critic e values it at gain_e w_e a, whatever the fraction.

POINT_ACTOR = noiseless_actor(
    init=lambda key, observation, action: jnp.array([0.5]),
    sample=lambda params, observation: jnp.broadcast_to(
        params, (*observation.shape[:-1], 1)
    ),
    bc_loss=lambda params, observation, action: jnp.mean((params - action) ** 2),
)


def linear_critic(gains=(1.0, 1.0)):
    def quantiles(weights, observation, action, tau):
        value = (weights * jnp.array(gains))[:, None, None] * action  # [E, B, 1]
        return jnp.broadcast_to(value, (*value.shape[:2], tau.size))

    def init(key, observation, action):
        return jnp.array([2.0, 1.0])

    return rj.Critic(init=init, quantiles=quantiles, loss=rj.quantile_loss(quantiles))


ROWS = rj.Transition(
    observation=jnp.zeros((2, 1)),
    action=jnp.array([[0.1], [0.2]]),
    reward=jnp.array([1.0, 2.0]),
    next_observation=jnp.zeros((2, 1)),
    terminated=jnp.array([0.0, 1.0]),
)
HYPERPARAMS = rj.Hyperparams(
    actor_learning_rate=0.01,
    critic_learning_rate=0.1,
    max_grad_norm=0.5,
    discount=0.9,
    target_rate=0.5,
    ema_rate=0.1,
    bc_weight=2.0,
    risk_weight=0.5,
    value_max=1.5,
)


@pytest.fixture(scope="module")
def worked():
    agent = rj.ramac_agent(POINT_ACTOR, linear_critic(), num_quantiles=4)
    state = agent.init(KEY, ROWS)._replace(
        target_actor_params=jnp.array([0.25]),
        target_critic_params=jnp.array([3.0, -1.0]),
    )
    return jax.jit(agent.update)(state, ROWS, KEY, HYPERPARAMS)


def test_truncated_rows_bootstrap_and_terminated_ones_do_not(worked):
    _, metrics = worked
    # a' = .25 of the target actor: 1 + .9 min(.75, -.25) = .775; 2 is clipped to 1.5
    np.testing.assert_allclose(metrics["target_mean"], (0.775 + 1.5) / 2, rtol=1e-6)
    np.testing.assert_allclose(metrics["target_clipped"], 0.5)


def test_targets_stay_within_what_a_critic_can_represent():
    critic = linear_critic()._replace(low=0.8, high=1.2)
    agent = rj.ramac_agent(POINT_ACTOR, critic, num_quantiles=4)
    state = agent.init(KEY, ROWS)._replace(
        target_actor_params=jnp.array([0.25]),
        target_critic_params=jnp.array([3.0, -1.0]),
    )
    _, metrics = agent.update(state, ROWS, KEY, HYPERPARAMS)
    np.testing.assert_allclose(metrics["target_mean"], (0.8 + 1.2) / 2, rtol=1e-6)
    np.testing.assert_allclose(metrics["target_clipped"], 1.0)


def test_joined_steps_weigh_what_follows_by_the_discount_of_all_of_them():
    """.5 + .9 .6 + .81 min(.75, -.25); the second row ends, and 2 is clipped to 1.5."""
    agent = rj.ramac_agent(POINT_ACTOR, linear_critic(), num_quantiles=4)
    state = agent.init(KEY, ROWS)._replace(
        target_actor_params=jnp.array([0.25]),
        target_critic_params=jnp.array([3.0, -1.0]),
    )
    rows = ROWS._replace(
        reward=jnp.array([[0.5, 0.6], [2.0, 0.0]]), steps=jnp.array([2.0, 1.0])
    )
    _, metrics = agent.update(state, rows, KEY, HYPERPARAMS)
    expected = 0.5 + 0.9 * 0.6 + 0.81 * -0.25
    np.testing.assert_allclose(metrics["target_mean"], (expected + 1.5) / 2, rtol=1e-6)


def test_rows_cut_from_a_dataset_are_single_steps(worked):
    """The steps that are left in their episodes say nothing about the rewards."""
    agent = rj.ramac_agent(POINT_ACTOR, linear_critic(), num_quantiles=4)
    state = agent.init(KEY, ROWS)._replace(
        target_actor_params=jnp.array([0.25]),
        target_critic_params=jnp.array([3.0, -1.0]),
    )
    rows = ROWS._replace(steps=jnp.array([2.0, 1.0]))
    _, metrics = agent.update(state, rows, KEY, HYPERPARAMS)
    assert metrics["target_mean"] == worked[1]["target_mean"]


def test_a_critic_of_independent_targets_learns_as_if_it_were_alone():
    """The critics of an ensemble then differ from one that learns alone in nothing."""
    hyperparams = HYPERPARAMS._replace(value_max=np.inf, risk_weight=0.0)
    weights = jnp.array([3.0, -1.0])

    def learned(chosen, *, independent):
        critic = linear_critic()._replace(init=lambda *_: chosen)
        if chosen.size == 1:
            critic = linear_critic((1.0,))._replace(init=lambda *_: chosen)
        agent = rj.ramac_agent(
            POINT_ACTOR, critic, num_quantiles=4, independent_targets=independent
        )
        train = rj.make_train(agent, num_steps=20, batch_size=2)
        state = agent.init(KEY, ROWS)
        state, metrics = jax.jit(train)(state, ROWS, KEY, hyperparams)
        return state.critic_params, metrics["target_mean"]

    together, target = learned(weights, independent=True)
    alone = [learned(weights[i : i + 1], independent=True) for i in range(2)]
    np.testing.assert_allclose(together, [x[0][0] for x in alone], rtol=1e-5)
    np.testing.assert_allclose(target, np.mean([x[1] for x in alone]), rtol=1e-5)
    shared, lower = learned(weights, independent=False)
    assert shared[0] < together[0] - 0.05 and lower < target - 0.05


def test_the_actor_reads_the_updated_critics(worked):
    state, metrics = worked
    # predictions lie below the targets, so Adam's first step raises both weights by .1
    np.testing.assert_allclose(state.critic_params, [2.1, 1.1], rtol=1e-5)
    np.testing.assert_allclose(metrics["risk_value"], 1.1 * 0.5, rtol=1e-5)


def test_the_actor_weighs_cloning_against_risk(worked):
    state, metrics = worked
    # L_bc = (.4^2 + .3^2) / 2, its slope .7; the value's slope is the lesser weight
    np.testing.assert_allclose(metrics["bc_loss"], 0.125, rtol=1e-6)
    np.testing.assert_allclose(metrics["actor_loss"], 0.25 - 0.275, rtol=1e-5)
    slope = 2.0 * 0.7 - 0.5 * 1.1  # .85, clipped to .5; Adam keeps a tenth
    assert slope > HYPERPARAMS.max_grad_norm
    np.testing.assert_allclose(state.actor_opt_state[0].mu, [0.05], rtol=1e-5)
    np.testing.assert_allclose(state.actor_params, [0.49], rtol=1e-5)


def test_averages_of_the_worked_example(worked):
    state, _ = worked
    np.testing.assert_allclose(state.target_actor_params, [0.274], rtol=1e-5)
    np.testing.assert_allclose(state.target_critic_params, [2.55, 0.05], rtol=1e-5)


def test_gradients_are_clipped_per_critic():
    rows = ROWS._replace(terminated=jnp.ones(2))
    hyperparams = HYPERPARAMS._replace(max_grad_norm=1e-3)

    def after_one_update(gains):
        agent = rj.ramac_agent(POINT_ACTOR, linear_critic(gains), num_quantiles=4)
        state, _ = jax.jit(agent.update)(agent.init(KEY, rows), rows, KEY, hyperparams)
        return state.critic_opt_state[0].mu

    plain, scaled = after_one_update((1.0, 1.0)), after_one_update((1000.0, 1.0))
    np.testing.assert_allclose(np.abs(plain), 1e-4, rtol=1e-5)  # both clipped, / 10
    np.testing.assert_allclose(plain[1], scaled[1], rtol=1e-6)
    np.testing.assert_allclose(np.abs(scaled[0]), 1e-4, rtol=1e-5)


@pytest.mark.parametrize("normalize", [False, True])
def test_a_normalised_value_moves_the_actor_alike_whatever_its_unit(normalize):
    hyperparams = HYPERPARAMS._replace(critic_learning_rate=0.0, max_grad_norm=np.inf)

    def gradient(gain):
        agent = rj.ramac_agent(
            POINT_ACTOR,
            linear_critic((gain, gain)),
            num_quantiles=4,
            normalize_value=normalize,
        )
        state, _ = jax.jit(agent.update)(agent.init(KEY, ROWS), ROWS, KEY, hyperparams)
        return float(state.actor_opt_state[0].mu[0]) / 0.1

    # 2 * .7 of cloning; the lesser critic, of weight 1, has slope 1 and value .5
    slopes = (1.0 / 0.5, 1.0 / 0.5) if normalize else (1.0, 1000.0)
    for gain, slope in zip((1.0, 1000.0), slopes, strict=True):
        assert gradient(gain) == pytest.approx(2.0 * 0.7 - 0.5 * slope, rel=1e-4)


def test_a_value_is_normalised_by_its_mean_size_not_by_the_size_of_its_mean():
    """Rows of value .5 and -1.5: mean -.5, mean size 1, slope (1 - 3) / 2."""

    def quantiles(weights, observation, action, tau):
        value = weights[:, None, None] * observation * action
        return jnp.broadcast_to(value, (*value.shape[:2], tau.size))

    def init(key, observation, action):
        return jnp.ones(2)

    critic = rj.Critic(init=init, quantiles=quantiles, loss=rj.quantile_loss(quantiles))
    agent = rj.ramac_agent(POINT_ACTOR, critic, num_quantiles=4, normalize_value=True)
    rows = ROWS._replace(observation=jnp.array([[1.0], [-3.0]]))
    hyperparams = HYPERPARAMS._replace(critic_learning_rate=0.0, max_grad_norm=np.inf)
    state, _ = jax.jit(agent.update)(agent.init(KEY, rows), rows, KEY, hyperparams)
    gradient = float(state.actor_opt_state[0].mu[0]) / 0.1
    assert gradient == pytest.approx(2.0 * 0.7 + 0.5 * 1.0 / 1.0, rel=1e-4)


@pytest.mark.parametrize("penalty", [rj.losses.quantile_gap, rj.losses.value_gap])
def test_a_conservative_critic_prefers_the_actions_of_the_data(penalty):
    """The penalty is one of differences: theirs stays true, the others sink."""
    size = 16
    column, row = jnp.zeros((size, 1)), jnp.zeros(size)
    data = rj.Transition(column, column + 0.4, row, column, row + 1.0)
    critic = rj.value_critic(widths=(32,))
    agent = rj.ramac_agent(
        POINT_ACTOR,
        critic,
        num_quantiles=2,
        conservative=penalty,
        num_candidates=8,
    )
    asked = jnp.linspace(-1.0, 1.0, 21)[:, None]

    def learned(weight):
        hyperparams = rj.Hyperparams(
            actor_learning_rate=0.0,
            critic_learning_rate=1e-2,
            decay_steps=300.0,
            conservative_weight=weight,
        )
        state = agent.init(KEY, data)._replace(actor_params=jnp.array([-0.9]))
        run = jax.jit(rj.make_train(agent, num_steps=300, batch_size=16))
        state, metrics = run(state, data, KEY, hyperparams)
        args = (state.critic_params, jnp.zeros((21, 1)), asked, jnp.ones(1))
        return critic.quantiles(*args).mean(axis=(0, 2)), metrics

    values, metrics = learned(1.0)
    assert metrics["conservative_gap"] < -0.2
    assert np.argmax(values) == 14 and np.argmin(values) < 4  # .4, and the policy's
    np.testing.assert_allclose(values[14], 0.0, atol=0.05)
    assert np.all(values[np.abs(asked[:, 0] - 0.4) > 0.25] < values[14] - 0.2)
    plain, metrics = learned(0.0)
    np.testing.assert_allclose(plain, 0.0, atol=0.05)
    np.testing.assert_allclose(metrics["conservative_gap"], 0.0, atol=0.05)
