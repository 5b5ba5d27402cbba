"""Trained policies: act, save to a checkpoint and load from it.

A checkpoint is a folder: `state/` holds every array of the agents' states, and
`policy.json` says how to build the actor, in which units it acts, and which numbers
`state/` must hold.
"""

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ramac_jax.errors import InputError, check_names, first_line
from ramac_jax.normalization import normalize_observation, unscale_action
from ramac_jax.policy_record import (
    RECORD,
    PolicySpec,
    Record,
    checkpoint_folder,
    damaged,
    read_record,
    to_json,
)
from ramac_jax.registry import ACTORS
from ramac_jax.storage import (
    STATE,
    check_files,
    check_layout,
    file_checksums,
    layout,
    read_tree,
    write_tree,
)
from ramac_jax.types import Actor, Array, Critic, InitFn, Key, Params, State

__all__ = [
    "Policy",
    "PolicySpec",
    "build_actor",
    "load_critic_params",
    "load_policy",
    "load_states",
    "save_policy",
]

PARAMS = "actor_params"  # the field of `State` that acts
CRITIC_PARAMS = "critic_params"


@dataclasses.dataclass(frozen=True, eq=False)
class Policy:
    """The trained actors of a population, acting in the environment's own units.

    A policy is a pure function: jit it, vmap it over `member`, scan it.
    """

    spec: PolicySpec
    actor: Actor
    params: Params  # every leaf [population, ...]

    @property
    def population(self) -> int:
        """Number of agents."""
        return jax.tree.leaves(self.params)[0].shape[0]

    def __call__(self, observation: Array, key: Key, member: int | Array = 0) -> Array:
        """Draw one action for each observation from the policy of one agent.

        Args:
          observation: [..., O], in the environment's units.
          key: for the noise of all actions.
          member: number of the agent, from 0 on; a traced one is not checked.

        Returns actions [..., A] in the environment's units, within its bounds.

        Raises `InputError` for observations of another width than O, and for a member
        that does not exist.
        """
        if isinstance(member, int | np.integer) and not 0 <= member < self.population:
            raise InputError(
                f"member is {member}: this policy has members 0 to "
                f"{self.population - 1}"
            )
        observation = jnp.asarray(observation, jnp.float32)
        if observation.shape[-1:] != (self.spec.observation_dim,):
            raise InputError(
                f"observation has shape {list(observation.shape)}: this policy reads "
                f"[..., {self.spec.observation_dim}]"
            )
        params = jax.tree.map(lambda x: x[member], self.params)
        observation = normalize_observation(self.spec.scaling, observation)
        action = self.actor.sample(params, observation, key)
        return unscale_action(self.spec.scaling, action)


def build_actor(spec: PolicySpec) -> Actor:
    """Build the registered actor of a spec.

    Raises `InputError` for the user's own actor, and for a name that is not registered.
    """
    if spec.actor is None:
        raise InputError("the policy has an actor of your own: give actor=...")
    check_names("actor", [spec.actor], ACTORS)
    return ACTORS[spec.actor].load()(spec.action_dim, **spec.actor_options)


def save_policy(folder: str | Path, states: State, spec: PolicySpec) -> None:
    """Write the states of one agent or of a population to a checkpoint.

    The checkpoint holds all of the states, so that it acts (`load_policy`) and training
    resumes from it (`load_states`). An earlier checkpoint in the folder is replaced
    once the new one is complete, and kept if writing fails.

    Args:
      folder: made where it does not exist.
      states: of one agent, or of a population, where every leaf is [population, ...].
      spec: how to build the actor. Without a registered name, the actor is the user's
        own, and `load_policy` needs it.

    Raises `InputError` for a folder that holds anything but a checkpoint, a registered
    actor of other shapes than the states', and options that JSON cannot hold.
    """
    folder = Path(folder).absolute()
    if jnp.ndim(states.step) == 0:
        states = jax.tree.map(lambda x: x[None], states)
    occupied = folder.is_file() or (folder.is_dir() and any(folder.iterdir()))
    if occupied and not (folder / RECORD).is_file():
        raise InputError(f"{folder} exists and is no checkpoint: give another folder")
    record = Record(
        spec=spec,
        layout=layout(states),
        population=len(states.step),
        files={},
    )
    if spec.actor is not None:
        actor_shapes(build_actor(spec), record, "the states")
    to_json(record)  # refuses what JSON cannot hold before anything is written
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=folder.parent, prefix=f".{folder.name}-"
    ) as workplace:
        new = Path(workplace, "new")
        write_tree(new / STATE, states)
        record = record._replace(files=file_checksums(new / STATE))
        (new / RECORD).write_text(to_json(record))
        replace_folder(folder, new, Path(workplace, "old"))


def replace_folder(folder: Path, new: Path, old: Path) -> None:
    """Move a new folder into place and an earlier one to `old`; undo on failure."""
    if folder.exists():
        folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise


def load_policy(folder: str | Path, *, actor: Actor | None = None) -> Policy:
    """Read the policies of a checkpoint.

    Args:
      folder: that `save_policy` wrote.
      actor: the user's own actor; None: the registered actor that was saved.

    Raises `InputError` for a folder without a checkpoint, a damaged checkpoint, one of
    the user's own actor where `actor` is None, and an actor of other shapes.
    """
    folder = checkpoint_folder(folder)
    record = read_record(folder)
    if actor is None:
        if record.spec.actor is None:
            raise InputError(
                f"{folder} holds policies of an actor of your own: give "
                "load_policy(folder, actor=...)"
            )
        actor = build_actor(record.spec)
    expected = {PARAMS: actor_shapes(actor, record, f"checkpoint {folder}")}
    params = read_states(folder, record, expected)[PARAMS]
    return Policy(spec=record.spec, actor=actor, params=params)


def load_critic_params(folder: str | Path, critic: Critic) -> Params:
    """Read the critics' parameters [population, E, ...] of a checkpoint.

    Args:
      folder: that `save_policy` wrote.
      critic: of the agents that were saved.

    Raises `InputError` for a folder without a checkpoint, a damaged checkpoint, and a
    critic of other shapes.
    """
    folder = checkpoint_folder(folder)
    record = read_record(folder)
    like = stored_shapes(CRITIC_PARAMS, critic.init, record, f"checkpoint {folder}")
    return read_states(folder, record, {CRITIC_PARAMS: like})[CRITIC_PARAMS]


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


def actor_shapes(actor: Actor, record: Record, states: str) -> Params:
    """Return the shapes of a population's parameters for an actor.

    Raises `InputError` where the states, named in words, have other ones.
    """
    return stored_shapes(PARAMS, actor.init, record, states)


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
