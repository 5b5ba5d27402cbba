"""Acting: the size of the sampler's noise, and the best of several actions.

One implementation serves agents in training, saved policies and evaluations.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ramac_jax import losses
from ramac_jax.errors import InputError, check_counts
from ramac_jax.hyperparams import ANY, WEIGHT, Range
from ramac_jax.types import Actor, Array, Critic, Key, Params, RiskMeasureFn, Scalar


class ActingOptions(NamedTuple):
    """How a trained agent acts; the defaults are the policy that was trained.

    Another temperature or risk level compiles nothing again, another number of
    candidates does.
    """

    temperature: Scalar = 1.0
    """Factor on the actor's noise, traced; 0: the same action each time. The latents of
    a VAE are clipped after it."""
    num_candidates: int = 1
    """Actions drawn for each observation, of which the critics' best is taken."""
    risk_level: Scalar | None = None
    """Level of the risk measure that ranks the candidates, traced; None: the level of
    training, where a policy knows it."""


AS_TRAINED = ActingOptions()
"""One action from the noise of training."""


class ActingRule(NamedTuple):
    """The parts of `act` that are fixed when it is compiled; hashable."""

    actor: Actor
    critic: Critic | None  # None: nothing can rank
    risk_measure: RiskMeasureFn
    num_quantiles: int  # N, of the fractions at which candidates are compared
    num_candidates: int = 1  # C


class ActingParams(NamedTuple):
    """The parameters that `act` reads."""

    actor: Params
    critic: Params = None  # every leaf [E, ...]


def act(
    rule: ActingRule,
    params: ActingParams,
    observation: Array,
    key: Key,
    temperature: Scalar = 1.0,
    risk_level: Scalar | None = None,
) -> Array:
    """Draw C actions for each observation and take the best of each: [..., A].

    It is `act_from_noise` after `draw_noise`, which say what the arguments are.
    """
    options = ActingOptions(temperature, rule.num_candidates, risk_level)
    check_acting(options, rule.critic, rule.risk_measure)
    noise = draw_noise(rule, observation, key)
    return act_from_noise(rule, params, observation, noise, temperature, risk_level)


def draw_noise(rule: ActingRule, observation: Array, key: Key) -> Any:
    """Draw the noise of C actions for each observation [..., O].

    It is the actor's noise for observations [C, ..., O], or [..., O] where C is 1. Of
    the observations only shape and type matter.
    """
    return rule.actor.draw_noise(candidate_observations(rule, observation), key)


def act_from_noise(
    rule: ActingRule,
    params: ActingParams,
    observation: Array,
    noise: Any,
    temperature: Scalar = 1.0,
    risk_level: Scalar | None = None,
) -> Array:
    """Make C actions for each observation and take the best of each: [..., A].

    The best has the largest mean of min_e Z_e(s, a; tau) at the fractions
    tau_i = risk_measure((i + 1/2) / N, risk_level), i = 0..N - 1, as Diffusion-QL
    (Wang et al., 2023) takes the best of 50 by its mean.

    Args:
      rule: static.
      params: of one agent.
      observation: [..., O].
      noise: of all actions, as `draw_noise` draws it.
      temperature: factor on the floating-point leaves of the actor's noise.
      risk_level: of the risk measure; unused, and may be None, where C is 1.

    Raises `InputError` as `check_acting` does.
    """
    options = ActingOptions(temperature, rule.num_candidates, risk_level)
    check_acting(options, rule.critic, rule.risk_measure)
    each = candidate_observations(rule, observation)
    scaled = scale_noise(noise, temperature)
    actions = rule.actor.sample_from_noise(params.actor, each, scaled)
    if rule.num_candidates == 1:
        return actions
    values = candidate_values(rule, params.critic, each, actions, risk_level)
    best = jnp.argmax(values, axis=0)
    return jnp.take_along_axis(actions, best[None, ..., None], axis=0)[0]


def candidate_observations(rule: ActingRule, observation: Array) -> Array:
    """Return the observations of C candidates [C, ..., O]; [..., O] where C is 1."""
    if rule.num_candidates == 1:
        return observation
    return jnp.broadcast_to(observation, (rule.num_candidates, *observation.shape))


def scale_noise(noise: Any, temperature: Scalar) -> Any:
    """Return noise with its floating-point leaves times the temperature."""

    def scale(noise: Any) -> Any:
        if not jnp.issubdtype(noise.dtype, jnp.floating):
            return noise
        return noise * jnp.asarray(temperature, noise.dtype)

    return jax.tree.map(scale, noise)


def candidate_values(
    rule: ActingRule, params: Params, observation: Array, action: Array, level: Any
) -> Array:
    """Risk-adjusted values [...] of actions [..., A] at observations [..., O]."""
    assert rule.critic is not None
    rows, drawn = (x.reshape(-1, x.shape[-1]) for x in (observation, action))
    middle = (jnp.arange(rule.num_quantiles) + 0.5) / rule.num_quantiles
    tau = rule.risk_measure(middle, level)
    quantiles = rule.critic.acting_quantiles(params, rows, drawn, tau)
    values = jax.vmap(losses.risk_adjusted_value, in_axes=1)(quantiles)
    return values.reshape(action.shape[:-1])


def check_acting(
    options: ActingOptions, critic: Critic | None, risk_measure: RiskMeasureFn
) -> None:
    """Raise `InputError` for options by which these critics cannot act.

    Traced numbers are not checked.
    """
    check_counts(num_candidates=options.num_candidates)
    check_number("temperature", options.temperature, WEIGHT)
    level = options.risk_level
    if level is not None:
        check_number("risk_level", level, getattr(risk_measure, "levels", ANY))
    if options.num_candidates == 1:
        return
    if critic is None:
        raise InputError(
            f"num_candidates is {options.num_candidates} and there are no critics to "
            "rank the candidates: give 1"
        )
    if level is None:
        raise InputError(
            f"num_candidates is {options.num_candidates} and no level of risk ranks "
            "the candidates: give risk_level"
        )


def check_number(name: str, value: Any, allowed: Range) -> None:
    """Raise `InputError` for a number outside its range; a traced one passes."""
    if isinstance(value, jax.core.Tracer):
        return
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InputError(f"{name} is {value!r}: give a number") from None
    if number not in allowed:
        raise InputError(f"{name} is {number:g}: it must be {allowed}")
