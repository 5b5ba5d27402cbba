"""Tables of one evaluation, for a terminal."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ramac_jax.acting import describe
from ramac_jax.cli.reporting import tables
from ramac_jax.cli.runs.calibration import Calibrated
from ramac_jax.cli.runs.frontier import Frontier
from ramac_jax.cli.runs.protocol import EvaluationProtocol
from ramac_jax.cli.runs.results import CALIBRATION, FILES, FRONTIER


def print_summary(
    summary: Mapping[str, Any],
    protocol: EvaluationProtocol,
    folder: Path,
    calibrated: Calibrated | None = None,
    frontier: Frontier | None = None,
    more_notes: Sequence[str] = (),
) -> None:
    """Print the figures with their intervals, the notes, and where the files are.

    Of several acting options, `summary` and `calibrated` are those of the selected one.
    """
    heading = (
        f"{protocol.env.id}, {protocol.horizon} steps: {summary['num_seeds']} "
        f"seeds x {protocol.episodes} episodes"
    )
    acting = describe(protocol.acting)
    table = Table(title=f"{heading}, {acting}" if acting else heading)
    for name in ("figure", "value", "95 % over episodes"):
        table.add_column(name, justify="left" if name == "figure" else "right")
    for name, figure in summary.items():
        if isinstance(figure, dict) and figure["value"] is not None:
            value, _, interval = bracketed(figure).partition(" ")
            table.add_row(title(name, protocol.level), value, interval or "-")
    output = Console()
    files, notes = list(FILES), [*summary["notes"], *more_notes]
    if frontier is not None:
        output.print(frontier_table(frontier))
        files += FRONTIER
        notes.append(frontier.sentence())
    output.print(table, markup=False)
    output.print(f"brackets: {summary['intervals']}", soft_wrap=True, markup=False)
    if calibrated is not None:
        output.print(calibration_table(calibrated.summary, protocol.level))
        files.append(CALIBRATION)
        notes += calibrated.summary["notes"]
    for note in notes:
        output.print(f"note: {note}", soft_wrap=True, markup=False)
    output.print(f"{folder}: {', '.join(files)}", soft_wrap=True, markup=False)


def frontier_table(frontier: Frontier) -> Table:
    """Return the table of what each setting earns in the episodes to select on."""
    shown, asked = ("mean", "pooled_cvar"), frontier.selection
    varied = frontier.varied()
    table = Table(
        title=f"{asked.selection_episodes} episodes of each seed to select on, "
        "value [95 % over episodes]",
        caption="*: selected",
        caption_justify="left",
    )
    figures = (title(name, asked.level) for name in shown)
    for name in (*(x.replace("_", " ") for x in varied), *figures, ""):
        table.add_column(name, justify="right")
    for index, setting in enumerate(frontier.settings):
        values = [getattr(setting.acting, x) for x in varied]
        options = ["-" if x is None else f"{x:g}" for x in values]
        cells = [bracketed(setting.figures[x]) for x in shown]
        mark = "*" if index == frontier.selected else ""
        table.add_row(*map(escape, (*options, *cells, mark)))
    return table


def bracketed(figure: Mapping[str, float | None]) -> str:
    """Return a figure with the bounds that are known; "-" where it is unknown."""
    return tables.bracketed(
        [f"{x:.4g}" for x in figure.values() if x is not None] or "-"
    )


def calibration_table(summary: Mapping[str, Any], level: float) -> Table:
    """Return the table of what the critics predict and what episodes gave."""
    table = Table(
        title=f"returns discounted by {summary['discount']:g}, from the start"
    )
    for name in ("figure", "critics predict", "episodes gave"):
        table.add_column(name, justify="left" if name == "figure" else "right")
    for key, name in (("mean", "mean"), ("cvar", f"CVaR_{level:g}")):
        predicted = f"{summary['predicted'][key]:.4g}"
        table.add_row(name, predicted, bracketed(summary["observed"][key]))
    return table


def title(name: str, level: float) -> str:
    """Return the title of a figure."""
    measures = {
        "pooled_cvar": f"CVaR_{level:g} pooled",
        "per_seed_cvar": f"CVaR_{level:g} per seed",
    }
    return measures.get(name, "IQM" if name == "iqm" else name.replace("_", " "))
