"""CSV files of metrics and evaluations, a line for each row and member."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ramac_jax.cli.runs.evaluator import FIGURES

METRICS, EVALUATIONS = "metrics.csv", "evaluations.csv"
Columns = Mapping[str, np.ndarray]
"""Name -> [P]: the numbers by which members differ, such as seed and setting."""
Stage = tuple[str, int]
"""A stage of training: its name, and the chunk of members."""


class CsvTable:
    """A CSV file with a line for each row of a history and each member.

    Each process writes the file again from the first row, which the checkpoints hold. A
    resumed run so ends with the same lines as an undisturbed one.
    """

    def __init__(self, path: Path):
        self._path = path
        self._written: dict[Stage, int] = {}  # rows of each stage

    def update(self, stage: Stage, columns: Columns, rows: Mapping[str, Any]) -> None:
        """Write the rows of a stage that are new.

        Args:
          stage: the stage.
          columns: by which members differ.
          rows: name -> [rows, P], and "step" -> [rows].
        """
        if not self._written:
            self._path.unlink(missing_ok=True)
        written, length = self._written.get(stage, 0), len(rows.get("step", ()))
        self._written[stage] = length
        if written == length:
            return
        names = sorted(
            rows, key=lambda name: FIGURES.index(name) if name in FIGURES else 0
        )
        names = [name for name in names if name not in ("step", "member_step")]
        with open(self._path, "a", newline="") as file:
            writer = csv.writer(file)
            if not file.tell():
                writer.writerow(["step", *columns, *names])
            for row in range(written, length):
                lines = zip(
                    *columns.values(), *(rows[x][row] for x in names), strict=True
                )
                writer.writerows([rows["step"][row], *line] for line in lines)
