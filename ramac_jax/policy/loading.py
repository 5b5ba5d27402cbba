"""Checkpoints are read: policies to act, states to resume."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from ramac_jax.errors import InputError
from ramac_jax.policy.builders import (
    CRITIC_PARAMS,
    PARAMS,
    build_actor,
    build_critic,
    stored_shapes,
)
from ramac_jax.policy.hub import local_folder
from ramac_jax.policy.policy import Policy
from ramac_jax.policy_record import Record, checkpoint_folder, damaged, read_record
from ramac_jax.storage import STATE, check_files, check_layout, layout, read_tree
from ramac_jax.types import Actor, Critic, State

CHECKPOINT = "checkpoint"
"""Folder of a checkpoint in that of a run or an export."""


def load_policy(
    folder: str | Path, *, actor: Actor | None = None, critic: Critic | None = None
) -> Policy:
    """Read the policies of a checkpoint.

    Args:
      folder: that `save_policy` wrote, one that holds it as `checkpoint/`, such as an
        exported folder with a card, or hf://OWNER/NAME: such a folder on the Hugging
        Face hub.
      actor: the user's own actor; None: the registered actor that was saved.
      critic: the user's own critic; None: the registered critic that was saved. Without
        either, the policy acts and ranks no candidates.

    Raises `InputError` for a folder without a checkpoint, a damaged checkpoint, one of
    the user's own actor where `actor` is None, and parts of other shapes; for a name on
    the hub also where it cannot be fetched.
    """
    folder = checkpoint_folder(find_checkpoint(local_folder(folder)))
    record = read_record(folder)
    spec, source = record.spec, f"checkpoint {folder}"
    if actor is None:
        if spec.actor is None:
            raise InputError(
                f"{folder} holds policies of an actor of your own: give "
                "load_policy(folder, actor=...)"
            )
        actor = build_actor(spec)
    expected = {PARAMS: stored_shapes(PARAMS, actor.init, record, source)}
    if critic is None and spec.critic is not None and spec.critic.name is not None:
        critic = build_critic(spec.critic)
    if critic is not None:
        shapes = stored_shapes(CRITIC_PARAMS, critic.init, record, source)
        expected[CRITIC_PARAMS] = shapes
    params = read_states(folder, record, expected)
    return Policy(
        spec=spec,
        actor=actor,
        params=params[PARAMS],
        critic=critic,
        critic_params=params.get(CRITIC_PARAMS),
    )


def find_checkpoint(folder: Path) -> Path:
    """Return the folder of a checkpoint: this one, or `checkpoint/` in it."""
    inside = folder / CHECKPOINT
    return inside if inside.is_dir() and not (folder / STATE).is_dir() else folder


def load_states(folder: str | Path, like: State) -> State:
    """Read the states of a checkpoint, to resume training or to inspect.

    Args:
      folder: that `save_policy` wrote.
      like: states of the same population, or their shapes (`jax.eval_shape`).

    Raises `InputError` for a folder without a checkpoint, a damaged checkpoint, and
    states of other shapes.
    """
    folder = checkpoint_folder(folder)
    record = read_record(folder)
    try:
        check_layout(record.layout, layout(like))
    except InputError as error:
        raise InputError(f"{folder} holds other states: {error}") from None
    return read_states(folder, record, like)


def read_states(folder: Path, record: Record, like: Any) -> Any:
    """Read states, or a part of them, and check that no bit has changed."""
    try:
        check_files(folder / STATE, record.files)
        read = read_tree(folder / STATE, like)
    except Exception as error:  # damage takes as many forms as there are bytes
        raise damaged(folder, error) from error
    return jax.tree.map(jnp.asarray, read)
