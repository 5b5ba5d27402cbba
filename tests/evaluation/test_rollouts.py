"""Rollouts: known rewards, independent rows, and failures that stay in their row."""

import dataclasses
import functools
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec

import ramac_jax as rj
from ramac_jax.acting import AS_TRAINED, ActingOptions
from ramac_jax.evaluation import (
    Cancelled,
    Environments,
    Episodes,
    evaluate,
    rollouts,
)
from ramac_jax.normalization import Scaling
from ramac_jax.policy import Policy, PolicySpec
from ramac_jax.tasks import env_id
from tests.helpers import noiseless_actor

HOPPER = env_id("hopper-medium-expert")


class Counter(gymnasium.Env):
    """Observes [seed, step]; pays the action; ends after `seed` steps."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,))
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,))

    def reset(self, *, seed=None, options=None):
        self.now = np.array([seed, 0.0])
        return self.now.copy(), {}

    def step(self, action):
        assert np.isfinite(action).all()
        seed, step = self.now
        assert step < seed, "stepped past its end"
        self.now[1] += 1
        if seed == 13 and step == 2:
            raise ArithmeticError("the simulator blew up")
        reward = np.nan if seed == 14 and step == 1 else float(action[0])
        observed = self.now.copy() if seed != 15 else self.now * np.nan
        return observed, reward, step + 1 >= seed, False, {}


class Hazardous(gymnasium.Wrapper):
    """Every second step is risky and costs 10."""

    def step(self, action):
        observation, reward, *ends, info = self.env.step(action)
        risky = observation[1] % 2 == 0
        penalty = -10.0 * risky
        info |= {"risky": risky, "penalty": penalty, "base_reward": reward}
        info["monitored"] = observation[1]
        return observation, reward + penalty, *ends, info


COUNTER = EnvSpec("Counter-v0", entry_point=Counter)
HAZARDOUS = EnvSpec("Hazardous-v0", entry_point=lambda **_: Hazardous(Counter()))


def scaling(observation_dim, action_dim):
    return Scaling(
        jnp.zeros(observation_dim),
        jnp.ones(observation_dim),
        -jnp.ones(action_dim),
        jnp.ones(action_dim),
    )


def constant_policy(*actions, traces=None):
    """Agents that always act the same: their only parameter."""

    def sample(params, observation):
        if traces is not None:
            traces.append(1)
        return jnp.broadcast_to(params, (1,)) + 0.0 * observation[:1]

    actor = noiseless_actor(sample)
    return Policy(PolicySpec(scaling=scaling(2, 1)), actor, jnp.asarray(actions))


def play(policy, env, num_episodes, seed, horizon=6, acting=AS_TRAINED, **options):
    with Environments(env, horizon=horizon, **options) as environments:
        return evaluate(
            policy, environments, num_episodes=num_episodes, seed=seed, options=acting
        )


@pytest.fixture(scope="module", autouse=True)
def optimised():
    """Compile with XLA's optimiser: without it, one agent alone rounds otherwise."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture(scope="module")
def hopper():
    """Three untrained agents whose actions depend on what they see and on noise."""
    actor = rj.flow_actor(3, 2, widths=(16, 16))
    critic = rj.categorical_critic(-1.0, 1.0, widths=(16,), num_atoms=5)
    draw = np.random.default_rng(0)

    def params_of(init):
        shapes = jax.eval_shape(init, jax.random.key(0), jnp.ones(11), jnp.ones(3))
        return jax.tree.map(
            lambda x: jnp.asarray(0.5 * draw.normal(size=(3, *x.shape)), x.dtype),
            shapes,
        )

    return Policy(
        PolicySpec(scaling=scaling(11, 3)),
        actor,
        params_of(actor.init),
        critic,
        params_of(critic.init),
    )


@pytest.fixture(scope="module")
def hopper_episodes(hopper):
    return play(hopper, HOPPER, 3, seed=7, horizon=40)


def member(policy, index):
    everyone = (policy.params, policy.critic_params)
    chosen = jax.tree.map(lambda x: x[index : index + 1], everyone)
    return dataclasses.replace(policy, params=chosen[0], critic_params=chosen[1])


def assert_same_rows(one, other):
    for name, left, right in zip(Episodes._fields, one, other, strict=True):
        np.testing.assert_array_equal(left, right, err_msg=name)


def test_episodes_equal_their_closed_form():
    episodes = play(constant_policy(0.5, -0.25), HAZARDOUS, 4, seed=3)
    # Seed 6 ends as the horizon does, and the horizon ends all that come after.
    steps = np.array([[3, 4, 5, 6], [6, 6, 6, 6]])
    risky = steps // 2
    np.testing.assert_array_equal(episodes.episode_seed, [[3, 4, 5, 6], [7, 8, 9, 10]])
    np.testing.assert_array_equal(episodes.length, steps)
    np.testing.assert_array_equal(episodes.risky_steps, risky)
    np.testing.assert_array_equal(episodes.penalties, -10.0 * risky)
    base = np.array([[0.5], [-0.25]]) * steps
    np.testing.assert_array_equal(episodes.base_return, base)
    np.testing.assert_array_equal(episodes.returns, base - 10.0 * risky)
    assert not episodes.failed.any()
    watched = [1, 2, 3, np.nan, np.nan, np.nan]
    np.testing.assert_array_equal(episodes.monitored[0, 0], watched)
    assert episodes.monitored.shape == (2, 4, 6)
    assert episodes.monitored.dtype == np.float32


def test_an_environment_without_a_hazard_has_no_risky_steps():
    episodes = play(constant_policy(0.5), COUNTER, 1, seed=9)
    assert episodes.length == 6  # cut by the horizon
    assert episodes.returns == episodes.base_return == 3.0
    assert episodes.risky_steps == episodes.penalties == 0
    assert np.isnan(episodes.monitored).all()


def test_a_failure_stays_in_its_row():
    policy = constant_policy(0.5, np.nan, 0.25)
    episodes = play(policy, COUNTER, 4, seed=12, horizon=20)
    assert episodes.failed.tolist() == [
        [False, True, True, True],  # seeds 13, 14, 15: exception, reward, observation
        [True] * 4,  # acts NaN
        [False] * 4,
    ]
    np.testing.assert_array_equal(np.isnan(episodes.returns), episodes.failed)
    np.testing.assert_array_equal(np.isnan(episodes.base_return), episodes.failed)
    assert episodes.length.tolist() == [[12, 2, 1, 0], [0] * 4, [20] * 4]
    assert episodes.returns[[0, 2], 0].tolist() == [6.0, 5.0]


def test_a_nan_agent_changes_no_bit_of_the_others(hopper, hopper_episodes):
    params = jax.tree.map(np.array, hopper.params)
    for leaf in jax.tree.leaves(params):
        leaf[1] = np.nan
    broken = dataclasses.replace(hopper, params=params)
    episodes = play(broken, HOPPER, 3, seed=7, horizon=40)
    assert episodes.failed[1].all()
    kept = [0, 2]
    assert_same_rows(
        Episodes(*(x[kept] for x in episodes)),
        Episodes(*(x[kept] for x in hopper_episodes)),
    )


def test_a_row_depends_on_its_agent_and_its_seed_alone(hopper, hopper_episodes):
    assert len(np.unique(hopper_episodes.returns)) == 9
    for agent in range(3):
        alone = play(member(hopper, agent), HOPPER, 19, seed=0, horizon=40)
        first = 7 + 3 * agent
        assert_same_rows(
            Episodes(*(x[:, first : first + 3] for x in alone)),
            Episodes(*(x[agent : agent + 1] for x in hopper_episodes)),
        )


def test_a_ranked_row_depends_on_its_agent_and_its_seed_alone(hopper, hopper_episodes):
    acting = ActingOptions(temperature=0.7, num_candidates=5, risk_level=0.2)
    together = play(hopper, HOPPER, 3, seed=7, horizon=40, acting=acting)
    assert not np.isin(together.returns, hopper_episodes.returns).any()
    for agent in range(3):
        first = 7 + 3 * agent
        alone = play(
            member(hopper, agent), HOPPER, 19, seed=0, horizon=40, acting=acting
        )
        assert_same_rows(
            Episodes(*(x[:, first : first + 3] for x in alone)),
            Episodes(*(x[agent : agent + 1] for x in together)),
        )


def test_groups_of_episodes_in_turn_in_two_lanes_change_nothing(hopper):
    reported = []
    with Environments(HOPPER, horizon=40) as environments:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rollouts, "MAX_ENVIRONMENTS", 1)
            episodes = evaluate(
                hopper,
                environments,
                num_episodes=19,
                seed=0,
                on_step=lambda *counts: reported.append(counts),
            )
        made = [len(lane) for lane in environments.rows.lanes.values()]
    assert made == [3 * rollouts.TILE] * 2
    assert_same_rows(episodes, play(hopper, HOPPER, 19, seed=0, horizon=40))
    assert reported == sorted(reported)
    assert reported[-1] == (120, 120)


def test_workers_change_nothing(hopper, hopper_episodes):
    with Environments(HOPPER, horizon=40, num_workers=2) as environments:
        for _ in range(2):  # the same environments serve again
            episodes = evaluate(hopper, environments, num_episodes=3, seed=7)
            assert_same_rows(episodes, hopper_episodes)
        workers = environments.workers
    assert not any(worker.is_alive() for worker in workers)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_cancelled_evaluation_ends_at_once_and_leaves_usable_environments(
    hopper, hopper_episodes, num_workers
):
    reported = []

    def cancel_at_the_fifth(done, total):
        reported.append((done, total))
        return len(reported) == 5

    with Environments(HOPPER, horizon=40, num_workers=num_workers) as environments:
        with pytest.raises(Cancelled, match="after 5 of 40"):
            evaluate(
                hopper,
                environments,
                num_episodes=3,
                seed=7,
                on_step=cancel_at_the_fifth,
            )
        again = evaluate(hopper, environments, num_episodes=3, seed=7)
    assert reported == [(done, 40) for done in range(1, 6)]
    assert_same_rows(again, hopper_episodes)


def test_cancelling_after_the_last_step_loses_no_episode():
    policy, reported = constant_policy(0.5), []
    with Environments(COUNTER, horizon=5) as environments:

        def play_and_report(on_step):
            return evaluate(
                policy, environments, num_episodes=2, seed=9, on_step=on_step
            )

        whole = play_and_report(lambda *counts: reported.append(counts))
        last, calls = len(reported), iter(range(1, 100))
        again = play_and_report(lambda *counts: next(calls) == last)
        calls = iter(range(1, 100))
        with pytest.raises(Cancelled):
            play_and_report(lambda *counts: next(calls) == last - 1)
    assert_same_rows(again, whole)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_another_thread_plays_the_same(hopper, hopper_episodes, num_workers):
    on_host = dataclasses.replace(
        hopper, params=jax.tree.map(np.asarray, hopper.params)
    )
    with (
        Environments(HOPPER, horizon=40, num_workers=num_workers) as environments,
        ThreadPoolExecutor(1) as pool,
    ):
        call = functools.partial(
            evaluate, on_host, environments, num_episodes=3, seed=7
        )
        assert_same_rows(pool.submit(call).result(timeout=120), hopper_episodes)


def test_lockstep_is_a_plain_loop_of_one_episode(hopper, hopper_episodes):
    env = gymnasium.make(HOPPER, max_episode_steps=40, disable_env_checker=True)
    observation, _ = env.reset(seed=14)
    acts = jax.jit(lambda x, key: hopper(x, key, 2))
    total, length, risky, penalties, over = 0.0, 0, 0, 0.0, False
    while not over:
        key = jax.random.fold_in(jax.random.key(14), length)
        action = np.asarray(acts(observation, key))
        observation, reward, terminated, truncated, info = env.step(action)
        over = terminated or truncated
        total, length = total + reward, length + 1
        risky, penalties = risky + info["risky"], penalties + info["penalty"]
    row = SimpleNamespace(**{k: x[2, 1] for k, x in hopper_episodes._asdict().items()})
    assert (row.length, row.risky_steps, row.penalties) == (length, risky, penalties)
    np.testing.assert_allclose(row.returns, total, rtol=1e-3)  # products round apart
    np.testing.assert_allclose(row.returns, row.base_return + row.penalties, rtol=1e-9)


def test_one_trace_serves_steps_episodes_and_fresh_parameters():
    traces = []
    policy = constant_policy(0.5, 0.25, traces=traces)
    with Environments(COUNTER, horizon=5) as environments:
        first = evaluate(policy, environments, num_episodes=2, seed=9)
        fresh = dataclasses.replace(policy, params=policy.params + 0.25)
        later = evaluate(fresh, environments, num_episodes=7, seed=30)
    assert len(traces) == 1
    assert first.returns[:, 0].tolist() == [2.5, 1.25]
    assert later.returns[:, 0].tolist() == [3.75, 2.5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"env": HOPPER}, "has observation_dim 11 and the policy 2"),
        ({"num_episodes": 0}, "num_episodes is 0: give 1 or more"),
        ({"acting": ActingOptions(-1.0)}, "temperature is -1: it must be at least 0"),
        ({"acting": ActingOptions(1.0, 2, 0.5)}, "2 and there are no critics to rank"),
        ({"horizon": 0}, "horizon is 0: give 1 or more"),
        ({"num_workers": -1}, "num_workers is -1: give 0 or more"),
        ({"seed": -1}, "seed is -1"),
        ({"env": "Hoper-v5"}, "unknown environment 'Hoper-v5'"),
        ({"env": "nowhere:Hopper-v5"}, "unknown environment 'nowhere:Hopper-v5'"),
        ({"env": "CartPole-v1"}, "action_space Discrete.* must be a box"),
    ],
)
def test_bad_input_is_refused_in_one_line(options, message):
    settings = {"env": COUNTER, "num_episodes": 1, "seed": 0} | options
    with pytest.raises(rj.InputError, match=message) as refused:
        play(constant_policy(0.0), **settings)
    assert "\n" not in str(refused.value)


def test_statistics_need_no_simulator_and_environments_name_the_extra():
    program = """
import sys
sys.modules["gymnasium"] = sys.modules["mujoco"] = None
import ramac_jax as rj
from ramac_jax.evaluation import cvar, evaluate, rank, summarise
assert not {"scipy.stats", "scipy.special"} & {*sys.modules}
try:
    from ramac_jax.evaluation import Environments
except rj.InputError as error:
    print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip().endswith("needs gymnasium: pip install 'ramac_jax[data]'")


def test_a_robot_without_its_simulator_names_the_extra(monkeypatch):
    def lacks_mujoco(**options):
        raise gymnasium.error.DependencyNotInstalled("no MuJoCo; run pip")

    robot = EnvSpec("Robot-v0", entry_point=lacks_mujoco)
    with pytest.raises(rj.InputError, match="cannot make Robot-v0: no MuJoCo; run pip"):
        Environments(robot, horizon=1)
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(
        rj.InputError, match="cannot make Robot-v0: .* needs mujoco: pip"
    ):
        Environments(robot, horizon=1)
