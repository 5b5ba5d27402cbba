"""Tiny data, agents and comparisons that every test module may ask for."""

import atexit
import importlib.metadata
import os
import shutil
import tempfile
from types import SimpleNamespace

# All processes of a run, those that tests start among them, share what XLA compiled.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="ramac-tests-")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], True)

# Without fusion emitters XLA compiles test programs in half the time. The second run of
# .ci/run keeps them, and the optimiser, for the tests of the equations. XLA of JAX 0.11
# no longer knows the flag, and ends the process that gives it one.
OPTIMISED = os.environ.get("RAMAC_TEST_OPTIMISED") == "1"
if not OPTIMISED and importlib.metadata.version("jaxlib").startswith("0.10."):
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_use_fusion_emitters=false".strip()

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.registry import ACTORS
from tests.parts import pytest_addoption, pytest_collection_modifyitems  # noqa: F401

# Tests compile much and run little, so XLA's optimiser would take most of the time.
jax.config.update("jax_disable_most_optimizations", not OPTIMISED)

# Every module asks for the same shapes where it can: most of the time goes to XLA.
SMALL = {"num_steps": 2, "widths": (8,), "time_width": 4, "student_widths": (8,)}


def build_actor(name, action_dim=2, **options):
    """Build a small actor of a kind, of the small sizes that the kind knows."""
    known = ACTORS[name].options
    sizes = {key: size for key, size in SMALL.items() if key in known}
    return ACTORS[name].load()(action_dim, **(sizes | options))


def build_agent(name="flow", risk_measure=rj.risk.cvar, critic=None, **options):
    """Build a small agent of one kind of actor."""
    if critic is None:
        critic = rj.iqn_critic(width=8, embedding_width=8, num_cosines=4)
    return rj.ramac_agent(
        build_actor(name, **options), critic, risk_measure, num_quantiles=4
    )


def random_batch(size=8, observation_dim=3, action_dim=2, seed=0):
    """Draw valid transitions, one in four of them terminal."""
    rng = np.random.default_rng(seed)
    batch = rj.Transition(
        rng.normal(size=(size, observation_dim)),
        rng.uniform(-1.0, 1.0, size=(size, action_dim)),
        rng.normal(size=size),
        rng.normal(size=(size, observation_dim)),
        np.arange(size) % 4 == 3,
    )
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), batch)


def assert_close(actual, desired, atol=1e-6, rtol=1e-5):
    """Compare two trees leaf by leaf."""
    assert jax.tree.structure(actual) == jax.tree.structure(desired)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol, atol), actual, desired
    )


def largest_difference(one, other):
    """Return the largest absolute difference between two trees."""
    apart = jax.tree.map(lambda a, b: np.max(np.abs(a - b), initial=0.0), one, other)
    return max(map(float, jax.tree.leaves(apart)))


@pytest.fixture(name="make_actor", scope="session")
def make_actor_fixture():
    return build_actor


@pytest.fixture(name="make_agent", scope="session")
def make_agent_fixture():
    return build_agent


@pytest.fixture(name="make_batch", scope="session")
def make_batch_fixture():
    return random_batch


@pytest.fixture(name="close", scope="session")
def close_fixture():
    return assert_close


@pytest.fixture(name="distance", scope="session")
def distance_fixture():
    return largest_difference


@pytest.fixture(scope="session", params=ACTORS)
def actor_name(request):
    return request.param


@pytest.fixture(scope="session", params=["diffusion", "flow"])
def compiled(request):
    """RADAC and RAFMAC, small, the update of each compiled once.

    `update` is that one program: it takes other values, never other types. `traces`
    grows by one with every trace.
    """
    agent, batch, traces = build_agent(request.param), random_batch(), []

    def traced(*args):
        traces.append(len(args))
        return agent.update(*args)

    key = jax.random.key(0)
    state = agent.init(key, batch)
    update = jax.jit(traced).lower(state, batch, key, rj.Hyperparams()).compile()
    return SimpleNamespace(
        actor_name=request.param,
        agent=agent,
        batch=batch,
        state=state,
        update=update,
        traces=traces,
    )
