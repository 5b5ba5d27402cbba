"""The acting options of `ramac evaluate`: which are asked for, and what each earns."""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from ramac_jax.acting import AS_TRAINED, ActingOptions
from ramac_jax.cli.options.evaluate import EvaluateOptions
from ramac_jax.cli.runs.evaluator import figures_of
from ramac_jax.cli.runs.protocol import EvaluationProtocol
from ramac_jax.errors import InputError
from ramac_jax.evaluation import Episodes, summarise
from ramac_jax.export import ExportedPolicy
from ramac_jax.policy import Policy

FIGURES = ("mean", "pooled_cvar", "risky_share")
"""Figures of a setting, of those of `ramac_jax.evaluation.summarise`."""


class Setting(NamedTuple):
    """What the agents earn with one setting of the acting options."""

    acting: ActingOptions
    figures: dict[str, dict[str, float | None]]
    """`FIGURES` of all agents, with bounds of the bootstrap over episodes."""
    rows: list[dict[str, Any]]  # one for each seed, as frontier.csv has them

    def to_json(self) -> dict[str, Any]:
        """Return the options and the figures."""
        return {**self.acting._asdict(), **self.figures}


def acting_settings(
    options: EvaluateOptions, policy: Policy | ExportedPolicy
) -> list[ActingOptions]:
    """Return every combination of the acting options.

    Raises `InputError` for options by which the policy cannot act, for levels that rank
    nothing, and for a value that occurs twice.
    """
    count, levels = options.num_candidates, options.risk_levels
    if levels is not None and count == 1:
        raise InputError(
            "--risk-levels rank candidates: give --num-candidates 2 or more"
        )
    for name in ("temperatures", "risk_levels"):
        values = getattr(options, name)
        if values is not None and (not values or len({*values}) < len(values)):
            flag = f"--{name.replace('_', '-')}"
            raise InputError(f"{flag} must have one value or more, each once")
    settings = [
        ActingOptions(temperature, count, level)
        for temperature, level in itertools.product(
            options.temperatures, levels or (None,)
        )
    ]
    resolved = [policy.resolve(each) for each in settings]
    return settings if count == 1 else resolved


def score_setting(
    protocol: EvaluationProtocol, episodes: Episodes, seeds: Sequence[int]
) -> Setting:
    """Return what the agents earned in the episodes of a setting.

    Args:
      protocol: of the episodes, with its acting options.
      episodes: of every agent, [P, M].
      seeds: of the agents [P].
    """
    summary = summarise(episodes, seeds, level=protocol.level)
    columns = figures_of(episodes, protocol.level)
    options = protocol.acting._asdict()
    rows = [
        options | {"seed": seed} | {name: x[agent] for name, x in columns.items()}
        for agent, seed in enumerate(seeds)
    ]
    figures = {name: summary[name] for name in FIGURES}
    return Setting(acting=protocol.acting, figures=figures, rows=rows)


def describe(acting: ActingOptions) -> str:
    """Return the acting options in a few words; "" for those of training."""
    if acting == AS_TRAINED:
        return ""
    text = f"temperature {acting.temperature:g}"
    if acting.num_candidates > 1:
        text += f", best of {acting.num_candidates} at level {acting.risk_level:g}"
    return text
