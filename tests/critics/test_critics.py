"""Critics: shapes, independence, and quantiles that are those of the returns."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

import ramac_jax as rj
from benchmarks.precision import rounded_as_tf32

KEY = jax.random.key(0)
TAU = jnp.array([0.9, 0.1, 0.5, 0.3])


@pytest.fixture(scope="module")
def critic():
    return rj.iqn_critic(width=8, embedding_width=8, num_cosines=4)


@pytest.fixture(scope="module")
def params(critic, make_batch):
    batch = make_batch()
    initial = critic.init(KEY, batch.observation, batch.action)
    return jax.tree.map(lambda x: x * 10.0, initial)  # far from 0


def test_quantiles_are_one_for_each_critic_row_and_fraction(critic, params, make_batch):
    batch = make_batch()
    table = critic.quantiles(params, batch.observation, batch.action, TAU)
    assert table.shape == (2, 8, 4)
    assert np.std(table, axis=0).max() > 0.0  # the critics differ
    for row in range(8):
        one = critic.quantiles(params, batch.observation[row], batch.action[row], TAU)
        assert one.shape == (2, 4)
        np.testing.assert_allclose(one, table[:, row], rtol=1e-4, atol=1e-6)
    for column in range(4):
        each = critic.quantiles(
            params, batch.observation, batch.action, TAU[column : column + 1]
        )
        np.testing.assert_allclose(each[..., 0], table[..., column], 1e-4, 1e-6)


def test_a_critic_of_an_ensemble_reads_its_own_weights(critic, params, make_batch):
    batch = make_batch()
    swapped = jax.tree.map(lambda x: x[::-1], params)
    one = critic.quantiles(params, batch.observation, batch.action, TAU)
    other = critic.quantiles(swapped, batch.observation, batch.action, TAU)
    np.testing.assert_allclose(one, other[::-1], rtol=1e-5)


def test_the_constant_critic_knows_nothing(make_batch):
    batch, critic = make_batch(), rj.constant_critic()
    params = critic.init(KEY, batch.observation, batch.action)
    table = critic.quantiles(params, batch.observation, batch.action, TAU)
    assert table.shape == (1, 8, 4) and not np.any(table)


# Returns of known distributions. The Huber threshold must be far below their spread,
# here 50 and 59, for the loss to be that of quantiles.

SPREAD = 50.0
WEIGHTS = {"normal": (1.0, 0.0), "contaminated normal": (0.95, 0.05)}
SCALES = (SPREAD, 3.0 * SPREAD)
FRACTIONS = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
ROWS = 1024


def deviation(weights):
    return np.sqrt(sum(w * s**2 for w, s in zip(weights, SCALES, strict=True)))


def true_quantile(weights, tau):
    def excess(x):
        return (
            sum(w * norm.cdf(x / s) for w, s in zip(weights, SCALES, strict=True)) - tau
        )

    return brentq(excess, -2000.0, 2000.0)


def true_cvar(weights, level):
    """(1/level) int_{-inf}^q x p(x) dx = -(1/level) sum_i w_i s_i pdf(q / s_i)."""
    q = true_quantile(weights, level)
    parts = (w * s * norm.pdf(q / s) for w, s in zip(weights, SCALES, strict=True))
    return -sum(parts) / level


def single_state(weights):
    """One state, one action and terminal rewards at the evenly spaced quantiles."""
    tau = (np.arange(ROWS) + 0.5) / ROWS
    points = np.linspace(-1000.0, 1000.0, 20_001)
    parts = (w * norm.cdf(points / s) for w, s in zip(weights, SCALES, strict=True))
    reward = jnp.asarray(np.interp(tau, sum(parts), points), jnp.float32)
    ones = jnp.ones((ROWS, 2))
    return rj.Transition(ones, jnp.zeros((ROWS, 1)), reward, ones, jnp.ones(ROWS))


CASES = [pytest.param(("float32", "normal"), id="float32-normal")]
CASES += [  # heavy tails
    pytest.param((x, "contaminated normal"), id=x, marks=pytest.mark.slow)
    for x in ("tf32", "bfloat16")
]


@pytest.fixture
def reading(request):
    """What a critic in a number format, trained on a distribution, reads at a fraction.

    Returns the name of the distribution and the function of the fractions.
    """
    number_format, name = request.param
    rounding = rounded_as_tf32 if number_format == "tf32" else contextlib.nullcontext
    steps = 4000  # of large batches: most must hold a rare low return
    actor = rj.flow_actor(1, num_steps=1, widths=(4,))
    critic = rj.iqn_critic(
        1,
        width=16,
        embedding_width=32,
        num_cosines=128,
        kernel_init=jax.nn.initializers.he_normal(),
        dtype="bfloat16" if number_format == "bfloat16" else None,
    )
    agent = rj.ramac_agent(actor, critic, num_quantiles=8)
    hyperparams = rj.Hyperparams(
        critic_learning_rate=1e-2,
        max_grad_norm=1e9,
        value_min=-jnp.inf,
        value_max=jnp.inf,
        risk_weight=0.0,
        huber_threshold=0.1,
        decay_steps=float(steps),
    )
    dataset = single_state(WEIGHTS[name])
    start = agent.init(jax.random.key(2), dataset)
    fit = jax.jit(rj.make_train(agent, num_steps=steps, batch_size=256))
    jax.config.update("jax_disable_most_optimizations", False)  # this run is long
    with rounding():
        fitted, _ = jax.block_until_ready(fit(start, dataset, KEY, hyperparams))
    jax.config.update("jax_disable_most_optimizations", True)

    def read(tau):
        tau = jnp.asarray(tau, jnp.float32)
        at = dataset.observation[:1], dataset.action[:1]
        return critic.quantiles(fitted.critic_params, *at, tau)[0, 0]

    return name, read


@pytest.mark.parametrize("reading", CASES, indirect=True)
def test_a_trained_critic_reads_the_law_of_its_returns(reading):
    name, read = reading
    truth = [true_quantile(WEIGHTS[name], tau) for tau in FRACTIONS]
    error = (read(FRACTIONS) - np.array(truth)) / deviation(WEIGHTS[name])
    np.testing.assert_allclose(error, 0.0, atol=0.05)

    tau = rj.risk.cvar((np.arange(1000) + 0.5) / 1000, 0.1)
    estimate = rj.losses.risk_adjusted_value(read(tau)[None])
    np.testing.assert_allclose(estimate, true_cvar(WEIGHTS[name], 0.1), rtol=0.05)


def test_a_plain_value_is_the_mean_of_skewed_returns(make_batch):
    """Nine in ten of them are 0 and one is 10: their median is 0."""
    batch = make_batch(1000)
    same = jax.tree.map(lambda x: jnp.zeros_like(x), batch)
    reward = jnp.where(jnp.arange(1000) % 10 == 0, 10.0, 0.0)
    data = same._replace(reward=reward, terminated=jnp.ones(1000))
    critic = rj.value_critic(widths=(16,))
    agent = rj.ramac_agent(
        rj.flow_actor(2, 1, widths=(8,)),
        critic,
        num_quantiles=3,
    )
    hyperparams = rj.Hyperparams(
        actor_learning_rate=0.0, critic_learning_rate=1e-2, decay_steps=1000.0
    )
    run = rj.make_train(agent, num_steps=1000, batch_size=100)
    state, _ = jax.jit(run)(agent.init(KEY, data), data, KEY, hyperparams)
    params = state.critic_params
    values = critic.quantiles(params, *same[:2], jnp.array([0.1, 0.5, 0.9]))
    assert values.shape == (2, 1000, 3)
    np.testing.assert_allclose(values, 1.0, atol=0.15)
