"""Laws of the return: small Markov chains, and a policy that acts in each.

The recorded steps that critics learn from are those of a uniform policy.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

import ramac_jax as rj

PROBABILITY_TOLERANCE = 1e-6
LARGEST = 1e9
"""Size of a reward whose returns and their squares float32 still holds."""
NOISES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "none": lambda rng, size: np.zeros(size),
    "normal": lambda rng, size: rng.normal(size=size),
    "student-t(3)": lambda rng, size: rng.standard_t(3, size),
}
"""Noise that is added to the rewards of `size` steps."""


class Outcome(NamedTuple):
    """What may follow a state and an action."""

    probability: float
    reward: float
    next_state: int = 0
    ends: bool = False


class Law(NamedTuple):
    """A Markov chain of S states, each with the same 1 or 2 actions."""

    outcomes: tuple[tuple[tuple[Outcome, ...], ...], ...]  # [S][A], each any number
    discount: float = 0.99
    noise: str = "none"  # added to every reward: a name in NOISES
    starts: tuple[tuple[str, int, int], ...] = (("", 0, 0),)  # label, state, action
    policy: tuple[float, ...] | None = None
    """Probability of each action of the policy whose return is asked for; None: it is
    the uniform one that was recorded."""


def chain(
    atoms: Sequence[float], probabilities: Sequence[float], discount: float
) -> Law:
    """Build the endless chain of one state whose reward is one of the atoms.

    Raises `InputError` for lists of different lengths, probabilities that are not
    those of a distribution, rewards that are not finite, and a discount outside [0, 1).
    """
    if len(atoms) != len(probabilities):
        raise rj.InputError(
            f"{len(atoms)} atoms and {len(probabilities)} probabilities: give as many "
            "probabilities as atoms"
        )
    if not atoms:
        raise rj.InputError("no atom: give at least one, with its probability")
    if not (np.abs(atoms) <= LARGEST).all():
        raise rj.InputError(
            f"atoms are {list(atoms)}: give rewards from -{LARGEST:g} to {LARGEST:g}"
        )
    total = float(np.sum(probabilities))
    if not all(p >= 0.0 for p in probabilities):
        raise rj.InputError(
            f"probabilities are {list(probabilities)}: give none below 0"
        )
    if not abs(total - 1.0) <= PROBABILITY_TOLERANCE:
        raise rj.InputError(f"probabilities sum to {total:g}: give some that sum to 1")
    if discount == 1.0:
        raise rj.InputError(
            "the discount is 1 and the chain never ends, so that its return is "
            "infinite: give a discount below 1"
        )
    if not 0.0 <= discount < 1.0:
        raise rj.InputError(f"the discount is {discount:g}: give 0 or more, below 1")
    pairs = zip(probabilities, atoms, strict=True)
    return Law(
        outcomes=((tuple(Outcome(*pair) for pair in pairs),),), discount=discount
    )


def noisy(noise: str) -> Law:
    """Build the chain whose rewards are noise alone."""
    return chain([0.0], [1.0], 0.99)._replace(noise=noise)


def rare_penalty(scale: float) -> Law:
    """Build the chain with a rare penalty, its rewards multiplied by `scale`."""
    return chain([0.3 * scale, -5.0 * scale], [0.98, 0.02], 0.99)


def hazard() -> Law:
    """Build one state with a safe action, and a risky one that is better on average."""
    safe = (Outcome(1.0, 0.1),)
    risky = (Outcome(0.96, 0.4), Outcome(0.04, -5.0))
    return Law(outcomes=((safe, risky),), starts=(("safe", 0, 0), ("risky", 0, 1)))


def careful_policy() -> Law:
    """Build the hazard for a policy that rarely takes the action that is risky."""
    return hazard()._replace(starts=(("", 0, 0),), policy=(0.95, 0.05))


def ending_penalty() -> Law:
    """Build the chain whose penalty also ends the episode."""
    return Law(outcomes=(((Outcome(0.98, 0.3), Outcome(0.02, -5.0, 0, True)),),))


def late_penalty() -> Law:
    """Build a walk over ten states whose last step may bring a rare penalty."""
    walk = [
        ((Outcome(0.9, 0.1, state + 1), Outcome(0.1, 0.1, state)),)
        for state in range(9)
    ]
    last = ((Outcome(0.95, 1.0, 9, True), Outcome(0.05, -10.0, 9, True)),)
    return Law(outcomes=(*walk, last))


LAWS = {
    "rare penalty": rare_penalty(1.0),
    "rare penalty x 0.1": rare_penalty(0.1),
    "rare penalty x 10": rare_penalty(10.0),
    "normal": noisy("normal"),
    "student-t(3)": noisy("student-t(3)"),
    "hazard": hazard(),
    "hazard, careful policy": careful_policy(),
    "ending penalty": ending_penalty(),
    "late penalty": late_penalty(),
}
"""The laws by name."""


class Tables(NamedTuple):
    """The outcomes of a law as arrays [S, A, K]."""

    cumulated: np.ndarray  # probabilities
    reward: np.ndarray
    next_state: np.ndarray
    ends: np.ndarray


def tabulate(law: Law) -> Tables:
    """Return the tables of a law; outcomes of probability 0 fill their last axis."""
    longest = max(len(x) for state in law.outcomes for x in state)
    rows = [
        [[*x, *[Outcome(0.0, 0.0)] * (longest - len(x))] for x in state]
        for state in law.outcomes
    ]
    columns = np.moveaxis(np.array(rows, np.float64), -1, 0)
    cumulated = np.cumsum(columns[0], axis=-1)
    return Tables(
        cumulated=cumulated / cumulated[..., -1:],
        reward=columns[1],
        next_state=columns[2].astype(int),
        ends=columns[3].astype(bool),
    )


def draw_actions(law: Law, rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw actions [size] of the law's policy."""
    num_actions = len(law.outcomes[0])
    if law.policy is None:
        return rng.integers(num_actions, size=size)
    return rng.choice(num_actions, size=size, p=law.policy)


class Walk(NamedTuple):
    """One step of many walkers, all [M], and where each goes on."""

    action: np.ndarray
    reward: np.ndarray
    next_state: np.ndarray
    ends: np.ndarray


def step(
    law: Law,
    tables: Tables,
    rng: np.random.Generator,
    state: np.ndarray,
    action: np.ndarray | None = None,
) -> Walk:
    """Take one step of walkers in states [M]; the policy draws actions not given."""
    size = len(state)
    if action is None:
        action = draw_actions(law, rng, size)
    drawn = rng.random(size)[:, None]
    pick = np.sum(drawn >= tables.cumulated[state, action], axis=-1)
    return Walk(
        action=action,
        reward=tables.reward[state, action, pick] + NOISES[law.noise](rng, size),
        next_state=tables.next_state[state, action, pick],
        ends=tables.ends[state, action, pick],
    )
