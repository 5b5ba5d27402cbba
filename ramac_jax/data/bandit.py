"""The dataset of the risky bandit."""

from pathlib import Path

import gymnasium
import numpy as np
from minari.data_collector.episode_buffer import EpisodeBuffer

from ramac_jax.data import writing
from ramac_jax.envs import bandit
from ramac_jax.envs.registration import BANDIT_ID

DATASET_ID = "ramac_jax/risky-bandit-v0"
PULLS_PER_RECORD = 100


def write_bandit_dataset(
    seed: int = 0, dataset_id: str = DATASET_ID, *, root: Path | None = None
) -> None:
    """Write `envs.bandit.CONSTANTS.num_samples` pulls as a Minari dataset.

    An older dataset of this id is replaced. Every pull is a terminated step. A Minari
    episode holds `PULLS_PER_RECORD` of them, because Minari's files take milliseconds
    for each episode, however short.

    Args:
      seed: of actions and rewards.
      dataset_id: Minari id of the dataset.
      root: folder of the datasets; None: that of RAMAC_JAX_DATASETS_PATH, or else of
        MINARI_DATASETS_PATH, or Minari's own folder.
    """
    rng = np.random.default_rng(seed)
    actions = bandit.draw_actions(bandit.CONSTANTS.num_samples, rng)
    rewards = bandit.draw_rewards(actions, rng)
    env = gymnasium.make(BANDIT_ID)
    writing.write_dataset(
        dataset_id,
        make_records(actions, rewards),
        observation_space=env.observation_space,
        action_space=env.action_space,
        algorithm_name="ring and centre mixture",
        description=f"The risky bandit, seed {seed}: {bandit.CONSTANTS}",
        env_spec=env.spec,
        overwrite=True,
        root=root,
    )


def make_records(actions: np.ndarray, rewards: np.ndarray) -> list[EpisodeBuffer]:
    """Cut actions [D, 2] and rewards [D] into the episodes of Minari's files."""
    ends = np.arange(PULLS_PER_RECORD, len(rewards), PULLS_PER_RECORD)
    return [
        EpisodeBuffer(
            id=index,
            observations=np.zeros((len(reward) + 1, 1), np.float32),
            actions=action,
            rewards=reward,
            terminations=np.ones(len(reward), bool),
            truncations=np.zeros(len(reward), bool),
        )
        for index, (action, reward) in enumerate(
            zip(np.split(actions, ends), np.split(rewards, ends), strict=True)
        )
    ]
