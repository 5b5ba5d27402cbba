"""The figures of a study, in the run's folder and in its report."""

from pathlib import Path

import optuna

from ramac_jax.cli.reporting.figures.study import (
    Drawn,
    draw_importances,
    draw_pareto,
    draw_slices,
)
from ramac_jax.cli.reporting.figures.style import DPI
from ramac_jax.cli.runs.selection import Selection
from ramac_jax.search import SearchResult
from ramac_jax.search.importances import importances
from ramac_jax.search.space import Space

IMPORTANCES, SLICES, PARETO = "importances.png", "slices.png", "pareto.png"


def drawn_of(
    study: optuna.Study, found: SearchResult, space: Space, selection: Selection
) -> Drawn:
    """Return what the figures show: the complete trials of all processes."""
    return Drawn(
        trials=[x for x in found.trials if x.state == "complete"],
        space=space,
        objectives=selection.titles,
        shares=importances(study),
    )


def write_figures(out: Path, drawn: Drawn) -> None:
    """Draw the figures that there is something to draw for, and add them to the report.

    The importances need what `importances` needs, the Pareto front two objectives.
    """
    if not drawn.trials:
        return
    figures = {SLICES: draw_slices(drawn)}
    if drawn.shares:
        figures[IMPORTANCES] = draw_importances(drawn.shares)
    if len(drawn.objectives) > 1:
        figures[PARETO] = draw_pareto(drawn)
    for name, figure in figures.items():
        figure.savefig(out / name, dpi=DPI)
    with open(out / "report.md", "a") as file:
        file.write(section(drawn))


def section(drawn: Drawn) -> str:
    """Return the part of the report about the figures, in Markdown."""
    scores = " and ".join(drawn.objectives)
    parts = [
        "\n## The study",
        f"The {scores} that the study knows, of the agents and episodes that select, "
        "against each parameter. Later trials are darker, the star is the best one, "
        "and a hollow trial breaks a constraint.",
        f"![Scores against each parameter]({SLICES})",
    ]
    if drawn.shares:
        shares = [f"{name} {share:.0%}" for name, share in drawn.shares.items()]
        parts.append(
            "Importance of the parameters (PED-ANOVA: what separates the best quarter "
            f"of the trials from all): {', '.join(shares)}."
        )
        parts.append(f"![Importance of the parameters]({IMPORTANCES})")
    if len(drawn.objectives) > 1:
        parts.append("The Pareto front, with the numbers of its trials:")
        parts.append(f"![Pareto front]({PARETO})")
    return "\n\n".join(parts) + "\n"
