"""Calibration: what a critic predicts of episodes, and what the episodes gave."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ramac_jax.errors import InputError
from ramac_jax.evaluation.estimates import mean, pooled_cvar
from ramac_jax.evaluation.intervals import jackknife_interval
from ramac_jax.evaluation.rollouts import Episodes
from ramac_jax.evaluation.statistics import cvar
from ramac_jax.losses import least
from ramac_jax.normalization import normalize_observation
from ramac_jax.policy import Policy
from ramac_jax.types import Array, Key, Params

NUM_FRACTIONS = 100
"""Quantiles of a prediction."""


class Calibration(NamedTuple):
    """Predicted and observed laws of the discounted return, in units of the rewards."""

    discount: float
    predicted: np.ndarray  # [P, M, N], quantiles of each episode at its start
    observed: np.ndarray  # [P, M]; NaN for a failed episode


def calibrate(policy: Policy, episodes: Episodes, seed: int = 0) -> Calibration:
    """Compare the critics of a policy with its own episodes.

    A critic predicts the return from the first state of an episode and an action that
    the policy draws there. The least critic counts at each fraction, as in acting. It
    also predicts what follows a time limit of H steps, which episodes do not show:
    discount^H of the return after it, .7 % at .99 and 500 steps.

    Args:
      policy: the agents, with their critics.
      episodes: of the same agents, with `rewards` and `start`.
      seed: of the drawn actions.

    Raises `InputError` for episodes without rewards, and for a policy without critics
    or without their discount.
    """
    critic, spec = policy.critic, policy.spec.critic
    if critic is None or spec is None or spec.discount is None:
        raise InputError(
            "the policy has no critics, or their discount is not known: give "
            "PolicySpec(critic=CriticSpec(discount=...)) when you save it"
        )
    if episodes.rewards is None or episodes.start is None:
        raise InputError("the episodes hold no rewards: evaluate the run again")
    weights = spec.discount ** np.arange(episodes.rewards.shape[-1])
    observed = np.where(episodes.failed, np.nan, episodes.rewards @ weights)
    keys = jax.random.split(jax.random.key(seed), policy.population)
    tau = (jnp.arange(NUM_FRACTIONS) + 0.5) / NUM_FRACTIONS

    def predict(params: Params, of_critic: Params, start: Array, key: Key) -> Array:
        observation = normalize_observation(policy.spec.scaling, start)
        action = policy.actor.sample(params, observation, key)
        return least(critic.quantiles(of_critic, observation, action, tau))

    each = jax.jit(jax.vmap(predict))
    predicted = each(policy.params, policy.critic_params, episodes.start, keys)
    return Calibration(
        discount=spec.discount,
        predicted=np.asarray(predicted, np.float64) / spec.reward_scale,
        observed=observed,
    )


def summarise_calibration(found: Calibration, level: float) -> dict[str, Any]:
    """Return figures of a calibration for strict JSON, and notes for the reader.

    "predicted" and "observed" hold mean and CVaR of the return over the starts of
    episodes; the observed ones with the bounds of `jackknife_interval`. A note says
    where a prediction lies outside these bounds.

    Args:
      found: of P agents; at least one episode did not fail.
      level: of the CVaR.
    """
    kept = [row[np.isfinite(row)] for row in found.observed]
    rows = [row for row in kept if row.size]
    everything = found.predicted.reshape(-1)
    predicted = {
        "mean": float(everything.mean()),
        "cvar": float(cvar(everything, level)),
    }
    observed = {
        "mean": jackknife_interval(rows, mean),
        "cvar": jackknife_interval(rows, pooled_cvar(level)),
    }
    names = {"mean": "mean return", "cvar": f"CVaR_{level:g}"}
    return {
        "discount": found.discount,
        "predicted": predicted,
        "observed": {name: bounds.to_json() for name, bounds in observed.items()},
        "notes": [
            f"the critics predict a {names[key]} of {predicted[key]:.4g} at the start "
            f"of an episode, and episodes gave {bounds.value:.4g} [{bounds.low:.4g}, "
            f"{bounds.high:.4g}] (discounted by {found.discount:g})"
            for key, bounds in observed.items()
            if predicted[key] < bounds.low or predicted[key] > bounds.high
        ],
    }


def quantiles_of(found: Calibration) -> tuple[np.ndarray, np.ndarray]:
    """Return predicted and observed quantiles of the return, pooled over agents [N].

    At least one episode did not fail.
    """
    fractions = (np.arange(NUM_FRACTIONS) + 0.5) / NUM_FRACTIONS
    observed = found.observed[np.isfinite(found.observed)]
    return np.quantile(found.predicted, fractions), np.quantile(observed, fractions)
