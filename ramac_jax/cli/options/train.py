"""The options of `ramac train`.

This module imports no JAX, so that `ramac train --help` is fast.
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tyro
from tyro.conf import OmitArgPrefixes

from ramac_jax.cli.agents import ROBOT_AGENTS
from ramac_jax.cli.options.agent import AgentSpec
from ramac_jax.cli.options.command import (
    NO_SETTINGS,
    CommandOptions,
    LogOptions,
    OutputOptions,
    first_words,
)
from ramac_jax.cli.options.dataset import DatasetSpec
from ramac_jax.cli.options.evaluation import EvaluationOptions
from ramac_jax.cli.options.presets import PRESETS, preset_name
from ramac_jax.cli.options.sections import (
    flatten,
    hints_of,
    parse_sections,
    with_defaults,
)
from ramac_jax.cli.options.settings_files import read_settings, to_toml
from ramac_jax.cli.options.training import TrainingOptions
from ramac_jax.hyperparams import Hyperparams
from ramac_jax.urls import without_password

CHANGES_NOTHING = {
    "out",
    "preset",
    "overwrite",
    "save_every",
    "memory",
    "tensorboard",
    "wandb",
    "workers",
}
"""Options that may differ when a run is resumed: no number depends on them."""
DESCRIPTION = """Train a population of agents on a task, and evaluate it.

--task NAME does the whole job: it finds or makes the stochastic dataset, trains with
the task's preset, evaluates and draws. Without a task, --dataset names Minari datasets
to train on as they are. A preset supplies defaults, shown by --preset NAME --help;
options override them. The same command resumes an unfinished run."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PresetOptions(CommandOptions):
    """Where the settings come from, and what the command does with them."""

    preset: Annotated[
        str | None,
        tyro.conf.arg(
            help="TASK/AGENT or published/NAME; with --task the AGENT alone, of "
            f"{', '.join(ROBOT_AGENTS)}, published."
        ),
    ] = None


@dataclasses.dataclass(frozen=True)
class TrainOptions:
    """The command line of `ramac train`."""

    settings: OmitArgPrefixes[PresetOptions]
    output: OmitArgPrefixes[OutputOptions]
    data: OmitArgPrefixes[DatasetSpec]
    agent: OmitArgPrefixes[AgentSpec]
    hyperparams: OmitArgPrefixes[Hyperparams]
    training: OmitArgPrefixes[TrainingOptions]
    evaluation: OmitArgPrefixes[EvaluationOptions]
    logging: OmitArgPrefixes[LogOptions]


Options = TypeVar("Options", bound=TrainOptions)


def parse(argv: Sequence[str]) -> TrainOptions:
    """Read the command line over its preset, as `parse_over_preset` does."""
    return parse_over_preset(argv, TrainOptions, "ramac train", DESCRIPTION)


def parse_over_preset(
    argv: Sequence[str], kind: type[Options], prog: str, description: str
) -> Options:
    """Read a command line over its settings file, and this over the preset.

    Raises `InputError` for an unknown preset or task, a file that cannot be read and
    malformed words; exits for `--help` and after `--print-config`.
    """
    words = first_words(argv)
    values: dict[str, Any] = {}
    if words.config is not None:
        hints = hints_of(kind)
        values = read_settings(
            Path(words.config), {k: x for k, x in hints.items() if k not in NO_SETTINGS}
        )
    task = words.task or values.get("task")
    preset = words.preset or values.get("preset")
    if words.config is None or preset is not None:
        preset = preset_name(task, preset)
    values = dict(PRESETS[preset] if preset is not None else {}) | values
    values |= {"preset": preset}
    if words.print_config:
        values.setdefault("out", Path("unused"))
    options = parse_sections(kind, argv, with_defaults(kind, values), prog, description)
    settings = dataclasses.replace(options.settings, preset=preset)
    options = dataclasses.replace(options, settings=settings)
    if settings.print_config:
        print(to_toml(printed_settings(options)))
        sys.exit(0)
    return options


def recorded_options(options: TrainOptions) -> dict[str, Any]:
    """Return all options of a run for its record, hyperparameters in a table.

    No URL has a password.
    """
    sections = flatten(options)
    hyperparams = sections.pop("hyperparams")
    flat = {k: v for section in sections.values() for k, v in section.items()}
    flat = {
        k: without_password(v) if isinstance(v, str) else v
        for k, v in flat.items()
        if k not in NO_SETTINGS
    }
    return flat | {"hyperparams": hyperparams}


def lasting_options(options: TrainOptions) -> dict[str, Any]:
    """Return the options that a resumed run must have in common with the stored one."""
    recorded = recorded_options(options).items()
    return {name: value for name, value in recorded if name not in CHANGES_NOTHING}


def printed_settings(options: TrainOptions) -> dict[str, dict[str, Any]]:
    """Return what `--print-config` prints: section -> option -> value.

    An option whose value is None is left out unless the preset has another value, and
    so is the storage of a study, whose URL may hold a password.
    """
    defaults = PRESETS.get(options.settings.preset or "", {})
    left_out = NO_SETTINGS | {"out", "overwrite", "storage"}
    sections = {
        title: {
            name: value
            for name, value in section.items()
            if name not in left_out and (value is not None or name in defaults)
        }
        for title, section in flatten(options).items()
    }
    return {title: section for title, section in sections.items() if section}
