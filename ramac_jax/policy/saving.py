"""Checkpoints are written: of a whole state, or of the part of one agent that acts."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from ramac_jax.errors import InputError
from ramac_jax.files import replaced_folder
from ramac_jax.policy.builders import (
    CRITIC_PARAMS,
    PARAMS,
    build_actor,
    build_critic,
    find_risk_measure,
    stored_shapes,
)
from ramac_jax.policy.policy import Policy
from ramac_jax.policy_record import RECORD, PolicySpec, Record, to_json
from ramac_jax.storage import STATE, file_checksums, layout, write_tree
from ramac_jax.types import State


def save_policy(folder: str | Path, states: State, spec: PolicySpec) -> None:
    """Write the states of one agent or of a population to a checkpoint.

    The checkpoint holds all of the states, so that it acts (`load_policy`) and training
    resumes from it (`load_states`). An earlier checkpoint in the folder is replaced
    once the new one is complete, and kept if writing fails.

    Args:
      folder: made where it does not exist.
      states: of one agent, or of a population, where every leaf is [population, ...].
      spec: how to build actor and critics. Without a registered name, they are the
        user's own, and `load_policy` needs them.

    Raises `InputError` for a folder that holds anything but a checkpoint, a registered
    actor or critic of other shapes than the states', and options that JSON cannot hold.
    """
    folder = Path(folder).absolute()
    if jnp.ndim(states.step) == 0:
        states = jax.tree.map(lambda x: x[None], states)
    write_checkpoint(folder, states, spec, len(states.step))


def save_acting(folder: str | Path, policy: Policy, member: int = 0) -> None:
    """Write the part of one agent that acts to a checkpoint, which cannot be resumed.

    Args:
      folder: as in `save_policy`.
      policy: of a population, with critics or without.
      member: number of the agent.

    Raises `InputError` for a member that does not exist, and as `save_policy`.
    """
    policy = policy.pick(member)
    parts = {PARAMS: policy.params}
    spec = policy.spec
    if policy.critic is None:
        spec = spec._replace(critic=None)
    else:
        parts[CRITIC_PARAMS] = policy.critic_params
    write_checkpoint(Path(folder).absolute(), parts, spec, 1)


def write_checkpoint(
    folder: Path, states: Any, spec: PolicySpec, population: int
) -> None:
    """Write states, or parts of them by their field, every leaf [population, ...]."""
    occupied = folder.is_file() or (folder.is_dir() and any(folder.iterdir()))
    if occupied and not (folder / RECORD).is_file():
        raise InputError(f"{folder} exists and is no checkpoint: give another folder")
    record = Record(spec=spec, layout=layout(states), population=population, files={})
    if spec.actor is not None:
        stored_shapes(PARAMS, build_actor(spec).init, record, "the states")
    if spec.critic is not None:
        find_risk_measure(spec.critic)
        if spec.critic.name is not None:
            init = build_critic(spec.critic).init
            stored_shapes(CRITIC_PARAMS, init, record, "the states")
    to_json(record)  # refuses what JSON cannot hold before anything is written
    with replaced_folder(folder) as new:
        write_tree(new / STATE, states)
        record = record._replace(files=file_checksums(new / STATE))
        (new / RECORD).write_text(to_json(record))
