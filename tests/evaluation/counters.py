"""Environments and policies whose episodes have a closed form."""

import dataclasses
import multiprocessing

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.envs.registration import EnvSpec, WrapperSpec

from ramac_jax.acting import AS_TRAINED
from ramac_jax.evaluation import Environments, Episodes, evaluate
from ramac_jax.evaluation.simulators import find_spec
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


class OfOneProcess(Counter):
    """A simulator that no other process may open."""

    def __init__(self):
        if multiprocessing.parent_process() is not None:
            raise OSError("the simulator is in use")


class Hazardous(gymnasium.Wrapper):
    """Every second step is risky and costs 10."""

    def step(self, action):
        observation, reward, *ends, info = self.env.step(action)
        risky = observation[1] % 2 == 0
        penalty = -10.0 * risky
        info |= {"risky": risky, "penalty": penalty, "base_reward": reward}
        info["monitored"] = observation[1]
        return observation, reward + penalty, *ends, info


class Unknown(gymnasium.Wrapper, gymnasium.utils.RecordConstructorArgs):
    """Changes nothing, which no batch of robots knows."""

    def __init__(self, env):
        gymnasium.utils.RecordConstructorArgs.__init__(self)
        gymnasium.Wrapper.__init__(self, env)


UNBATCHED_HOPPER = dataclasses.replace(
    find_spec(HOPPER),
    additional_wrappers=(
        *find_spec(HOPPER).additional_wrappers,
        WrapperSpec("Unknown", f"{__name__}:Unknown", {}),
    ),
)
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


def play(
    policy,
    env,
    num_episodes,
    seed,
    horizon=6,
    acting=AS_TRAINED,
    numbers=None,
    **options,
):
    with Environments(env, horizon=horizon, **options) as environments:
        return evaluate(
            policy,
            environments,
            num_episodes=num_episodes,
            seed=seed,
            numbers=numbers,
            options=acting,
        )


def member(policy, index):
    everyone = (policy.params, policy.critic_params)
    chosen = jax.tree.map(lambda x: x[index : index + 1], everyone)
    return dataclasses.replace(policy, params=chosen[0], critic_params=chosen[1])


def assert_same_rows(one, other):
    for name, left, right in zip(Episodes._fields, one, other, strict=True):
        np.testing.assert_array_equal(left, right, err_msg=name)
