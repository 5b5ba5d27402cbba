"""Options of the data that agents train on."""

import dataclasses
from typing import Annotated

import tyro

from ramac_jax.cli.options.sections import choices
from ramac_jax.tasks import TASKS


@dataclasses.dataclass(frozen=True)
class DatasetSpec:
    """The data: a task with its stochastic dataset, or Minari datasets as they are."""

    task: Annotated[str | None, choices(tuple(TASKS), "Stochastic task")] = None
    dataset: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Minari id, local or on the hub; repeat the option to join datasets. With a task:
    the sources of its stochastic dataset, if that is not on disk."""
    data_seed: int = 0
    """Seed of the penalties of a new stochastic dataset."""
    normalize: bool = False
    """Give each observation coordinate mean 0 and deviation 1."""
    clip_actions: bool = False
    """Clip actions that are beyond their bounds, as those of Gaussian policies; without
    it they are refused."""
    reward_scale: float = 1.0
    """Factor on the rewards that the critics learn, and so on their values. Returns of
    some tens suit the critics."""
