"""The tables of the rounds of a sweep: one of each stage, then joined."""

from pathlib import Path

from ramac_jax.cli.runs.csv_tables import EVALUATIONS, METRICS
from ramac_jax.cli.runs.folder import POPULATION

TABLES = "tables"
"""Folder of the tables of each stage, in that of the checkpoints."""


def tables_of(out: Path, name: str) -> Path:
    """Return the folder of the tables of a stage."""
    return out / POPULATION / TABLES / name


def join_tables(out: Path) -> None:
    """Write the tables of all stages as one of each kind."""
    for name in (METRICS, EVALUATIONS):
        paths = sorted((out / POPULATION / TABLES).glob(f"*/{name}"))
        lines = [path.read_text().splitlines(keepends=True) for path in paths]
        if lines:
            rows = lines[0][:1] + [row for table in lines for row in table[1:]]
            (out / name).write_text("".join(rows))
