"""Observation spaces: flat boxes, and dictionaries and tuples that become one."""

from collections.abc import Iterator

import gymnasium
from gymnasium import spaces

from ramac_jax.errors import InputError
from ramac_jax.observations import Layout, Part


def is_flat(space: gymnasium.Space) -> bool:
    """Return whether a space is a box of vectors."""
    return isinstance(space, spaces.Box) and len(space.shape) == 1


def find_layout(space: gymnasium.Space) -> Layout | None:
    """Return how observations become vectors; None where they are vectors already.

    Raises `InputError` for a space that is neither a box of vectors nor a dictionary or
    tuple of boxes and numbers of categories.
    """
    if is_flat(space):
        return None
    if not isinstance(space, spaces.Dict | spaces.Tuple):
        raise InputError(
            f"{space}: an agent needs a flat, continuous Box, or a Dict or Tuple of "
            "spaces that become one"
        )
    return tuple(find_parts(space, ()))


def find_parts(space: gymnasium.Space, path: tuple[str | int, ...]) -> Iterator[Part]:
    """Yield the parts of a space in the order of `gymnasium.spaces.flatten`."""
    match space:
        case spaces.Dict():
            for key, inner in space.spaces.items():
                yield from find_parts(inner, (*path, key))
        case spaces.Tuple():
            for index, inner in enumerate(space.spaces):
                yield from find_parts(inner, (*path, index))
        case spaces.Box() | spaces.MultiBinary():
            yield Part(path, space.shape)
        case spaces.Discrete():
            yield Part(path, (), (int(space.n),), (int(space.start),))
        case spaces.MultiDiscrete():
            count = tuple(space.nvec.ravel().tolist())
            yield Part(path, space.shape, count, tuple(space.start.ravel().tolist()))
        case _:
            name = "/".join(map(str, path))
            raise InputError(f"{space} at {name}: it does not become a vector")


def flat_environment(env: gymnasium.Env) -> gymnasium.Env:
    """Return an environment whose observations are vectors, wrapped if need be.

    Raises `InputError` as `find_layout` does.
    """
    if find_layout(env.observation_space) is None:
        return env
    return gymnasium.wrappers.FlattenObservation(env)


def layout_before(env: gymnasium.Env) -> Layout | None:
    """Return the layout that `flat_environment` flattened; None where it did not."""
    if not isinstance(env, gymnasium.wrappers.FlattenObservation):
        return None
    return find_layout(env.env.observation_space)
