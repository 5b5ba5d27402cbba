"""Pytrees of arrays on disk: written by Orbax, read into NumPy, checked bit by bit.

The checkpoint of a policy and those of a population in training store their states
alike: in a folder `STATE`, which `read_tree` reads, whole or in part.
"""

import importlib
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ramac_jax.compute.flat_params import unpack
from ramac_jax.errors import InputError
from ramac_jax.extras import require

STATE = "state"
OTHER_NUMBERS = "its numbers are not those that were written"


def import_orbax() -> Any:
    """Import Orbax, which takes seconds, when it is first used."""
    require("orbax.checkpoint", "ramac_jax.storage")
    return importlib.import_module("orbax.checkpoint")


def write_tree(folder: Path, tree: Any) -> None:
    """Write a pytree of arrays to a new folder, from this host alone."""
    ocp = import_orbax()
    with local_checkpointer() as checkpointer:
        checkpointer.save(folder, args=ocp.args.PyTreeSave(tree))


def read_tree(folder: Path, like: Any) -> Any:
    """Read a pytree, or the part of it that `like` has, into NumPy.

    Leaves keep the type and shape that they were written with, whichever device they
    were on. Damage raises any error, or none: `check_files` first.
    """
    ocp = import_orbax()
    on_host = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), like)
    arguments = ocp.args.PyTreeRestore(like, restore_args=on_host, partial_restore=True)
    with local_checkpointer() as checkpointer:
        return checkpointer.restore(folder, args=arguments)


def local_checkpointer() -> Any:
    """Return an Orbax checkpointer that does not wait for other hosts."""
    ocp = import_orbax()
    host = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=host,
        active_processes={host},
        barrier_sync_key_prefix=f"host-{host}",
    )
    handler = ocp.PyTreeCheckpointHandler(multiprocessing_options=alone)
    return ocp.Checkpointer(handler, multiprocessing_options=alone)


def file_checksums(folder: Path) -> dict[str, int]:
    """Return a checksum of each file in a folder, by its path inside the folder."""
    files = sorted(x for x in folder.rglob("*") if x.is_file())
    return {x.relative_to(folder).as_posix(): zlib.crc32(x.read_bytes()) for x in files}


def check_files(folder: Path, written: Mapping[str, int]) -> None:
    """Raise `InputError` with the first file that is missing or not as written."""
    found = file_checksums(folder)
    for name, checksum in written.items():
        if found.get(name) != checksum:
            fault = "has changed" if name in found else "is missing"
            raise InputError(f"its file {folder.name}/{name} {fault}")


@jax.jit
def member_checksums(tree: Any) -> jax.Array:
    """Return a checksum [P, leaves] of each member's numbers, on the devices.

    Leaves are [P, ...]; a checksum is the sum of their 32-bit words modulo 2**32, so
    that every flipped bit changes it.
    """

    def of_leaf(leaf: jax.Array) -> jax.Array:
        words = leaf
        if jnp.issubdtype(leaf.dtype, jnp.floating) or leaf.dtype.itemsize > 4:
            bits = min(8 * leaf.dtype.itemsize, 32)
            words = jax.lax.bitcast_convert_type(leaf, jnp.dtype(f"uint{bits}"))
        return jnp.sum(words.reshape(len(leaf), -1).astype(jnp.uint32), axis=1)

    return jnp.stack([of_leaf(leaf) for leaf in jax.tree.leaves(tree)], axis=1)


def layout(tree: Any) -> dict[str, str]:
    """Return type and shape of each leaf by name, such as {"step": "int32[2]"}.

    The layers of a network count one by one, though they are stored as one vector.
    """
    shapes = jax.eval_shape(unpack, tree)
    return {name: kind(leaf) for name, leaf in named_leaves(shapes).items()}


def check_layout(stored: Mapping[str, str], expected: Mapping[str, str]) -> None:
    """Raise `InputError` with the first leaf that two layouts do not share."""
    for name in dict.fromkeys([*expected, *stored]):
        there, here = (x.get(name, "nothing") for x in (stored, expected))
        if there != here:
            advice = precision_advice(there, here)
            raise InputError(f"{name} is {there} where {here} is expected{advice}")


def precision_advice(there: str, here: str) -> str:
    """Return how to have the precision of stored states; "" where it is the same."""
    kinds = [text.partition("[")[0] for text in (there, here)]
    if sorted(kinds) != ["float32", "float64"]:
        return ""
    switch = str(kinds[0] == "float64").lower()
    return f"; set JAX_ENABLE_X64={switch}, as where the states were made"


def named_leaves(tree: Any) -> dict[str, Any]:
    """Return the leaves of a tree by the names on the way to them."""
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in jax.tree.leaves_with_path(tree)
    }


def kind(leaf: Any) -> str:
    """Return type and shape of an array, or of its shape, as text."""
    return f"{leaf.dtype}{list(leaf.shape)}"
