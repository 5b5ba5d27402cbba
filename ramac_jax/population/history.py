"""The history of a population: rows of metrics and of evaluations."""

import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

Rows = dict[str, np.ndarray]  # each [rows, P, ...], and "step" [rows]


class History(NamedTuple):
    """The history of P members; all arrays of a table have the same number of rows."""

    metrics: Rows
    """Means over the updates since the row before, NaN for a member without any, and
    "member_step" [rows, P], the updates that each member has made."""
    evaluations: Rows
    """Results of the eval callback."""

    def add_metrics(self, step: int, values: Mapping[str, np.ndarray]) -> "History":
        """Append a row of metrics [P]."""
        return self._replace(metrics=append(self.metrics, step, values))

    def add_evaluation(self, step: int, values: Mapping[str, np.ndarray]) -> "History":
        """Append a row of results [P, ...] of the eval callback."""
        return self._replace(evaluations=append(self.evaluations, step, values))

    def until(self, step: int) -> "History":
        """The rows up to a number of updates, that number included."""
        return History(
            metrics=rows_until(self.metrics, step),
            evaluations=rows_until(self.evaluations, step),
        )

    def frozen(self) -> dict[int, int]:
        """Members that diverged by the last row -> the step of their last update."""
        if not self.metrics:
            return {}
        made, tried = self.metrics["member_step"][-1], self.metrics["step"][-1]
        return {int(i): int(made[i]) for i in np.flatnonzero(made < tried)}


EMPTY = History(metrics={}, evaluations={})


def append(rows: Rows, step: int, values: Mapping[str, np.ndarray]) -> Rows:
    """The rows and one more."""
    new = {"step": np.asarray(step), **values}
    if not rows:
        return {name: np.asarray(x)[None] for name, x in new.items()}
    return {name: np.concatenate([rows[name], new[name][None]]) for name in rows}


def rows_until(rows: Rows, step: int) -> Rows:
    """The rows up to a step; {} where there is none."""
    count = int(np.sum(rows["step"] <= step)) if rows else 0
    return {name: x[:count] for name, x in rows.items()} if count else {}


def join(histories: list[History]) -> History:
    """The histories of all chunks of a population as one.

    A chunk whose members all diverged has fewer rows than the others: in the missing
    rows its "member_step" repeats and its other columns are NaN.
    """
    sizes = [x.metrics["member_step"].shape[1] for x in histories if x.metrics]
    return History(
        metrics=join_rows([x.metrics for x in histories], sizes),
        evaluations=join_rows([x.evaluations for x in histories], sizes),
    )


def join_rows(chunks: list[Rows], sizes: list[int]) -> Rows:
    """Concatenate the members of chunks of these sizes, each with all rows."""
    longest = max(chunks, key=lambda rows: len(rows.get("step", ())))

    def column(name: str, rows: Rows, size: int) -> np.ndarray:
        known = rows.get(name, longest[name][:0, :1].repeat(size, axis=1))
        unknown = np.full(
            (size, *known.shape[2:]), np.nan, np.result_type(known, np.float16)
        )
        last = known[-1] if name == "member_step" else unknown
        missing = len(longest[name]) - len(known)
        return np.concatenate([known, *[last[None]] * missing])

    joined = {"step": longest["step"]} if longest else {}
    for name in [x for x in longest if x != "step"]:
        columns = [column(name, *pair) for pair in zip(chunks, sizes, strict=True)]
        joined[name] = np.concatenate(columns, axis=1)
    return joined


def take(history: History, size: int) -> History:
    """The history of the first `size` members."""
    taken: History = jax.tree.map(lambda x: x if x.ndim == 1 else x[:, :size], history)
    return taken


def fingerprint(tree: Any) -> int:
    """A checksum of NumPy arrays: their order, names, types, shapes and values."""
    total = 0
    for path, leaf in jax.tree.leaves_with_path(tree):
        head = f"{jax.tree_util.keystr(path)} {leaf.dtype} {leaf.shape}"
        total = zlib.crc32(leaf.tobytes(), zlib.crc32(head.encode(), total))
    return total
