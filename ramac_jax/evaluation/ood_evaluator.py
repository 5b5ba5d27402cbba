"""How often agents leave the data: their actions at states that the data visited."""

from typing import Any, NamedTuple

import jax
import numpy as np

import ramac_jax as rj
from ramac_jax.evaluation import Detector, density_detector, nearest_detector
from ramac_jax.normalization import scale_action
from ramac_jax.policy import Policy

HELD_OUT_EVERY = 10  # one episode of so many is held out
CALIBRATED_BY = 5000  # steps held out that set the thresholds, at most
NUM_QUERIES = 2000  # other states held out at which every agent is asked, at most
NUM_NEIGHBOURS = 100


class OODEvaluator(NamedTuple):
    """Detectors of one dataset, and the states at which agents are asked."""

    detectors: dict[str, Detector]
    held_out: rj.Transition  # [Q, ...] that no detector has seen in any way

    def flagged(self, actions: np.ndarray) -> dict[str, np.ndarray]:
        """By each detector, the share of actions [P, Q, A] out of distribution [P]."""
        return {
            name: np.array(
                [detector(self.held_out.observation, each).mean() for each in actions]
            )
            for name, detector in self.detectors.items()
        }

    def false_positive_rates(self) -> dict[str, float]:
        """By each detector, the share of the data's own actions that it flags."""
        actions = np.asarray(self.held_out.action)[None]
        return {name: float(x[0]) for name, x in self.flagged(actions).items()}


def make_ood_evaluator(
    data: rj.Transition,
    num_neighbours: int = NUM_NEIGHBOURS,
    held_out_every: int = HELD_OUT_EVERY,
) -> OODEvaluator:
    """Build every detector of `ramac_jax.evaluation`; the same for the same data.

    One episode of `held_out_every` is held out. Half of these calibrate the detectors;
    at the states of the others agents are asked.

    Raises `InputError` where there are not four episodes, and as the detectors do.
    """
    known, calibrating, asked = split_episodes(data, held_out_every)
    draw = np.random.default_rng(0)

    def some(part: rj.Transition, size: int) -> rj.Transition:
        rows = draw.permutation(len(part.reward))[:size]
        return rj.Transition(*(x[rows] for x in part))

    calibrating = some(calibrating, CALIBRATED_BY)
    num_neighbours = min(num_neighbours, len(known.reward))
    detectors = {
        "nearest": nearest_detector(known, calibrating, num_neighbours=num_neighbours),
        "density": density_detector(known, calibrating, num_neighbours=num_neighbours),
    }
    return OODEvaluator(detectors, some(asked, NUM_QUERIES))


def split_episodes(
    data: rj.Transition, held_out_every: int
) -> tuple[rj.Transition, rj.Transition, rj.Transition]:
    """Transitions [D, ...] in the order they were made -> most, and two held-out parts.

    One episode of `held_out_every` is held out, and by turns in the one part and the
    other; of few episodes more, so that there are two. A step begins another episode
    where it does not go on from the one before.
    """
    arrays: Any = jax.tree.map(np.asarray, data)
    goes_on = np.all(arrays.next_observation[:-1] == arrays.observation[1:], axis=1)
    goes_on &= arrays.terminated[:-1] == 0.0
    number = np.append(0, np.cumsum(~goes_on))
    every = min(held_out_every, (int(number[-1]) + 1) // 2)
    if every < 2:
        raise rj.InputError(
            f"the data have {number[-1] + 1} episodes: detectors need 4, two of them "
            "to be held out"
        )
    held_out, odd = number % every == every - 1, number // every % 2 == 1
    parts = (~held_out, held_out & ~odd, held_out & odd)
    known, calibrating, asked = (
        jax.tree.map(lambda x, rows=rows: x[rows], arrays) for rows in parts
    )
    return known, calibrating, asked


def ood_rates(
    ood_evaluator: OODEvaluator, policy: Policy, seed: int = 0
) -> dict[str, np.ndarray]:
    """By each detector, how often each agent of a policy leaves the data [P].

    Every agent acts once at each of the ood_evaluator's states, those of the environment.
    """

    @jax.jit
    @jax.vmap
    def act(member, key):
        action = policy(ood_evaluator.held_out.observation, key, member)
        return scale_action(policy.spec.scaling, action)

    keys = jax.random.split(jax.random.key(seed), policy.population)
    return ood_evaluator.flagged(np.asarray(act(np.arange(policy.population), keys)))
