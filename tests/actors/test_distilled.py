"""A student follows its teacher, and the value moves the student alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.actors import distilled_actor, flow_actor

KEY = jax.random.key(6)


@pytest.fixture(scope="module")
def case(make_batch):
    teacher = flow_actor(2, num_steps=3, widths=(8,), time_width=4)
    actor, batch = distilled_actor(teacher, 2, widths=(8,)), make_batch(16)
    params = actor.init(KEY, batch.observation, batch.action)
    return teacher, actor, params, batch


def test_the_loss_is_the_teachers_and_the_distance_from_it(case):
    teacher, actor, params, batch = case
    silent = jax.tree.map(jnp.zeros_like, params["student"])
    told = actor.bc_loss(
        {**params, "student": silent}, batch.observation, batch.action, KEY
    )
    cloning_key, noise_key = jax.random.split(KEY)
    cloned = teacher.bc_loss(
        params["teacher"], batch.observation, batch.action, cloning_key
    )
    taught = teacher.sample(params["teacher"], batch.observation, noise_key)
    np.testing.assert_allclose(told, cloned + np.mean(taught**2), rtol=1e-5)


def test_the_teacher_learns_by_cloning_alone(case):
    teacher, actor, params, batch = case
    arguments = (batch.observation, batch.action, KEY)
    found = jax.grad(actor.bc_loss)(params, *arguments)["teacher"]
    cloning_key, _ = jax.random.split(KEY)
    alone = jax.grad(teacher.bc_loss)(params["teacher"], *arguments[:2], cloning_key)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_a_trained_student_acts_as_its_teacher_from_the_same_noise(make_batch):
    teacher = flow_actor(2, num_steps=4, widths=(16,), time_width=4)
    actor, batch = distilled_actor(teacher, 2, widths=(32, 32)), make_batch(256)
    agent = rj.ramac_agent(actor, rj.constant_critic())
    hyperparams = rj.Hyperparams(actor_learning_rate=5e-3, decay_steps=1000.0)
    state = agent.init(KEY, batch)
    noise = actor.draw_noise(batch.observation, KEY)

    def distance(params):
        taught = teacher.sample_from_noise(params["teacher"], batch.observation, noise)
        return jnp.mean(
            jnp.abs(actor.sample_from_noise(params, batch.observation, noise) - taught)
        )

    @jax.jit
    def clone(state):
        train = rj.make_train(agent, num_steps=1000, batch_size=64)
        return train(state, batch, KEY, hyperparams)

    after = distance(clone(state)[0].actor_params)
    assert after < 0.1 < distance(state.actor_params)


def test_a_teacher_whose_noise_is_no_action_is_refused():
    actor = distilled_actor(rj.diffusion_actor(2, 3, widths=(8,)), 2)
    with pytest.raises(rj.InputError, match=r"noise has shapes \[\[3, 4, 2\]\]"):
        actor.init(KEY, jnp.zeros((4, 3)), jnp.zeros((4, 2)))
