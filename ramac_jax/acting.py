"""Acting: the size of the sampler's noise, and the choice among several actions.

One implementation serves agents in training, saved policies and evaluations.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ramac_jax import losses
from ramac_jax.compute import random_numbers
from ramac_jax.errors import InputError, check_counts, show
from ramac_jax.hyperparams import ANY, WEIGHT, Range
from ramac_jax.types import Actor, Array, Critic, Key, Params, RiskMeasureFn, Scalar

CHOICE = 0x51FE  # folded into a key for the choice: no actor splits as many from it


class ActingNumbers(NamedTuple):
    """The options of acting that are traced: another number compiles nothing again."""

    temperature: Scalar = 1.0
    risk_level: Scalar | None = None
    softmax_temperature: Scalar = 0.0


class ActingOptions(NamedTuple):
    """How a trained agent acts; the defaults are the policy that was trained.

    Another temperature or risk level compiles nothing again, another number of
    candidates does.
    """

    temperature: Scalar = 1.0
    """Factor on the actor's noise, traced; 0: the same action each time. The latents of
    a VAE are clipped after it."""
    num_candidates: int = 1
    """Actions drawn for each observation, of which the critics choose a typical one."""
    risk_level: Scalar | None = None
    """Level of the risk measure that ranks the candidates, traced; None: the level of
    training, where a policy knows it."""
    softmax_temperature: Scalar = 0.0
    """A candidate is drawn from the softmax of the values over this temperature,
    traced. It has the unit of the values: discounted returns, times the reward scale of
    training. 0: the best candidate."""

    @property
    def numbers(self) -> ActingNumbers:
        """The options that are traced."""
        return ActingNumbers(*(getattr(self, x) for x in ActingNumbers._fields))


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


class ActingNoise(NamedTuple):
    """The random numbers of `act`."""

    sampler: Any  # of the actor, for observations [C, ..., O], or [..., O] where C is 1
    choice: Array | None = None
    """[C, ...], from the standard Gumbel law; None: the best candidate is taken."""


def act(
    rule: ActingRule,
    params: ActingParams,
    observation: Array,
    key: Key,
    numbers: ActingNumbers,
) -> Array:
    """Draw C actions for each observation and choose one of each: [..., A].

    It is `act_from_noise` after `draw_noise`, which say what the arguments are. Raises
    `InputError` as `check_acting` does.
    """
    count = rule.num_candidates
    options = ActingOptions(num_candidates=count, **numbers._asdict())
    check_acting(options, rule.critic, rule.risk_measure)
    noise = draw_noise(rule, observation, key)
    return act_from_noise(rule, params, observation, noise, numbers)


def draw_noise(rule: ActingRule, observation: Array, key: Key) -> ActingNoise:
    """Draw the noise of C actions for each observation [..., O], and of the choice.

    Of the observations only shape and type matter. The choice has a key of its own, so
    that the candidates are the same with and without it.
    """
    each = candidate_observations(rule, observation)
    noise = ActingNoise(rule.actor.draw_noise(each, key))
    if rule.num_candidates == 1:
        return noise
    choice_key = jax.random.fold_in(key, CHOICE)
    choice = random_numbers.gumbel(choice_key, each.shape[:-1], observation.dtype)
    return noise._replace(choice=choice)


def act_from_noise(
    rule: ActingRule,
    params: ActingParams,
    observation: Array,
    noise: ActingNoise,
    numbers: ActingNumbers,
) -> Array:
    """Make C actions for each observation and choose one of each: [..., A].

    The value of an action is the mean of min_e Z_e(s, a; tau) at the fractions
    tau_i = risk_measure((i + 1/2) / N, risk_level), i = 0..N - 1. Candidates that are
    not typical of the policy are left out (`is_typical`): critics know least about
    them. With G_c from the Gumbel law, the largest value_c + T G_c is a draw from the
    softmax of value / T (Gumbel, 1954), and at T = 0 the best action. Diffusion-QL
    (Wang et al., 2023) draws from the softmax of mean values at T = 1.

    Args:
      rule: static.
      params: of one agent.
      observation: [..., O].
      noise: as `draw_noise` draws it.
      numbers: traced; where C is 1 only the temperature is read, and the level may be
        None.
    """
    temperature, level, softmax_temperature = numbers
    each = candidate_observations(rule, observation)
    scaled = scale_noise(noise.sampler, temperature)
    actions = rule.actor.sample_from_noise(params.actor, each, scaled)
    if rule.num_candidates == 1:
        return actions
    values = typical_values(rule, params.critic, each, actions, level)
    if noise.choice is not None:
        values += jnp.asarray(softmax_temperature, values.dtype) * noise.choice
    chosen = jnp.argmax(values, axis=0)
    return jnp.take_along_axis(actions, chosen[None, ..., None], axis=0)[0]


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


def typical_values(
    rule: ActingRule, params: Params, observation: Array, action: Array, level: Any
) -> Array:
    """The values of candidates [C, ...], and -inf of those that are not typical.

    A candidate that is NaN, or whose value is, has NaN, so that no fault is hidden.
    """
    values = candidate_values(rule, params, observation, action, level)
    values = jnp.where(jnp.isnan(action).any(axis=-1), jnp.nan, values)
    return jnp.where(is_typical(action) | jnp.isnan(values), values, -jnp.inf)


def is_typical(actions: Array, slack: float = 0.0) -> Array:
    """Return which candidates [C, ..., A] are typical of the policy, [C, ...].

    These are half of them, those whose third nearest neighbour among the candidates is
    closest: its distance falls with the density of the policy around an action
    (Loftsgaarden and Quesenberry, 1965). So a mode of the policy keeps actions only
    where four or more candidates lie in it, about as dense as in the others. Equal
    distances count alike: of two or three candidates all are typical.

    Args:
      actions: [C, ..., A]; the time grows with C^2.
      slack: relative error of squared distances with which a candidate may be typical;
        below 0: in spite of which it is.
    """
    count = len(actions)
    apart = jnp.sum((actions[:, None] - actions[None]) ** 2, axis=-1)  # [C, C, ...]
    third = jnp.sort(apart, axis=1)[:, min(3, count - 1)]  # the first is the action
    return third <= (1.0 + slack) * jnp.sort(third, axis=0)[(count - 1) // 2][None]


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


def recorded_options(settings: Mapping[str, Any]) -> ActingOptions:
    """Return the acting options that the settings of an evaluation record.

    They record none where agents act as they were trained to.
    """
    return ActingOptions(**(settings.get("acting") or {}))


def describe(acting: ActingOptions) -> str:
    """Return the acting options in a few words; "" for those of training."""
    if acting == AS_TRAINED:
        return ""
    text = f"temperature {acting.temperature:g}"
    if acting.num_candidates == 1:
        return text
    how = f"best of {acting.num_candidates}"
    if acting.softmax_temperature:
        how = (
            f"one of {acting.num_candidates} by softmax {acting.softmax_temperature:g}"
        )
    return f"{text}, {how} at level {acting.risk_level:g}"


def check_acting(
    options: ActingOptions, critic: Critic | None, risk_measure: RiskMeasureFn
) -> None:
    """Raise `InputError` for options by which these critics cannot act.

    Traced numbers are not checked.
    """
    check_counts(num_candidates=options.num_candidates)
    for name in ("temperature", "softmax_temperature"):
        check_number(name, getattr(options, name), WEIGHT)
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
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{name} is {show(value)}: give a number") from None
    if number not in allowed:
        raise InputError(f"{name} is {number:g}: it must be {allowed}")
