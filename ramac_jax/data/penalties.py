"""Episodes with the penalties of a hazard: other rewards, and perhaps earlier ends.

The draws depend on the seed alone, one for each step of the sources in order, so that
the same call returns the same bytes.
"""

from typing import NamedTuple

import numpy as np
from minari import EpisodeData
from minari.data_collector.episode_buffer import EpisodeBuffer

from ramac_jax.envs.hazards import is_end, is_risky, penalties
from ramac_jax.tasks import Hazard


class Summary(NamedTuple):
    """The effect of a hazard on episodes; shares and means are over the steps kept."""

    episodes: int
    steps: int
    risky_share: float  # of the steps whose next state is risky
    charged_share: float  # of the steps with the penalty
    reward_before: float  # mean
    reward_after: float
    ended: int  # episodes that the hazard ended
    dropped: int  # steps of the sources after such an end


class Effect(NamedTuple):
    """The effect of a hazard on one episode: numbers and sums, of the steps kept."""

    steps: int
    risky: int
    charged: int
    reward_before: float
    reward_after: float
    ended: bool
    dropped: int  # steps after the end


class Charger:
    """Adds the penalties of a hazard to episodes, one after the other, and sums up.

    Args:
      hazard: the rule.
      seed: of the draws.
    """

    def __init__(self, hazard: Hazard, seed: int) -> None:
        self.hazard, self.rng = hazard, np.random.default_rng(seed)
        self.effects: list[Effect] = []

    def charge(self, episode: EpisodeData) -> EpisodeBuffer:
        """Return an episode with the penalties, which ends where the hazard ends it.

        Args:
          episode: T steps and T + 1 observations.
        """
        base = np.asarray(episode.rewards, np.float64)
        quantity = episode.observations[1:, self.hazard.coordinate]
        reward, charge, risky = relabel_rewards(self.hazard, base, quantity, self.rng)
        ends = np.flatnonzero(is_end(self.hazard, quantity))
        steps = int(ends[0]) + 1 if ends.size else len(base)
        terminated = np.array(episode.terminations[:steps], bool)
        truncated = np.array(episode.truncations[:steps], bool)
        self.effects.append(
            Effect(
                steps=steps,
                risky=int(risky[:steps].sum()),
                charged=int((charge[:steps] != 0).sum()),
                reward_before=float(base[:steps].sum()),
                reward_after=float(reward[:steps].sum()),
                ended=bool(ends.size and not terminated[-1]),
                dropped=len(base) - steps,
            )
        )
        if ends.size:
            terminated[-1], truncated[-1] = True, False
        return EpisodeBuffer(
            observations=episode.observations[: steps + 1],
            actions=episode.actions[:steps],
            rewards=reward[:steps],
            terminations=terminated,
            truncations=truncated,
        )

    def summary(self) -> Summary:
        """Return the effect on all episodes so far, of which there is at least one."""
        total = Effect(*np.sum(self.effects, axis=0).tolist())
        return Summary(
            episodes=len(self.effects),
            steps=int(total.steps),
            risky_share=total.risky / total.steps,
            charged_share=total.charged / total.steps,
            reward_before=total.reward_before / total.steps,
            reward_after=total.reward_after / total.steps,
            ended=int(total.ended),
            dropped=int(total.dropped),
        )


def relabel_rewards(
    hazard: Hazard,
    reward: np.ndarray,
    quantity: np.ndarray,
    seed: int | np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return new rewards, the penalty in each, and whether the step is risky, all [D].

    Args:
      hazard: the rule.
      reward: base rewards [D].
      quantity: the monitored quantity [D] after each step.
      seed: of the draws, one for each step in order, in float64; or their generator,
        which moves on.
    """
    draws = np.random.default_rng(seed).random(len(reward))  # a generator stays itself
    charge = penalties(hazard, quantity, draws)
    return reward + charge, charge, is_risky(hazard, quantity)
