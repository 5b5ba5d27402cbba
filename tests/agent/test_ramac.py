"""One update: its hyperparams, its order and its state."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax import population

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
    ood_weight=1.0,
    target_lambda=0.5,
    decay_steps=10.0,
)


def test_one_trace_serves_every_hyperparameter_and_each_matters(compiled, distance):
    state = compiled.state._replace(step=jnp.int32(5))
    usual, _ = compiled.update(state, compiled.batch, KEY, STEADY)
    for name, value in OTHER_VALUES._asdict().items():
        hyperparams = STEADY._replace(**{name: value})
        other, _ = compiled.update(state, compiled.batch, KEY, hyperparams)
        # such an agent has no such terms, and target_lambda is one of its batches
        idle = "conservative_weight", "ood_weight", "target_lambda"
        matters = name not in idle
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


def test_one_trace_serves_numbers_of_every_kind(make_agent, make_batch):
    agent, batch, traces = make_agent(), make_batch(), []

    @jax.jit
    def update(*args):
        traces.append(len(args))
        return agent.update(*args)

    state = jax.eval_shape(agent.init, KEY, batch)
    for number in (
        2.0,
        2,
        True,
        np.float32(2),
        np.float64(2),
        np.int64(2),
        np.array(2),
    ):
        hyperparams = STEADY._replace(risk_weight=number, risk_warmup=number)
        update.eval_shape(state, batch, KEY, hyperparams)
    assert len(traces) == 1


def test_axes_of_hyperparams_stay_integers():
    axes = rj.Hyperparams(*[None] * len(rj.Hyperparams._fields))
    mapped = jax.vmap(
        lambda x: x.discount * x.risk_level, in_axes=(axes._replace(risk_level=0),)
    )
    found = mapped(rj.Hyperparams(discount=0.5, risk_level=jnp.array([1.0, 2.0])))
    np.testing.assert_array_equal(found, [0.5, 1.0])


SINGLE = {
    "quantile": rj.iqn_critic(width=8, embedding_width=8, num_cosines=4),
    "categorical": rj.categorical_critic(-3.0, 3.0, widths=(8,), num_atoms=5),
    "value": rj.value_critic(widths=(8,)),
}


def test_ood_actions_change_nothing_but_what_their_weight_says(
    make_actor, make_batch, close, distance
):
    critic = rj.categorical_critic(-3.0, 3.0, widths=(8,), num_atoms=5)
    batch, after = make_batch(), {}
    for ood_actions in (False, True):
        agent = rj.ramac_agent(
            make_actor("flow"), critic, num_quantiles=4, ood_actions=ood_actions
        )
        state, update = agent.init(KEY, batch), jax.jit(agent.update)
        for weight in (0.0, 0.5):
            hyperparams = STEADY._replace(ood_weight=weight)
            after[ood_actions, weight] = update(state, batch, KEY, hyperparams)
    close(after[False, 0.0][0], after[True, 0.0][0])
    close(after[False, 0.5], after[False, 0.0], atol=0.0, rtol=0.0)
    one, other = after[True, 0.5][0], after[True, 0.0][0]
    assert distance(one.critic_params, other.critic_params) > 1e-5
    assert "ood_loss" in after[True, 0.0][1] and "ood_loss" not in after[False, 0.0][1]


def test_a_weight_that_the_agent_ignores_is_refused(make_actor, make_batch):
    agent = rj.ramac_agent(make_actor("flow"), SINGLE["categorical"])
    members = population.cross(STEADY._replace(ood_weight=0.25), [0])
    schedule = population.Schedule(1, 8, log_every=1)
    with pytest.raises(rj.InputError, match="ood_weight is 0.25 and the agent samples"):
        population.train_population(agent, make_batch(), members, schedule)


def test_a_critic_without_the_class_takes_no_ood_actions(make_actor):
    with pytest.raises(rj.InputError, match="the critic has no class of OOD actions"):
        rj.ramac_agent(make_actor("flow"), rj.value_critic(), ood_actions=True)


@pytest.mark.parametrize("conservative", [None, rj.losses.value_gap])
def test_a_critic_of_means_is_read_at_one_fraction(
    conservative, make_actor, make_batch, close
):
    batch, after, asked = make_batch(), [], []
    means = SINGLE["value"]

    def quantiles(params, observation, action, tau):
        asked.append(tau.shape)
        return means.quantiles(params, observation, action, tau)

    loss = rj.quantile_loss(quantiles, rj.losses.squared_error)
    for mean_only in (True, False):
        asked.clear()
        agent = rj.ramac_agent(
            make_actor("flow"),
            means._replace(quantiles=quantiles, loss=loss, mean_only=mean_only),
            num_quantiles=4,
            num_risk_quantiles=3,
            num_penalty_quantiles=2,
            conservative=conservative,
        )
        state = agent.init(KEY, batch)
        hyperparams = STEADY._replace(conservative_weight=0.5)
        after.append(jax.jit(agent.update)(state, batch, KEY, hyperparams))
        wanted = {(4,), (3,)} | ({(2,)} if conservative else set())
        assert set(asked) == ({(1,)} if mean_only else wanted)
    close(*after)


@pytest.mark.parametrize(
    "name", ["normalize_value", "independent_targets", "ood_actions", "single_step"]
)
def test_a_word_is_no_flag(make_actor, name):
    with pytest.raises(rj.InputError, match=f"{name} is of type str .'no'.: give one"):
        rj.ramac_agent(make_actor("flow"), rj.iqn_critic(), **{name: "no"})


@pytest.mark.parametrize("critic", SINGLE)
@pytest.mark.parametrize("independent_targets", [False, True])
def test_single_steps_update_as_steps_that_end_and_sample_nothing_for_it(
    critic, independent_targets, make_actor, make_batch, close
):
    batch = make_batch()._replace(terminated=jnp.ones(8))
    flow, asked = make_actor("flow"), []

    def sample_from_noise(params, observation, noise):
        asked.append(observation)
        return flow.sample_from_noise(params, observation, noise)

    actor = flow._replace(sample_from_noise=sample_from_noise)
    updated, sampled = [], []
    for single_step in (True, False):
        agent = rj.ramac_agent(
            actor,
            SINGLE[critic],
            num_quantiles=4,
            independent_targets=independent_targets,
            single_step=single_step,
            micro_batch=lambda rows, fractions: 4,
        )
        state = agent.init(KEY, batch)
        # The reward at 1 is beyond the bound, so that a target must be clipped.
        hyperparams = STEADY._replace(value_max=0.5)
        updated.append(jax.jit(agent.update)(state, batch, KEY, hyperparams))
        asked.clear()
        jax.make_jaxpr(agent.update)(state, batch, KEY, hyperparams)
        sampled.append(len(asked))
    assert float(updated[0][1]["target_clipped"]) > 0.0
    close(updated[0], updated[1], atol=1e-6)
    assert sampled == [1, 2]  # actions, and next actions


def test_what_goes_on_is_no_single_step(make_actor, make_batch):
    actor, critic = make_actor("flow"), SINGLE["value"]
    with pytest.raises(rj.InputError, match="target_steps is 3: give 1"):
        rj.ramac_agent(actor, critic, single_step=True, target_steps=3)
    agent = rj.ramac_agent(actor, critic, single_step=True)
    assert agent.single_step
    with pytest.raises(rj.InputError, match="terminated is 0 in 6 of 8 rows"):
        population.train_population(
            agent,
            make_batch(),
            population.cross(STEADY, [0]),
            population.Schedule(1, 8, log_every=1),
        )
