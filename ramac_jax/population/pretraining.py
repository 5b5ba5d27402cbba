"""Pretraining of a chunk: behaviour cloning, shared by members that clone alike."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ramac_jax.devices.mesh import AXIS
from ramac_jax.devices.placement import gather, pick, spread
from ramac_jax.population.checkpoints import Carry
from ramac_jax.population.members import Members
from ramac_jax.population.phase_run import run_phase
from ramac_jax.population.phases import (
    PRETRAINING,
    Chunk,
    fresh,
    open_phase,
    restore_phase,
)
from ramac_jax.population.programs import Programs
from ramac_jax.population.schedule import Pretraining

TAKEN = ("actor_params", "target_actor_params", "actor_opt_state")


class Pretrainer(NamedTuple):
    """A pretraining and its programs."""

    pretraining: Pretraining
    programs_for: Callable[[int], Programs]
    """Number of members -> their programs."""


def pretrain(
    chunk: Chunk, pretrainer: Pretrainer, carry: Carry, folder: Path | None
) -> Carry:
    """Give the members pretrained actors; their step stays 0.

    Args:
      chunk: the members.
      pretrainer: the pretraining.
      carry: fresh members.
      folder: for checkpoints; None: nothing is saved.

    Members whose pretraining diverged are inactive afterwards.
    """
    pretraining = pretrainer.pretraining
    rows, places = distinct_members(chunk.members, pretraining.hyperparams_read)
    num_rows = chunk.mesh.shape[AXIS]
    size = num_rows * math.ceil(len(rows) / num_rows)
    members = pick(chunk.members, np.resize(rows, size))
    no_decay: Any = np.full(size, np.inf, np.float32)
    hyperparams = members.hyperparams._replace(decay_steps=no_decay)
    members = members._replace(hyperparams=hyperparams)
    distinct = dataclasses.replace(chunk, members=members, num_real=len(rows))
    programs = pretrainer.programs_for(size)
    with open_phase(PRETRAINING, pretraining.num_steps, programs, folder) as phase:
        saved = restore_phase(distinct, phase) or fresh(distinct, programs)
        pretrained = run_phase(distinct, phase, saved)
    taken = {name: getattr(pretrained.carry.states, name) for name in TAKEN}
    everyone = spread(pick(gather(taken), places), chunk.mesh)
    diverged = np.isin(places, list(pretrained.history.frozen()))
    return carry._replace(
        states=carry.states._replace(**everyone),
        active=spread(~diverged, chunk.mesh),
    )


def distinct_members(
    members: Members, hyperparams_read: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Find the members whose pretraining differs.

    Args:
      members: P members.
      hyperparams_read: the hyperparameters that pretraining depends on.

    Returns the rows [K] of K distinct members, and for each member [P] the place among
    them of the one that is pretrained alike.
    """
    values = [getattr(members.hyperparams, name) for name in hyperparams_read]
    decisive = np.stack([members.seed, *values], axis=1)
    found = np.unique(decisive, axis=0, return_index=True, return_inverse=True)
    return found[1], found[2].ravel()
