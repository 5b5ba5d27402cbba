"""The contract that every registered actor keeps."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import ramac_jax as rj
from ramac_jax.actors import diffusion
from ramac_jax.registry import ACTORS

KEY = jax.random.key(11)
MOVED_BY_VALUE = {
    "vae": "decoder",
    "distilled-flow": "student",
    "perturbed-vae": "perturbation",
    "perturbed-diffusion": "perturbation",
    "perturbed-flow": "perturbation",
}
"""The part that gradients of a sample reach, where it is not the whole."""
OTHERS = (diffusion.linear_betas, diffusion.cosine_betas)  # other than the default


@pytest.fixture(scope="module")
def actor(actor_name, make_actor):
    return make_actor(actor_name)


@pytest.fixture(scope="module")
def params(actor, make_batch):
    batch = make_batch()
    return actor.init(KEY, batch.observation, batch.action)


@pytest.mark.parametrize("shape", [(), (8,), (2, 3)])
def test_one_action_per_observation(actor, params, shape):
    observation = jnp.ones((*shape, 3))
    action = actor.sample(params, observation, KEY)
    assert action.shape == (*shape, 2) and action.dtype == jnp.float32
    assert actor.bc_loss(params, observation, action, KEY).shape == ()


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_actions_stay_within_the_box(actor, params, scale, make_batch):
    loud = jax.tree.map(lambda x: scale * x, params)
    action = actor.sample(loud, make_batch(64).observation, KEY)
    assert np.all(np.abs(action) <= 1.0)


def test_a_key_is_one_draw(actor, params, make_batch):
    observation = make_batch().observation
    one = actor.sample(params, observation, KEY)
    np.testing.assert_array_equal(one, actor.sample(params, observation, KEY))
    other = actor.sample(params, observation, jax.random.key(12))
    assert np.mean(one != other) > 0.5  # some are clipped alike
    alike = actor.sample(params, jnp.zeros((8, 3)), KEY)
    assert len(np.unique(alike, axis=0)) > 1  # each row has its own noise


def test_rows_of_a_batch_do_not_mix(actor, params, make_batch):
    observation = make_batch().observation
    noise = 0.3 * actor.draw_noise(observation, KEY)
    batch = actor.sample_from_noise(params, observation, noise)
    for row in range(8):
        alone = actor.sample_from_noise(params, observation[row], noise[..., row, :])
        np.testing.assert_allclose(alone, batch[row], rtol=1e-4, atol=1e-5)


def test_the_action_depends_on_the_observation(actor, params):
    here, there = jnp.zeros((8, 3)), jnp.ones((8, 3))
    one, other = (actor.sample(params, seen, KEY) for seen in (here, there))
    assert np.any(one != other)


def variants():
    """Every actor with its loop unrolled and not, and with every schedule of noise."""
    for name, entry in ACTORS.items():
        known = inspect.signature(entry.load()).parameters
        options = [{"num_steps": diffusion.UNROLLED_STEPS + n} for n in (-7, 2)]
        alone = "num_steps" in known and name not in MOVED_BY_VALUE
        options = (
            options if alone else [{}]
        )  # composed actors have the loop of their parts
        if "betas" in known:
            options += [{"num_steps": 3, "betas": schedule} for schedule in OTHERS]
        for chosen in options:
            parts = (getattr(value, "__name__", value) for value in chosen.values())
            yield pytest.param(name, chosen, id="-".join(map(str, (name, *parts))))


def test_gradients_of_a_sample_reach_the_part_that_acts_alone(
    actor_name, actor, params, make_batch
):
    observation = make_batch().observation

    def acted(params):
        return jnp.sum(actor.sample(params, observation, KEY) ** 2)

    gradient = jax.grad(acted)(params)
    part = MOVED_BY_VALUE.get(actor_name)
    moved = gradient if part is None else gradient.pop(part)
    assert any(np.any(x != 0.0) for x in jax.tree.leaves(moved))
    rest = [] if part is None else jax.tree.leaves(gradient)
    assert bool(rest) == (part is not None)
    assert all(np.all(x == 0.0) for x in rest)


@pytest.mark.parametrize(("name", "options"), list(variants()))
def test_the_gradient_is_that_of_finite_differences(
    name, options, make_actor, make_batch
):
    actor, batch = make_actor(name, **options), make_batch(4)
    initial = actor.init(KEY, batch.observation, batch.action)
    noise = 0.5 * actor.draw_noise(batch.observation, KEY)
    with jax.enable_x64(True):
        start, observation, noise = jax.tree.map(
            lambda x: jnp.asarray(np.asarray(x), jnp.float64),
            (initial, batch.observation, noise),
        )
        part = MOVED_BY_VALUE.get(name)
        flat, unravel = ravel_pytree(start if part is None else start[part])
        width = 1e-6
        nudges = width * jnp.eye(flat.size)

        def policy(weights):
            changed = unravel(weights)
            params = changed if part is None else {**start, part: changed}
            action = actor.sample_from_noise(params, observation, noise)
            return jnp.sum(action * jnp.array([1.0, -0.7]))

        @jax.jit
        def both(weights):
            ends = jax.vmap(policy)(
                jnp.stack([weights + nudges, weights - nudges], 1).reshape(
                    -1, flat.size
                )
            )
            above, below = ends.reshape(-1, 2).T
            return jax.grad(policy)(weights), (above - below) / (2.0 * width)

        gradient, differences = both(flat)
        assert gradient.dtype == jnp.float64
        np.testing.assert_allclose(gradient, differences, rtol=1e-5, atol=1e-7)
        assert np.mean(np.abs(gradient) > 1e-7) > 0.5


def test_cloning_and_then_sampling_gives_the_action_of_each_state(
    actor_name, make_actor
):
    """The loss and the sampler agree: where the data always acts alike, so it does."""
    known = ACTORS[actor_name].options
    options = {"num_steps": 5, "widths": (32, 32), "radius": 0.01}
    actor = make_actor(actor_name, **{k: v for k, v in options.items() if k in known})
    side = jnp.where(jnp.arange(256) % 2, 1.0, -1.0)
    observation = jnp.stack([side, side, side], axis=-1)
    action = jnp.stack([0.5 * side, 0.1 - 0.6 * side], axis=-1)
    data = rj.Transition(observation, action, side, observation, 0.0 * side)
    agent = rj.ramac_agent(actor, rj.constant_critic())
    hyperparams = rj.Hyperparams(actor_learning_rate=1e-2, decay_steps=1500.0)

    @jax.jit
    def clone(state):
        state, _ = rj.make_train(agent, num_steps=1500, batch_size=64)(
            state, data, KEY, hyperparams
        )
        return agent.act(state, observation, KEY)

    error = np.abs(clone(agent.init(KEY, data)) - action)
    assert np.mean(error) < 0.1, np.mean(error)


def test_without_a_critic_an_update_is_cloning_at_its_own_price(
    compiled, make_agent, close
):
    """The same step as with a critic of no weight, and XLA drops the sampler."""
    agent = make_agent(compiled.actor_name, critic=rj.constant_critic())
    batch = compiled.batch
    state, hyperparams = (
        agent.init(jax.random.key(0), batch),
        rj.Hyperparams(risk_weight=0.0),
    )
    close(state.actor_params, compiled.state.actor_params)
    program = jax.jit(agent.update).lower(state, batch, KEY, hyperparams).compile()
    cloned, metrics = program(state, batch, KEY, hyperparams)
    usual, expected = compiled.update(compiled.state, batch, KEY, hyperparams)
    close(cloned.actor_params, usual.actor_params, atol=1e-5)
    close(cloned.actor_opt_state, usual.actor_opt_state, atol=1e-5)
    np.testing.assert_allclose(metrics["bc_loss"], expected["bc_loss"], rtol=1e-5)
    kept, whole = (p.cost_analysis()["flops"] for p in (program, compiled.update))
    assert kept < 0.5 * whole, (kept, whole)
