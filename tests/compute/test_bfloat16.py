"""Networks that compute in bfloat16: all else is float32, and nearly the same."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.registry import HEADS

pytestmark = pytest.mark.slow

ROUNDING = 2.0**-8  # of a number in bfloat16, relative
KEY = jax.random.key(0)
ACTORS = [rj.diffusion_actor, rj.flow_actor]
# Wide enough for the products of hidden layers to be nearly all the work; never run.
WIDE = rj.iqn_critic(width=128, embedding_width=128, num_cosines=4, dtype="bfloat16")


def products(jaxpr):
    """(type of the factors, multiply-adds) of every matrix product of a program."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            one, other = (x.aval for x in equation.invars)
            ((contracted, _), _) = equation.params["dimension_numbers"]
            inner = np.prod([one.shape[axis] for axis in contracted])
            wider = jnp.promote_types(one.dtype, other.dtype)
            yield wider, equation.outvars[0].aval.size * inner
        for inside in jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda x: hasattr(x, "eqns")
        ):
            if hasattr(inside := getattr(inside, "jaxpr", inside), "eqns"):
                yield from products(inside)


def share_in_bfloat16(function, *args):
    """Of the multiply-adds of a program."""
    found = list(products(jax.make_jaxpr(function)(*args).jaxpr))
    narrow = sum(size for dtype, size in found if dtype == jnp.bfloat16)
    return narrow / sum(size for _, size in found)


@pytest.mark.parametrize("build", ACTORS)
def test_hidden_layers_are_bfloat16_and_whatever_lasts_is_float32(build, make_batch):
    batch = make_batch(64)
    agent = rj.ramac_agent(
        build(2, 2, widths=(128, 128), dtype="bfloat16"), WIDE, num_quantiles=4
    )
    state = jax.eval_shape(agent.init, KEY, batch)
    args = state, batch, KEY, rj.Hyperparams()
    after, metrics = jax.eval_shape(agent.update, *args)
    action = jax.eval_shape(agent.act, state, batch.observation, KEY)
    for leaf in jax.tree.leaves((after, metrics, action)):
        assert leaf.dtype in (jnp.float32, jnp.int32)
    assert jax.tree.map(lambda x: x.dtype, after) == jax.tree.map(
        lambda x: x.dtype, state
    )
    assert share_in_bfloat16(agent.update, *args) > 0.9


@pytest.mark.parametrize("build", ACTORS)
def test_gradients_and_losses_of_an_actor_are_float32(build, make_batch):
    batch, actor = make_batch(), build(2, 2, widths=(64, 64), dtype="bfloat16")
    params = actor.init(KEY, batch.observation, batch.action)

    def loss(params):
        action = actor.sample(params, batch.observation, KEY)
        cloning = actor.bc_loss(params, batch.observation, batch.action, KEY)
        return jnp.sum(action) + cloning

    value, gradient = jax.eval_shape(jax.value_and_grad(loss), params)
    for leaf in jax.tree.leaves((value, gradient)):
        assert leaf.dtype == jnp.float32
    assert share_in_bfloat16(jax.grad(loss), params) > 0.9


@pytest.mark.parametrize("build", ACTORS)
def test_an_actor_acts_as_in_float32_but_for_rounding(build, make_batch):
    batch = make_batch()
    wide, narrow = (build(2, 4, widths=(32,), dtype=x) for x in (None, "bfloat16"))
    params = wide.init(KEY, batch.observation, batch.action)
    actions, losses = [], []
    for actor in (wide, narrow):
        actions.append(jax.jit(actor.sample)(params, batch.observation, KEY))
        losses.append(actor.bc_loss(params, batch.observation, batch.action, KEY))
    # What the first, noisiest steps of a diffusion predict counts several times.
    assert 0.0 < np.max(np.abs(actions[0] - actions[1])) < 4.0 * ROUNDING
    np.testing.assert_allclose(losses[1], losses[0], rtol=2.0 * ROUNDING)


@pytest.mark.parametrize("num_cosines", [4, 128])
@pytest.mark.parametrize("head", HEADS)
def test_a_critic_reads_as_in_float32_but_for_rounding(head, num_cosines, make_batch):
    """However fast the cosines of a fraction turn."""
    batch, tau = make_batch(), jnp.linspace(0.01, 0.99, 99)
    sizes = {"width": 16, "embedding_width": 16, "num_cosines": num_cosines}
    wide = rj.iqn_critic(**sizes)
    narrow = rj.iqn_critic(**sizes, head=HEADS[head].load(), dtype="bfloat16")
    params = wide.init(KEY, batch.observation, batch.action)
    one, other = (
        jax.jit(x.quantiles)(params, batch.observation, batch.action, tau)
        for x in (wide, narrow)
    )
    assert other.dtype == jnp.float32
    far = np.max(np.abs(one - other)) / np.max(np.abs(one))
    assert 0.0 < far < 4.0 * ROUNDING
