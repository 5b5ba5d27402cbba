"""Checkpoints: what `save_policy` writes, `load_policy` and `load_states` read."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from ramac_jax.errors import InputError, first_line
from ramac_jax.files import replaced_folder
from ramac_jax.policy.builders import build_actor, build_critic, find_risk_measure
from ramac_jax.policy.hub import local_folder
from ramac_jax.policy.policy import Policy
from ramac_jax.policy_record import (
    RECORD,
    PolicySpec,
    Record,
    checkpoint_folder,
    damaged,
    read_record,
    to_json,
)
from ramac_jax.storage import (
    STATE,
    check_files,
    check_layout,
    file_checksums,
    layout,
    read_tree,
    write_tree,
)
from ramac_jax.types import Actor, Critic, InitFn, Params, State

PARAMS = "actor_params"  # the field of `State` that acts
CRITIC_PARAMS = "critic_params"
CHECKPOINT = "checkpoint"  # the folder of a checkpoint in that of a run or an export


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


def stored_shapes(field: str, init: InitFn, record: Record, states: str) -> Params:
    """Return the shapes of a population's parameters in a field of `State`.

    Raises `InputError` where the states, named in words, have other ones.
    """
    example = [
        jax.ShapeDtypeStruct((1, size), jnp.float32)
        for size in (record.spec.observation_dim, record.spec.action_dim)
    ]
    stored = {k: v for k, v in record.layout.items() if k.split("/")[0] == field}
    try:
        one = jax.eval_shape(init, jax.random.key(0), *example)
        everyone = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct((record.population, *x.shape), x.dtype), one
        )
        check_layout(stored, layout({field: everyone}))
    except Exception as error:  # a user's own actor may raise anything
        part = field.partition("_")[0]
        raise InputError(
            f"{states} and the {part} do not fit: {first_line(error)}"
        ) from error
    return everyone


def read_states(folder: Path, record: Record, like: Any) -> Any:
    """Read states, or a part of them, and check that no bit has changed."""
    try:
        check_files(folder / STATE, record.files)
        read = read_tree(folder / STATE, like)
    except Exception as error:  # damage takes as many forms as there are bytes
        raise damaged(folder, error) from error
    return jax.tree.map(jnp.asarray, read)
