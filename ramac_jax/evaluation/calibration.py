"""Calibration: what a critic predicts of episodes, and what the episodes gave."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ramac_jax.errors import InputError
from ramac_jax.evaluation.intervals import bootstrap_interval
from ramac_jax.evaluation.rollouts import Episodes
from ramac_jax.evaluation.statistics import cvar, pooled
from ramac_jax.losses import least
from ramac_jax.normalization import normalize_observation
from ramac_jax.policy import Policy
from ramac_jax.types import Array, Critic, Key, Params

NUM_FRACTIONS = 100
"""Quantiles of a prediction."""


class TrainedCritic(NamedTuple):
    """The critics of P agents, and the units of their returns."""

    critic: Critic
    params: Params  # every leaf [P, E, ...]
    discount: float
    reward_scale: float = 1.0  # factor on the rewards that the critics learned


class Calibration(NamedTuple):
    """Predicted and observed laws of the discounted return, in units of the rewards."""

    predicted: np.ndarray  # [P, M, N], quantiles of each episode at its start
    observed: np.ndarray  # [P, M]; NaN for a failed episode


def calibrate(
    policy: Policy, trained: TrainedCritic, episodes: Episodes, seed: int = 0
) -> Calibration:
    """Compare critics with the episodes of their own policies.

    A critic predicts the return from the first state of an episode and an action that
    the policy draws there. The least critic counts at each fraction, as in training.

    Args:
      policy: the agents.
      trained: their critics.
      episodes: of the same agents, with `rewards` and `start`.
      seed: of the drawn actions.

    Raises `InputError` for episodes without rewards.
    """
    if episodes.rewards is None or episodes.start is None:
        raise InputError("the episodes hold no rewards: evaluate the run again")
    weights = trained.discount ** np.arange(episodes.rewards.shape[-1])
    observed = np.where(episodes.failed, np.nan, episodes.rewards @ weights)
    keys = jax.random.split(jax.random.key(seed), policy.population)
    tau = (jnp.arange(NUM_FRACTIONS) + 0.5) / NUM_FRACTIONS

    def predict(params: Params, of_critic: Params, start: Array, key: Key) -> Array:
        observation = normalize_observation(policy.spec.scaling, start)
        action = policy.actor.sample(params, observation, key)
        return least(trained.critic.quantiles(of_critic, observation, action, tau))

    each = jax.jit(jax.vmap(predict))
    predicted = each(policy.params, trained.params, episodes.start, keys)
    return Calibration(
        predicted=np.asarray(predicted, np.float64) / trained.reward_scale,
        observed=observed,
    )


def summarise_calibration(
    found: Calibration, level: float, discount: float
) -> dict[str, Any]:
    """Return figures of a calibration for strict JSON, and notes for the reader.

    "predicted" and "observed" hold mean and CVaR of the return over the starts of
    episodes; the observed ones with the bounds of `bootstrap_interval`. A note says
    where a prediction lies outside these bounds.

    Args:
      found: of P agents; at least one episode did not fail.
      level: of the CVaR.
      discount: of the returns.
    """
    kept = [row[np.isfinite(row)] for row in found.observed]
    rows = [row for row in kept if row.size]
    everything = found.predicted.reshape(-1)
    predicted = {
        "mean": float(everything.mean()),
        "cvar": float(cvar(everything, level)),
    }
    observed = {
        "mean": bootstrap_interval(rows, pooled(lambda x: x.mean(axis=-1))),
        "cvar": bootstrap_interval(rows, pooled(lambda x: cvar(x, level))),
    }
    names = {"mean": "mean return", "cvar": f"CVaR_{level:g}"}
    return {
        "discount": discount,
        "predicted": predicted,
        "observed": {name: bounds.to_json() for name, bounds in observed.items()},
        "notes": [
            f"the critics predict a {names[key]} of {predicted[key]:.4g} at the start "
            f"of an episode, and episodes gave {bounds.value:.4g} [{bounds.low:.4g}, "
            f"{bounds.high:.4g}] (discounted by {discount:g})"
            for key, bounds in observed.items()
            if not bounds.low <= predicted[key] <= bounds.high
        ],
    }


def quantiles_of(found: Calibration) -> tuple[np.ndarray, np.ndarray]:
    """Return predicted and observed quantiles of the return, pooled over agents [N].

    At least one episode did not fail.
    """
    fractions = (np.arange(NUM_FRACTIONS) + 0.5) / NUM_FRACTIONS
    observed = found.observed[np.isfinite(found.observed)]
    return np.quantile(found.predicted, fractions), np.quantile(observed, fractions)
