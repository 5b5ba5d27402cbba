"""A trained policy, which acts in the environment's own units."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ramac_jax import guard, risk
from ramac_jax.acting import (
    ActingNoise,
    ActingNumbers,
    ActingOptions,
    ActingParams,
    ActingRule,
    act_from_noise,
    check_acting,
    draw_noise,
)
from ramac_jax.errors import InputError
from ramac_jax.normalization import (
    Scaling,
    centre_observation,
    normalize_observation,
    unscale_action,
)
from ramac_jax.observations import flatten, is_structured
from ramac_jax.policy.builders import find_risk_measure
from ramac_jax.policy.distance import warn_of_distance
from ramac_jax.policy_record import CriticSpec, PolicySpec
from ramac_jax.types import Actor, Array, Critic, Key, Params, RiskMeasureFn, Scalar


@dataclasses.dataclass(frozen=True, eq=False)
class Policy:
    """The trained actors of a population, acting in the environment's own units.

    A policy is a pure function: jit it, vmap it over `member`, scan it.
    """

    spec: PolicySpec
    actor: Actor
    params: Params  # every leaf [population, ...]
    critic: Critic | None = None
    """Of the critics that rank candidate actions; None: the policy cannot rank."""
    critic_params: Params = None  # every leaf [population, E, ...]

    @property
    def population(self) -> int:
        """Number of agents."""
        return jax.tree.leaves(self.params)[0].shape[0]

    @property
    def observation_dim(self) -> int:
        """O."""
        return self.spec.observation_dim

    @property
    def action_dim(self) -> int:
        """A."""
        return self.spec.action_dim

    @functools.cached_property
    def risk_measure(self) -> RiskMeasureFn:
        """What `risk_level` is a level of: the measure of the spec."""
        if self.spec.critic is None:
            return risk.cvar
        return find_risk_measure(self.spec.critic)

    def rule(self, num_candidates: int = 1) -> ActingRule:
        """Return the static parts of the policy that takes one of C actions."""
        num_quantiles = (self.spec.critic or CriticSpec()).num_quantiles
        if self.critic is not None and self.critic.mean_only:
            num_quantiles = 1
        return ActingRule(
            actor=self.actor,
            critic=self.critic,
            risk_measure=self.risk_measure,
            num_quantiles=num_quantiles,
            num_candidates=num_candidates,
        )

    def resolve(self, options: ActingOptions) -> ActingOptions:
        """Return the options with the level that ranks, by default that of training.

        Raises `InputError` for options by which the policy cannot act.
        """
        if options.risk_level is None and self.spec.critic is not None:
            options = options._replace(risk_level=self.spec.critic.risk_level)
        check_acting(options, self.critic, self.risk_measure)
        return options

    @property
    def observation_centre(self) -> Array | None:
        """What an observation is reduced by before it is rounded: [O], or None."""
        return self.spec.scaling.observation_centre

    def of_centred(self) -> "Policy":
        """Return the policy that reads observations which are centred already."""
        scaling = self.spec.scaling._replace(observation_centre=None)
        return dataclasses.replace(self, spec=self.spec._replace(scaling=scaling))

    def pick(self, member: int) -> "Policy":
        """Return the policy of one agent; `InputError` for one that does not exist."""
        self.check_member(member)
        everyone = (self.params, self.critic_params)
        params, critic_params = jax.tree.map(lambda x: x[member][None], everyone)
        return dataclasses.replace(self, params=params, critic_params=critic_params)

    def __call__(
        self,
        observation: Any,
        key: Key,
        member: int | Array = 0,
        *,
        temperature: Scalar = 1.0,
        num_candidates: int = 1,
        risk_level: Scalar | None = None,
        softmax_temperature: Scalar = 0.0,
    ) -> Array:
        """Draw one action for each observation from the policy of one agent.

        Args:
          observation: [..., O], in the environment's units; where the data had
            dictionaries or tuples, also such ones, of arrays [..., *shape].
          key: for the noise of all actions.
          member: number of the agent, from 0 on; a traced one is not checked.
          temperature: factor on the noise of the sampler, traced; 0: deterministic.
          num_candidates: actions drawn for each observation, static. Of the half that
            is typical (`ramac_jax.acting.is_typical`) the one is taken whose return is
            best by the risk measure, under the least critic.
          risk_level: of the risk measure, traced; None: the level of training.
          softmax_temperature: draw a candidate from the softmax of the values over this
            temperature, traced, in their unit (`ActingOptions`); 0: take the best.

        Returns actions [..., A] in the environment's units, within its bounds.

        Raises `InputError` for observations that `check_observation` refuses, and for a
        member that does not exist; for a temperature below 0, a level that the risk
        measure does not allow, and several candidates for a policy without critics or
        level.
        """
        options = ActingOptions(
            temperature, num_candidates, risk_level, softmax_temperature
        )
        self.resolve(options)
        observation = self.check_observation(observation)
        rounded = jnp.asarray(observation, jnp.float32)
        noise = draw_noise(self.rule(num_candidates), rounded, key)
        return self.act_from_noise(observation, noise, member, options=options)

    def act_from_noise(
        self,
        observation: Array,
        noise: ActingNoise,
        member: int | Array = 0,
        *,
        options: ActingOptions = ActingOptions(),  # noqa: B008 - immutable
    ) -> Array:
        """Act on observations [..., O] with the noise of `ramac_jax.acting.draw_noise`.

        Returns actions [..., A]; observations that are not finite are not refused.
        """
        self.check_member(member)
        options = self.resolve(options)
        everyone = ActingParams(self.params, self.critic_params)
        params = jax.tree.map(lambda x: x[member], everyone)
        rule, scaling = self.rule(options.num_candidates), self.spec.scaling
        observation = centre_observation(scaling, observation)
        return act_in_units(rule, scaling, params, observation, noise, options.numbers)

    def ood_score(self, observation: Any) -> Array:
        """Return how far observations [..., O] are from those of the training: [...].

        `ramac_jax.guard.ood_score` defines it; `spec.guard` has the threshold.
        """
        observation = self.check_width(observation)
        observation = centre_observation(self.spec.scaling, observation)
        return guard.ood_score(self.spec.guard, observation)

    def check_observation(self, observation: Any) -> Array:
        """Return observations as `check_width` does, those that are traced unchecked.

        Warns with `OODWarning` of observations that score above the threshold of the
        training data. Raises `InputError` for another width than O, and for
        observations that are not finite.
        """
        observation = self.check_width(observation)
        if not isinstance(observation, jax.core.Tracer):
            with jax.ensure_compile_time_eval():  # known, though a function is traced
                score = np.asarray(self.ood_score(observation))
            known = self.spec.guard
            warn_of_distance(None if known is None else float(known.threshold), score)
        return observation

    def check_width(self, observation: Any) -> Array:
        """Return observations as vectors [..., O]; `InputError` for another width.

        They are float32, or where they are yet to be centred perhaps float64.
        """
        if self.spec.layout is not None and is_structured(observation):
            observation = flatten(self.spec.layout, observation)
        if self.observation_centre is None or isinstance(observation, jax.Array):
            observation = jnp.asarray(observation, jnp.float32)
        else:
            observation = np.asarray(observation, np.float64)
        if observation.shape[-1:] != (self.spec.observation_dim,):
            raise InputError(
                f"observation has shape {list(observation.shape)}: this policy reads "
                f"[..., {self.spec.observation_dim}]"
            )
        return observation

    def check_member(self, member: int | Array) -> None:
        """Raise `InputError` for a member that does not exist; a traced one passes."""
        if isinstance(member, jax.core.Tracer):
            return
        number = np.asarray(member)
        whole = number.ndim == 0 and np.issubdtype(number.dtype, np.integer)
        if not whole or not 0 <= number < self.population:
            raise InputError(
                f"member is {member}: this policy has members 0 to "
                f"{self.population - 1}"
            )


def act_in_units(
    rule: ActingRule,
    scaling: Scaling,
    params: ActingParams,
    observation: Array,
    noise: ActingNoise,
    numbers: ActingNumbers,
) -> Array:
    """Act as `ramac_jax.acting.act_from_noise`, on centred observations.

    Observations and actions are in the environment's units.
    """
    observation = normalize_observation(scaling, observation)
    action = act_from_noise(rule, params, observation, noise, numbers)
    return unscale_action(scaling, action)
