"""The program of one agent: units, ranking and guard inside, noise from outside."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ramac_jax.acting import (
    ActingNoise,
    ActingNumbers,
    ActingOptions,
    ActingParams,
    draw_noise,
)
from ramac_jax.compute.flat_params import unpack
from ramac_jax.errors import InputError
from ramac_jax.hyperparams import ANY
from ramac_jax.policy import Policy
from ramac_jax.policy.policy import act_in_units
from ramac_jax.types import Array

BATCH = "B"
"""Name of the number of observations, which the inputs leave open."""


class Port(NamedTuple):
    """One input or output of a program."""

    name: str
    shape: tuple[int | str, ...]  # `BATCH` for the number of observations
    dtype: str
    meaning: str  # unit, law and range in words

    def sized(self, batch: Any) -> jax.ShapeDtypeStruct:
        """Return the shape for a number of observations, which may be symbolic."""
        shape = tuple(batch if size == BATCH else size for size in self.shape)
        return jax.ShapeDtypeStruct(shape, self.dtype)

    def to_json(self) -> dict[str, Any]:
        """Return the port as `policy.json` holds it."""
        return self._asdict() | {"shape": list(self.shape)}


class Program(NamedTuple):
    """A pure function of arrays, and what each of them is."""

    function: Callable[..., tuple[Array, Array]]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def shapes(self, batch: Any) -> list[jax.ShapeDtypeStruct]:
        """Return the shapes of the inputs for a number of observations."""
        return [port.sized(batch) for port in self.inputs]


def make_program(policy: Policy, member: int, num_candidates: int) -> Program:
    """Return `(observation, noise, temperature, risk_level) -> (action, ood_score)`.

    Everything is in the environment's units, and the observation is centred. The action
    is bit for bit that of `Policy.act_from_noise` with the same noise.

    Args:
      policy: of a registered actor, whose noise is one array of normal numbers.
      member: number of the agent.
      num_candidates: actions of which the best typical one is taken.

    Raises `InputError` for an actor of another noise, a member that does not exist,
    and candidates that nothing ranks.
    """
    if policy.spec.actor is None:
        raise InputError(
            "the policy has an actor of your own, the law of whose noise is not known: "
            "only registered actors are exported"
        )
    own = policy.pick(member).of_centred()
    own.resolve(ActingOptions(num_candidates=num_candidates, risk_level=1.0))
    everyone = ActingParams(own.params, own.critic_params)
    params = unpack(jax.tree.map(lambda x: x[0], everyone))
    rule, scaling = own.rule(num_candidates), own.spec.scaling

    def act(
        observation: Array, noise: Array, temperature: Array, risk_level: Array
    ) -> tuple[Array, Array]:
        numbers = ActingNumbers(temperature, risk_level)
        drawn = ActingNoise(noise)  # no noise of the choice: the best is taken
        action = act_in_units(rule, scaling, params, observation, drawn, numbers)
        return action, own.ood_score(observation)

    return Program(
        function=act,
        inputs=input_ports(policy, num_candidates),
        outputs=output_ports(own),
    )


def input_ports(policy: Policy, num_candidates: int) -> tuple[Port, ...]:
    """Return the inputs of a program."""
    critic = policy.spec.critic
    ranks = "unused: one action is drawn, and nothing ranks it"
    if num_candidates > 1 and critic is not None:
        ranks = (
            f"level of the risk measure {critic.risk_measure} that ranks "
            f"{num_candidates} actions; it must be "
            f"{getattr(policy.risk_measure, 'levels', ANY)}"
        )
        if critic.risk_level is not None:
            ranks += f"; {critic.risk_level:g} in training"
    units = "in the environment's units"
    if policy.spec.layout is not None:
        units += ", its parts flattened as gymnasium.spaces.flatten does"
    if policy.observation_centre is not None:
        units += ", less observation_centre of policy.json, subtracted in float64"
    return (
        Port(
            "observation",
            (BATCH, policy.spec.observation_dim),
            "float32",
            units,
        ),
        Port(
            "noise",
            noise_shape(policy, num_candidates),
            "float32",
            "independent draws of the standard normal law",
        ),
        Port(
            "temperature",
            (),
            "float32",
            "factor on the noise, at least 0; 0: deterministic, 1: as trained",
        ),
        Port("risk_level", (), "float32", ranks),
    )


def output_ports(policy: Policy) -> tuple[Port, ...]:
    """Return the outputs of a program."""
    known = policy.spec.guard is not None
    distance = "largest distance of a coordinate from its mean in the training data, in"
    scored = f"{distance} deviations" if known else "0: the training data are not known"
    return (
        Port(
            "action",
            (BATCH, policy.spec.action_dim),
            "float32",
            "in the environment's units, within its bounds",
        ),
        Port(
            "ood_score",
            (BATCH,),
            "float32",
            f"{scored}; inf where the observation is not finite",
        ),
    )


def noise_shape(policy: Policy, num_candidates: int) -> tuple[int | str, ...]:
    """Return the shape of the noise, `BATCH` in place of the number of observations.

    Raises `InputError` for a noise that is anything but one array of float32.
    """
    rule, key = policy.rule(num_candidates), jax.random.key(0)

    def shapes(size: int) -> list[Any]:
        observation = jnp.zeros((size, policy.spec.observation_dim))
        return jax.tree.leaves(
            jax.eval_shape(lambda x: draw_noise(rule, x, key).sampler, observation)
        )

    one, two = shapes(1), shapes(2)
    if len(one) == 1 and one[0].dtype == jnp.float64:
        raise InputError(
            f"the noise of the {policy.spec.actor} actor is of float64, and exports "
            "are of float32: set JAX_ENABLE_X64=false"
        )
    if len(one) != 1 or one[0].dtype != jnp.float32:
        raise InputError(
            f"the noise of the {policy.spec.actor} actor is not one array of float32: "
            "its export is not supported"
        )
    pairs = zip(one[0].shape, two[0].shape, strict=True)
    return tuple(a if a == b else BATCH for a, b in pairs)
