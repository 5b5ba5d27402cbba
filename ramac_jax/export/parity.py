"""Whether an exported program acts as the policy does, on random inputs."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ramac_jax.acting import (
    ActingNoise,
    ActingOptions,
    ActingParams,
    candidate_observations,
    candidate_values,
    is_typical,
    scale_noise,
)
from ramac_jax.errors import InputError
from ramac_jax.export.program import Program
from ramac_jax.normalization import normalize_observation, unscale_action
from ramac_jax.policy import Policy
from ramac_jax.types import Array

NUM_INPUTS = 1000
TEMPERATURES = (1.0, 0.0, 0.5, 1.5)
LEVELS = (1.0, 0.5, 0.25, 0.1)
"""Levels of risk, which every risk measure allows."""
TOLERANCE = 1e-5
"""Largest difference that ONNX Runtime may make, and by which values are tied."""
SLACK = 1e-3
"""Relative error of squared distances between candidates by which they are tied."""

RunFn = Callable[..., Sequence[np.ndarray]]
"""The inputs of a program -> action and score."""


class Parity(NamedTuple):
    """How far an exported program is from the policy."""

    largest: float
    """Largest difference of an action, in units of half its range where that is above
    1, or of a score, relative to the score where that is above 1."""
    num_ties: int
    """Inputs where it takes another candidate, as good as the best up to rounding."""


class Sample(NamedTuple):
    """Random inputs of a program, and what the policy does with them."""

    inputs: tuple[Any, ...]
    action: np.ndarray  # [rows, A]
    score: np.ndarray  # [rows]
    tied: np.ndarray  # [C, rows, A], actions as good as the best; infinite: worse ones


def draw_samples(policy: Policy, program: Program, num_candidates: int) -> list[Sample]:
    """Draw `NUM_INPUTS` inputs, a part at each temperature, and act on them.

    Args:
      policy: of one agent.
      program: of the agent.
      num_candidates: of the program.
    """

    @jax.jit
    def reference(
        observation: Array, noise: Array, temperature: Array, level: Array
    ) -> tuple[Array, ...]:
        options = ActingOptions(temperature, num_candidates, level)
        action = policy.act_from_noise(observation, ActingNoise(noise), options=options)
        return action, policy.ood_score(observation)

    tied = jax.jit(lambda *inputs: tied_actions(policy, num_candidates, *inputs))
    centre, unit = observed_law(policy)
    draw, rows = np.random.default_rng(0), NUM_INPUTS // len(TEMPERATURES)
    samples = []
    for temperature, level in zip(TEMPERATURES, LEVELS, strict=True):
        drawn, noise = (
            draw.normal(size=port.sized(rows).shape).astype(np.float32)
            for port in program.inputs[:2]
        )
        numbers = np.float32(temperature), np.float32(level)
        inputs = (centre + 2.0 * unit * drawn, noise, *numbers)
        found = [np.asarray(x) for x in (*reference(*inputs), tied(*inputs))]
        samples.append(Sample(inputs, *found))
    return samples


def observed_law(policy: Policy) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation [O] of the training data, as far as they are known."""
    guard, scaling = policy.spec.guard, policy.spec.scaling
    if guard is not None:
        return np.asarray(guard.mean), np.asarray(guard.std)
    return np.asarray(scaling.observation_mean), np.asarray(scaling.observation_std)


def tied_actions(policy: Policy, num_candidates: int, *inputs: Array) -> Array:
    """Return the actions [C, B, A] that are the best up to rounding, else inf.

    Where values differ by rounding, or distances between candidates, another program
    may take another candidate.
    """
    observation, noise, temperature, level = inputs
    rule, scaling = policy.rule(num_candidates), policy.spec.scaling
    everyone = ActingParams(policy.params, policy.critic_params)
    params = jax.tree.map(lambda x: x[0], everyone)
    normalized = normalize_observation(scaling, observation)
    each = candidate_observations(rule, normalized)
    scaled = scale_noise(noise, temperature)
    drawn = rule.actor.sample_from_noise(params.actor, each, scaled)
    actions = unscale_action(scaling, drawn)
    if num_candidates == 1:
        return actions[None]
    values = candidate_values(rule, params.critic, each, drawn, level)
    best = jnp.where(is_typical(drawn, -SLACK), values, -jnp.inf).max(axis=0)
    is_tied = values >= best - TOLERANCE * jnp.maximum(jnp.abs(best), 1.0)
    is_tied &= is_typical(drawn, SLACK)
    return jnp.where(is_tied[..., None], actions, jnp.inf)


def measure(policy: Policy, samples: Sequence[Sample], run: RunFn) -> Parity:
    """Return how far a program is from the policy."""
    scaling = policy.spec.scaling
    unit = np.maximum(0.5 * (scaling.action_high - scaling.action_low), 1.0)
    errors, num_ties = [], 0
    for sample in samples:
        action, score = run(*sample.inputs)
        distance = np.max(np.abs(action - sample.action) / unit, axis=-1)
        nearest = np.max(np.abs(action - sample.tied) / unit, axis=-1).min(axis=0)
        is_tie = (distance > TOLERANCE) & (nearest <= TOLERANCE)
        num_ties += int(is_tie.sum())
        error = np.abs(score - sample.score) / np.maximum(sample.score, 1.0)
        errors += [np.where(is_tie, nearest, distance).max(), error.max()]
    return Parity(float(np.max(errors)), num_ties)  # NaN where any is


def check(name: str, parity: Parity, tolerance: float) -> None:
    """Raise `InputError` for a program that differs by more than the tolerance.

    A NaN differs from everything, so that a policy of such actions is refused.
    """
    if not parity.largest <= tolerance or (not tolerance and parity.num_ties):
        raise InputError(
            f"{name} does not act as the policy: an action or a score differs by "
            f"{parity.largest:.3g} on {NUM_INPUTS} random inputs, more than "
            f"{tolerance:g}"
        )
