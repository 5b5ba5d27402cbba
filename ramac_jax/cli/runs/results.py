"""The results of an evaluation: files that are written once all of them are made."""

import csv
import io
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ramac_jax.cli import folders
from ramac_jax.cli.provenance import provenance
from ramac_jax.cli.reporting.figures.risk_return import draw_risk_return
from ramac_jax.cli.reporting.figures.runs import draw_calibration, draw_returns
from ramac_jax.cli.reporting.figures.style import DPI
from ramac_jax.cli.runs.calibration import Calibrated
from ramac_jax.cli.runs.frontier import Frontier
from ramac_jax.cli.runs.protocol import EvaluationProtocol
from ramac_jax.cli.runs.records import score_episodes
from ramac_jax.cli.runs.stored import check_record
from ramac_jax.errors import InputError, first_line
from ramac_jax.evaluation import Episodes
from ramac_jax.evaluation.calibration import quantiles_of
from ramac_jax.evaluation.statistics import normalized_score
from ramac_jax.files import write_json, write_text

EPISODES, MONITORED, RETURNS = "episodes.csv", "monitored.npz", "returns.png"
EVALUATION, CALIBRATION = "evaluation.json", "calibration.png"
FRONTIER = ("frontier.csv", "frontier.png")
ARRAYS = ("monitored", "rewards", "start")
"""Fields of `Episodes` that `MONITORED` holds."""
FILES = (EPISODES, MONITORED, RETURNS, EVALUATION)
"""What every evaluation writes; one of agents with critics also `CALIBRATION`."""


def write_evaluation(
    folder: Path,
    episodes: Episodes,
    seeds: Sequence[int],
    protocol: EvaluationProtocol,
    *,
    command: str,
    run: Mapping[str, Any],
    calibrated: Calibrated | None = None,
    frontier: Frontier | None = None,
) -> Mapping[str, Any]:
    """Write `FILES`, each whole or not at all, evaluation.json last.

    Args:
      folder: made where it does not exist.
      episodes: of the agents.
      seeds: names of the agents.
      protocol: how they were evaluated.
      command: repeats the evaluation.
      run: record of the run that trained the agents, {} if unknown.
      calibrated: what their critics predict; None: they have none that is known.
      frontier: every setting of the acting options, if there are several; the other
        arguments are of the selected one.

    Returns the summary of the episodes.
    """
    scored = score_episodes(
        str(run.get("preset") or protocol.env.id),
        episodes,
        seeds,
        protocol.level,
        protocol.reference,
        protocol.reference_horizon,
    )
    folders.writable_folder(folder)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as drafts:
        write_rows(Path(drafts, EPISODES), episode_rows(episodes, seeds, protocol))
        arrays = {name: getattr(episodes, name) for name in ARRAYS}
        np.savez_compressed(
            Path(drafts, MONITORED),
            **{name: x for name, x in arrays.items() if x is not None},
        )
        figure = draw_returns([scored], protocol.level)
        figure.savefig(Path(drafts, RETURNS), dpi=DPI)
        names = [EPISODES, MONITORED, RETURNS]
        for name in (CALIBRATION, *FRONTIER):  # of an earlier evaluation
            (folder / name).unlink(missing_ok=True)
        if calibrated is not None:
            figure = draw_calibration(*quantiles_of(calibrated.found))
            figure.savefig(Path(drafts, CALIBRATION), dpi=DPI)
            names.append(CALIBRATION)
        if frontier is not None:
            write_frontier(Path(drafts), frontier, protocol.level)
            names += FRONTIER
        for name in names:
            Path(drafts, name).replace(folder / name)
    record = {
        "command": command,
        "settings": protocol.record(),
        "seeds": list(seeds),
        "summary": scored.summary,
        "calibration": None if calibrated is None else calibrated.summary,
        "run": run,
        **provenance(),
    }
    if frontier is not None:
        record["frontier"] = [setting.to_json() for setting in frontier.settings]
        record["selection"] = frontier.to_json()
    write_json(folder / EVALUATION, record)
    return scored.summary


def write_frontier(folder: Path, frontier: Frontier, level: float) -> None:
    """Write `FRONTIER`: the rows of each setting and seed, and the figure."""
    table, figure = (folder / name for name in FRONTIER)
    settings = frontier.settings
    write_rows(table, [row for setting in settings for row in setting.rows])
    named = zip(frontier.names(), (x.figures for x in settings), strict=True)
    drawn = draw_risk_return([*named], level, "episodes that select a setting")
    drawn.savefig(figure, dpi=DPI)


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Replace a CSV file in one move; the first row names the columns."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read the rows of a CSV file; none where there is no file."""
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def episode_rows(
    episodes: Episodes, seeds: Sequence[int], protocol: EvaluationProtocol
) -> list[dict[str, Any]]:
    """Return the rows of episodes.csv; a score is empty without a reference."""
    names = ("episode_seed", "length", "risky_steps", "penalties", "base_return")
    scores: Any = np.full(episodes.returns.shape, "")
    if protocol.reference is not None:
        scores = normalized_score(episodes.returns, *protocol.reference)
    return [
        {
            "seed": seed,
            "return": episodes.returns[agent, row],
            **{name: getattr(episodes, name)[agent, row] for name in names},
            "normalized_score": scores[agent, row],
            "failed": int(episodes.failed[agent, row]),
        }
        for agent, seed in enumerate(seeds)
        for row in range(episodes.returns.shape[1])
    ]


def read_evaluation(folder: Path) -> tuple[dict[str, Any], Episodes]:
    """Read what `write_evaluation` wrote: the record, and the episodes.

    Raises `InputError` where a file is missing, damaged, not of the others' shape, or
    not for this user to read.
    """
    try:
        record = json.loads((folder / EVALUATION).read_text())
        check_record(record["run"], folder / EVALUATION)
        rows = read_rows(folder / EPISODES)
        with np.load(folder / MONITORED) as archive:
            arrays = dict(archive)
        shape = (len(record["seeds"]), record["settings"]["episodes"])
        columns = {
            name: np.array([float(row[name]) for row in rows]).reshape(shape)
            for name in ("return", *Episodes._fields)
            if name not in ("returns", *ARRAYS)
        }
        arrays = {k: x.reshape(*shape, x.shape[-1]) for k, x in arrays.items()}
        if arrays["monitored"].shape[-1] != record["settings"]["horizon"]:
            raise InputError(f"{MONITORED} is of another horizon")
    except PermissionError as error:
        raise InputError(
            f"cannot read {error.filename}: permission denied; ask its owner, or use a "
            "copy"
        ) from error
    except Exception as error:  # damaged bytes raise errors of any type
        raise InputError(
            f"{folder} holds no whole evaluation ({first_line(error)}): run "
            "ramac evaluate on it"
        ) from None
    failed = columns.pop("failed").astype(bool)
    returns = columns.pop("return")
    episodes = Episodes(returns=returns, failed=failed, **arrays, **columns)
    return record, episodes
