"""The OOD evaluator: how often agents leave the data, at states of the data."""

from typing import Any, NamedTuple

import jax
import numpy as np

from ramac_jax.acting import AS_TRAINED, ActingOptions
from ramac_jax.errors import InputError
from ramac_jax.evaluation.detectors import (
    Detector,
    above,
    density_detector,
    nearest_detector,
)
from ramac_jax.normalization import scale_action
from ramac_jax.policy import Policy
from ramac_jax.types import Array, Key, Transition

HELD_OUT_EVERY = 10  # one episode in so many is held out
CALIBRATION_STEPS = 5000  # held-out steps that set the thresholds, at most
NUM_QUERIES = 2000  # other held-out states at which every agent acts, at most
NUM_NEIGHBOURS = 100


class OODEvaluator(NamedTuple):
    """Detectors of one dataset, and the states at which agents act."""

    detectors: dict[str, Detector]
    """By name; all of the same data and number of neighbours."""
    held_out: Transition  # [Q, ...], unknown to every detector
    nearest: np.ndarray  # [Q, K, A], the data's actions at the states nearest to these

    def flagged(self, actions: np.ndarray) -> dict[str, np.ndarray]:
        """Return the share of actions [P, Q, A] that each detector flags as OOD [P]."""
        return {
            name: np.array(
                [
                    above(x.score_among(self.nearest, each), x.threshold).mean()
                    for each in actions
                ]
            )
            for name, x in self.detectors.items()
        }

    def false_positive_rates(self) -> dict[str, float]:
        """Return the share of the data's own actions that each detector flags."""
        actions = np.asarray(self.held_out.action)[None]
        return {name: float(x[0]) for name, x in self.flagged(actions).items()}


def make_ood_evaluator(
    data: Transition,
    num_neighbours: int = NUM_NEIGHBOURS,
    held_out_every: int = HELD_OUT_EVERY,
) -> OODEvaluator:
    """Build the OOD evaluator of a dataset; the same data always give the same one.

    One episode in `held_out_every` is held out. Half of these episodes calibrate the
    detectors; agents act at the states of the other half.

    Args:
      data: transitions [D, ...] in the order of collection, episode after episode.
      num_neighbours: states of the data that each query is compared with.
      held_out_every: see above; fewer where the data have few episodes.

    Raises `InputError` for fewer than four episodes, and as the detectors do.
    """
    known, calibration, queries = split_episodes(data, held_out_every)
    draw = np.random.default_rng(0)

    def subset(part: Transition, size: int) -> Transition:
        rows = draw.permutation(len(part.reward))[:size]
        return jax.tree.map(lambda x: x[rows], part)

    calibration = subset(calibration, CALIBRATION_STEPS)
    num_neighbours = min(num_neighbours, len(known.reward))
    detectors = {
        "nearest": nearest_detector(known, calibration, num_neighbours=num_neighbours),
        "density": density_detector(known, calibration, num_neighbours=num_neighbours),
    }
    held_out = subset(queries, NUM_QUERIES)
    nearest = detectors["nearest"].nearest_actions(held_out.observation)
    return OODEvaluator(detectors=detectors, held_out=held_out, nearest=nearest)


def split_episodes(
    data: Transition, held_out_every: int
) -> tuple[Transition, Transition, Transition]:
    """Split transitions [D, ...] by episodes into the reference and two held-out parts.

    One episode in `held_out_every` is held out, in turn for the one part and the other;
    with few episodes more often, so that both parts have one. An episode ends where
    `terminated` is set, and where the next step starts at another observation.
    """
    arrays: Any = jax.tree.map(np.asarray, data._replace(steps=None))
    continues = np.all(arrays.next_observation[:-1] == arrays.observation[1:], axis=1)
    continues &= arrays.terminated[:-1] == 0.0
    number = np.append(0, np.cumsum(~continues))
    every = min(held_out_every, (int(number[-1]) + 1) // 2)
    if every < 2:
        raise InputError(
            f"the data have {number[-1] + 1} episodes: detectors need 4, two of them "
            "to hold out"
        )
    held_out, odd = number % every == every - 1, number // every % 2 == 1
    parts = (~held_out, held_out & ~odd, held_out & odd)
    known, calibration, queries = (
        jax.tree.map(lambda x, rows=rows: x[rows], arrays) for rows in parts
    )
    return known, calibration, queries


def ood_rates(
    ood_evaluator: OODEvaluator,
    policy: Policy,
    seed: int = 0,
    options: ActingOptions = AS_TRAINED,
) -> dict[str, np.ndarray]:
    """Return by detector how often each agent of a policy leaves the data [P].

    Every agent acts once at each state of the evaluator, in the environment's units and
    with these acting options.
    """

    policy = policy.of_centred()  # the states are centred as the policy's own data

    @jax.jit
    @jax.vmap
    def act(member: Array, key: Key) -> Array:
        observation = ood_evaluator.held_out.observation
        action = policy(observation, key, member, **options._asdict())
        return scale_action(policy.spec.scaling, action)

    keys = jax.random.split(jax.random.key(seed), policy.population)
    return ood_evaluator.flagged(np.asarray(act(np.arange(policy.population), keys)))
