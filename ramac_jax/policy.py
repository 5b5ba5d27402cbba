"""Checkpoints: a trained population on disk, with all it takes to act again.

A checkpoint is a folder: `state/`, every array of the states, written by Orbax, and
`policy.json`, which says how to rebuild the actor and the units it works in.
"""

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from ramac_jax.actors import BUILDERS
from ramac_jax.normalization import Scaling, normalize_observation, unscale_action
from ramac_jax.types import Actor, Array, Key, Params, State
from ramac_jax.validation import InputError, check_names, first_line

STATE, SPEC = "state", "policy.json"


class PolicySpec(NamedTuple):
    """How to build the actor of a checkpoint, and the units it works in."""

    actor: str  # a name in ramac_jax.actors.BUILDERS
    actor_options: dict[str, Any]  # what its builder takes after action_dim
    scaling: Scaling

    @property
    def observation_dim(self) -> int:
        """O."""
        return len(self.scaling.observation_mean)

    @property
    def action_dim(self) -> int:
        """A."""
        return len(self.scaling.action_low)


@dataclasses.dataclass(frozen=True, eq=False)
class Policy:
    """The trained actors of a population, acting in the environment's own units.

    Pure: jit it, vmap it over `member`, scan it.
    """

    spec: PolicySpec
    actor: Actor
    params: Params  # every leaf [population, ...]

    @property
    def population(self) -> int:
        """How many agents there are."""
        return jax.tree.leaves(self.params)[0].shape[0]

    def __call__(self, observation: Array, key: Key, member: int | Array = 0) -> Array:
        """Draw actions [..., A] for observations [..., O] from one agent's policy.

        Raises `InputError` for a width other than O, or a member that is not there
        (a traced member is not checked).
        """
        if isinstance(member, int) and not 0 <= member < self.population:
            raise InputError(
                f"member is {member}: this checkpoint has 0 to {self.population - 1}"
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
    """Build the actor that a spec names; `InputError` if there is no such kind."""
    check_names("actor", [spec.actor], BUILDERS)
    return BUILDERS[spec.actor](spec.action_dim, **spec.actor_options)


def save(directory: str | Path, states: State, spec: PolicySpec) -> None:
    """Write the states of a population, every leaf [population, ...], as a checkpoint.

    An earlier checkpoint there is replaced once the new one is complete, and kept if
    writing fails. Raises `InputError` for a folder that holds anything else, states
    without the axis of the population, or options that JSON cannot hold.
    """
    directory = Path(directory).absolute()
    if jnp.ndim(states.step) != 1:
        raise InputError(
            f"the state's step has shape {list(jnp.shape(states.step))}: save takes a "
            "population, every leaf with one more axis in front"
        )
    occupied = directory.is_file() or (directory.is_dir() and any(directory.iterdir()))
    if occupied and not (directory / SPEC).is_file():
        raise InputError(f"{directory} is there and no checkpoint: give another folder")
    text = spec_to_json(spec)
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=directory.parent, prefix=f".{directory.name}-"
    ) as workplace:
        new, old = Path(workplace, "new"), Path(workplace, "old")
        with local_checkpointer() as checkpointer:
            checkpointer.save(new / STATE, args=ocp.args.PyTreeSave(states))
        (new / SPEC).write_text(text)
        if directory.exists():
            directory.rename(old)
        try:
            new.rename(directory)
        except OSError:
            if old.exists():
                old.rename(directory)
            raise


def load_policy(directory: str | Path) -> Policy:
    """Read the policies of a checkpoint; `InputError` if it is none, or damaged."""
    directory = checkpoint_folder(directory)
    try:
        spec = spec_from_json((directory / SPEC).read_text())
        actor = build_actor(spec)
        one_each = [
            jax.ShapeDtypeStruct((1, size), jnp.float32)
            for size in (spec.observation_dim, spec.action_dim)
        ]
        expected = jax.eval_shape(actor.init, jax.random.key(0), *one_each)
        read = read_arrays(directory, {"actor_params": expected})["actor_params"]
        check_shapes(jax.tree.map(lambda x: x[0], read), expected)
    except Exception as error:  # damage shows itself in as many ways as there are bytes
        raise damaged(directory, error) from error
    return Policy(spec, actor, jax.tree.map(jnp.asarray, read))


def restore(directory: str | Path, like: State) -> State:
    """Read the full states of a checkpoint, to train on or to take apart.

    Args:
      directory: what `save` wrote.
      like: states of the same population, or their shapes (`jax.eval_shape`).

    Raises `InputError` if it is no checkpoint, damaged, or of other shapes.
    """
    directory = checkpoint_folder(directory)
    try:
        states = read_arrays(directory, like)
        check_shapes(states, like)
    except Exception as error:
        raise damaged(directory, error) from error
    return jax.tree.map(jnp.asarray, states)


def checkpoint_folder(directory: str | Path) -> Path:
    """The absolute path of a checkpoint; `InputError` if there is none."""
    directory = Path(directory).absolute()
    if not directory.is_dir():
        raise InputError(f"there is no folder {directory}: give that of a checkpoint")
    if not (directory / SPEC).is_file() or not (directory / STATE).is_dir():
        raise InputError(f"{directory} is no checkpoint: it lacks {SPEC} or {STATE}/")
    return directory


def damaged(directory: Path, error: Exception) -> InputError:
    """Say that a checkpoint is there and cannot be read."""
    return InputError(
        f"checkpoint {directory} is damaged, of another shape or "
        f"written by another version: {first_line(error)}"
    )


def read_arrays(directory: Path, like: Any) -> Any:
    """Read the leaves that `like` has into NumPy, whichever device saved them."""
    on_host = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), like)
    arguments = ocp.args.PyTreeRestore(like, restore_args=on_host, partial_restore=True)
    with local_checkpointer() as checkpointer:
        return checkpointer.restore(directory / STATE, args=arguments)


def local_checkpointer() -> ocp.Checkpointer:
    """Orbax's checkpointer, of this host alone where there are several."""
    host = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=host,
        active_processes={host},
        barrier_sync_key_prefix=f"host-{host}",
    )
    handler = ocp.PyTreeCheckpointHandler(multiprocessing_options=alone)
    return ocp.Checkpointer(handler, multiprocessing_options=alone)


def check_shapes(read: Any, expected: Any) -> None:
    """Raise `InputError` at the first leaf whose shape is not the expected one."""
    pairs = zip(jax.tree.leaves_with_path(read), jax.tree.leaves(expected), strict=True)
    for (path, leaf), like in pairs:
        if leaf.shape != like.shape:
            raise InputError(
                f"{jax.tree_util.keystr(path)} has shape {list(leaf.shape)} there and "
                f"{list(like.shape)} here"
            )


def spec_to_json(spec: PolicySpec) -> str:
    """Write a spec as strict JSON; floats keep every bit."""
    scaling = {k: np.asarray(v).tolist() for k, v in spec.scaling._asdict().items()}
    try:
        return json.dumps(
            spec._asdict() | {"scaling": scaling}, indent=2, allow_nan=False
        )
    except (TypeError, ValueError) as error:
        raise InputError(f"the policy cannot be written as JSON: {error}") from error


def spec_from_json(text: str) -> PolicySpec:
    """Read what `spec_to_json` wrote."""
    fields = json.loads(text)
    scaling = {k: jnp.asarray(v, jnp.float32) for k, v in fields["scaling"].items()}
    return PolicySpec(**fields | {"scaling": Scaling(**scaling)})
