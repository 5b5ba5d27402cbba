"""How often agents leave the data: their actions at states that the data visited."""

from typing import Any, NamedTuple

import jax
import numpy as np

import ramac_jax as rj
from ramac_jax.checkpoints import Policy
from ramac_jax.evaluation import Detector, density_detector, nearest_detector
from ramac_jax.scaling import scale_action

HELD_OUT_EVERY = 10  # one episode of so many is held out
CALIBRATED_BY = 5000  # steps held out that set the thresholds, at most
NUM_QUERIES = 2000  # of these states that every agent is asked at, at most
NUM_NEIGHBOURS = 100


class Judge(NamedTuple):
    """Detectors of one dataset, and the states at which they are asked."""

    detectors: dict[str, Detector]
    observation: Any  # [Q, O] in NumPy, of held-out data

    def flagged(self, actions: np.ndarray) -> dict[str, np.ndarray]:
        """By each detector, the share of actions [P, Q, A] out of distribution [P]."""
        return {
            name: np.array(
                [detector(self.observation, each).mean() for each in actions]
            )
            for name, detector in self.detectors.items()
        }

    def false_alarms(self) -> dict[str, float]:
        """By each detector, the share of held-out data that it takes for others."""
        return {name: x.false_positive_rate for name, x in self.detectors.items()}


def make_judge(data: rj.Transition, num_neighbours: int = NUM_NEIGHBOURS) -> Judge:
    """Build every detector of `ramac_jax.evaluation`; the same for the same data.

    Raises `InputError` where there are not two episodes, and as the detectors do.
    """
    known, held_out = split_episodes(data)
    draw = np.random.default_rng(0)
    size = len(held_out.reward)
    rows = draw.permutation(size)[:CALIBRATED_BY]
    held_out = rj.Transition(*(x[rows] for x in held_out))
    num_neighbours = min(num_neighbours, len(known.reward))
    detectors = {
        "nearest": nearest_detector(known, held_out, num_neighbours=num_neighbours),
        "density": density_detector(known, held_out, num_neighbours=num_neighbours),
    }
    return Judge(detectors, np.asarray(held_out.observation[:NUM_QUERIES]))


def split_episodes(data: rj.Transition) -> tuple[rj.Transition, rj.Transition]:
    """Transitions [D, ...] in the order they were made -> most episodes, and the rest.

    A step begins another episode where it does not go on from the one before.
    """
    arrays: Any = jax.tree.map(np.asarray, data)
    goes_on = np.all(arrays.next_observation[:-1] == arrays.observation[1:], axis=1)
    goes_on &= arrays.terminated[:-1] == 0.0
    number = np.append(0, np.cumsum(~goes_on))
    every = min(HELD_OUT_EVERY, int(number[-1]) + 1)
    if every == 1:
        raise rj.InputError(
            "the data are of one episode, and detectors need another to be held out"
        )
    out = number % every == every - 1
    rest: Any = jax.tree.map(lambda x: x[~out], arrays)
    return rest, jax.tree.map(lambda x: x[out], arrays)


def ood_rates(judge: Judge, policy: Policy, seed: int = 0) -> dict[str, np.ndarray]:
    """By each detector, how often each agent of a policy leaves the data [P].

    Every agent acts once at each of the judge's states, those of the environment.
    """

    @jax.jit
    @jax.vmap
    def act(member, key):
        action = policy(judge.observation, key, member)
        return scale_action(policy.spec.scaling, action)

    keys = jax.random.split(jax.random.key(seed), policy.population)
    return judge.flagged(np.asarray(act(np.arange(policy.population), keys)))
