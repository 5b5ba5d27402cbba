"""Episodes with the penalties of a hazard: other rewards, and perhaps earlier ends.

The draws depend on the seed alone, one for each step of the sources in order, so that
the same call returns the same bytes.
"""

from collections.abc import Sequence
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


def charge_episodes(
    hazard: Hazard, episodes: Sequence[EpisodeData], seed: int
) -> tuple[list[EpisodeBuffer], Summary]:
    """Add the penalties of a hazard to episodes and end each where the hazard does.

    Args:
      hazard: the rule.
      episodes: T steps and T + 1 observations each.
      seed: of the draws.
    """
    base = np.concatenate([np.asarray(x.rewards, np.float64) for x in episodes])
    terminated = np.concatenate([np.asarray(x.terminations, bool) for x in episodes])
    quantity = np.concatenate([x.observations[1:, hazard.coordinate] for x in episodes])
    reward, charge, risky = relabel_rewards(hazard, base, quantity, seed)
    ends = is_end(hazard, quantity)
    buffers, kept = cut_episodes(episodes, reward, ends)
    return buffers, Summary(
        episodes=len(buffers),
        steps=int(kept.sum()),
        risky_share=float(risky[kept].mean()),
        charged_share=float((charge[kept] != 0).mean()),
        reward_before=float(base[kept].mean()),
        reward_after=float(reward[kept].mean()),
        ended=int((ends & kept & ~terminated).sum()),
        dropped=int((~kept).sum()),
    )


def relabel_rewards(
    hazard: Hazard, reward: np.ndarray, quantity: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return new rewards, the penalty in each, and whether the step is risky, all [D].

    Args:
      hazard: the rule.
      reward: base rewards [D].
      quantity: the monitored quantity [D] after each step.
      seed: of the draws, one for each step in order, in float64.
    """
    draws = np.random.default_rng(seed).random(len(reward))
    charge = penalties(hazard, quantity, draws)
    return reward + charge, charge, is_risky(hazard, quantity)


def cut_episodes(
    episodes: Sequence[EpisodeData], reward: np.ndarray, ends: np.ndarray
) -> tuple[list[EpisodeBuffer], np.ndarray]:
    """Return episodes with new rewards [D], each cut after the first of its `ends` [D].

    Also returns which steps [D] are kept.
    """
    buffers, kept, start = [], np.ones(len(reward), bool), 0
    for episode in episodes:
        stop = start + len(episode.rewards)
        found = np.flatnonzero(ends[start:stop])
        steps = int(found[0]) + 1 if found.size else stop - start
        terminated = np.array(episode.terminations[:steps], bool)
        truncated = np.array(episode.truncations[:steps], bool)
        if found.size:
            terminated[-1], truncated[-1] = True, False
        buffers.append(
            EpisodeBuffer(
                observations=episode.observations[: steps + 1],
                actions=episode.actions[:steps],
                rewards=reward[start : start + steps],
                terminations=terminated,
                truncations=truncated,
            )
        )
        kept[start + steps : stop] = False
        start = stop
    return buffers, kept
