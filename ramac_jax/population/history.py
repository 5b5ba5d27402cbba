"""What a population has told so far: rows of metrics and of whatever watches it."""

import zlib
from collections.abc import Mapping
from typing import NamedTuple

import jax
import numpy as np

Rows = dict[str, np.ndarray]  # each [rows, P, ...], beside "step" [rows]


class History(NamedTuple):
    """The history of P members, every array as long as there are rows."""

    metrics: Rows  # means since the row before; NaN for a member that made no update
    watched: Rows  # what a watcher told

    def add_metrics(self, step: int, values: Mapping[str, np.ndarray]) -> "History":
        """With one more row of metrics [P]."""
        return self._replace(metrics=append(self.metrics, step, values))

    def add_watched(self, step: int, values: Mapping[str, np.ndarray]) -> "History":
        """With one more row of a watcher's figures [P, ...]."""
        return self._replace(watched=append(self.watched, step, values))

    def until(self, step: int) -> "History":
        """As it was after so many updates."""
        return History(rows_until(self.metrics, step), rows_until(self.watched, step))

    def frozen(self) -> dict[int, int]:
        """The step at which each diverged member stopped, as far as the rows tell."""
        if not self.metrics:
            return {}
        made, tried = self.metrics["member_step"][-1], self.metrics["step"][-1]
        return {int(i): int(made[i]) for i in np.flatnonzero(made < tried)}


EMPTY = History({}, {})


def append(rows: Rows, step: int, values: Mapping[str, np.ndarray]) -> Rows:
    """Rows with one more at their end."""
    new = {"step": np.asarray(step), **values}
    if not rows:
        return {name: np.asarray(x)[None] for name, x in new.items()}
    return {name: np.concatenate([rows[name], new[name][None]]) for name in rows}


def rows_until(rows: Rows, step: int) -> Rows:
    """The rows up to a step; as without any where there is none."""
    count = int(np.sum(rows["step"] <= step)) if rows else 0
    return {name: x[:count] for name, x in rows.items()} if count else {}


def join(histories: list[History]) -> History:
    """The histories of chunks of one population as one, its members side by side.

    Where all members of a chunk froze, it has fewer rows than the others: its members
    stay at their step, and are NaN in what else is told.
    """
    sizes = [x.metrics["member_step"].shape[1] for x in histories if x.metrics]
    return History(
        beside([x.metrics for x in histories], sizes),
        beside([x.watched for x in histories], sizes),
    )


def beside(chunks: list[Rows], sizes: list[int]) -> Rows:
    """The rows of chunks of these sizes side by side, as many as the longest has."""
    longest = max(chunks, key=lambda rows: len(rows.get("step", ())))

    def column(name: str, rows: Rows, size: int) -> np.ndarray:
        known = rows.get(name, longest[name][:0, :1].repeat(size, axis=1))
        told = np.full(
            (size, *known.shape[2:]), np.nan, np.result_type(known, np.float16)
        )
        last = known[-1] if name == "member_step" else told
        missing = len(longest[name]) - len(known)
        return np.concatenate([known, *[last[None]] * missing])

    joined = {"step": longest["step"]} if longest else {}
    for name in [x for x in longest if x != "step"]:
        columns = [column(name, *of) for of in zip(chunks, sizes, strict=True)]
        joined[name] = np.concatenate(columns, axis=1)
    return joined


def take(history: History, size: int) -> History:
    """The history of the first `size` members."""
    return jax.tree.map(lambda x: x if x.ndim == 1 else x[:, :size], history)


def fingerprint(tree) -> int:
    """A checksum of NumPy arrays, their order, types and shapes."""
    total = 0
    for path, leaf in jax.tree.leaves_with_path(tree):
        head = f"{jax.tree_util.keystr(path)} {leaf.dtype} {leaf.shape}"
        total = zlib.crc32(leaf.tobytes(), zlib.crc32(head.encode(), total))
    return total
