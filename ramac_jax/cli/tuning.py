"""Tuning of an agent: its weight and its acting temperature, on seeds of their own.

Agents with critics try equally many settings, others temperatures alone. A setting is
selected by the episodes of agents that are reported nowhere, and is recorded with all
that were tried.
"""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ramac_jax.cli import console, sweep
from ramac_jax.cli.options.compare import (
    FIRST_TUNING_SEED,
    Arguments,
    Plan,
    to_argv,
)
from ramac_jax.cli.options.presets import agent_settings
from ramac_jax.cli.options.sweep import parse as parse_sweep
from ramac_jax.cli.runs.edges import remark_on_edge
from ramac_jax.cli.runs.episodes import play
from ramac_jax.cli.runs.evaluator import figures_of
from ramac_jax.cli.runs.folder import run_folder
from ramac_jax.cli.runs.protocol import EvaluationProtocol, find_protocol
from ramac_jax.cli.runs.search import make_search
from ramac_jax.cli.runs.selection import SELECTION_SEED
from ramac_jax.cli.runs.stored import read_record
from ramac_jax.errors import InputError
from ramac_jax.evaluation import Environments
from ramac_jax.files import write_json
from ramac_jax.policy import load_policy

FOLDER, RECORD = "tuning", "tuning.json"
FIGURES = ("mean", "cvar", "risky_share")
OF_REPORT = ("num_seeds", "episodes", "workers", "out")
"""Options of a plan that change nothing of what is selected."""


class Tuning(NamedTuple):
    """The settings that an agent tries, and where."""

    plan: Plan
    """The agent with the weight of its preset."""
    out: Path
    weight: str
    """Hyperparameter that differs; of agents without critics one that does not."""
    values: tuple[float, ...]
    """Of the weight."""
    temperatures: tuple[float, ...]
    seeds: tuple[int, ...]
    episodes: int
    """Episodes of each agent at each temperature."""

    @property
    def asked(self) -> dict[str, Any]:
        """What a stored tuning must have in common with this one."""
        return {
            "weight": self.weight,
            "values": list(self.values),
            "temperatures": list(self.temperatures),
            "seeds": list(self.seeds),
            "episodes": self.episodes,
            "options": {
                name: str(value)
                for name, value in self.plan.words.items()
                if name not in OF_REPORT
            },
        }

    @property
    def num_settings(self) -> int:
        """How many settings are tried."""
        return len(self.values) * len(self.temperatures)

    @property
    def trials(self) -> dict[str, Any]:
        """Options of the `ramac sweep` that trains every setting.

        They name the weight, the temperature and the episodes that this tuning does not
        read, so that a preset may change these.
        """
        return self.plan.words | {
            "num_seeds": len(self.seeds),
            "seed": self.seeds[0],
            "episodes": 0,
            "eval_episodes": self.episodes,
            "acting_temperature": self.temperatures[0],
            self.weight: self.values[0],
            "out": self.out,
            "grid": f"{self.weight}={','.join(map(repr, self.values))}",
        }

    def distance(self, setting: dict[str, float]) -> tuple[float, float]:
        """How far a setting is from the preset."""
        options = self.plan.options
        return (
            abs(setting["value"] - getattr(options.hyperparams, self.weight)),
            abs(setting["temperature"] - options.evaluation.acting_temperature),
        )


def tuning_of(plan: Plan, arguments: Arguments) -> Tuning:
    """Return the settings that the agent of a plan tries."""
    options, weight = plan.options, plan.weight or "bc_weight"
    values: tuple[float, ...] = (getattr(options.hyperparams, weight),)
    if plan.weight is not None and arguments.tune_factors:
        middle = agent_settings(plan.agent)[weight]
        values = tuple(float(f"{x * middle:.6g}") for x in arguments.tune_factors)
    temperatures = arguments.tune_temperatures
    last = FIRST_TUNING_SEED + arguments.tune_seeds
    return Tuning(
        plan=plan,
        out=arguments.out / FOLDER / plan.task / plan.agent,
        weight=weight,
        values=values,
        temperatures=temperatures or (options.evaluation.acting_temperature,),
        seeds=tuple(range(FIRST_TUNING_SEED, last)),
        episodes=arguments.tune_episodes,
    )


def read_tuned(tuning: Tuning) -> Plan | None:
    """Return the plan with the selected setting; None before it is selected.

    The single setting of an agent without critics needs no trial. Raises `InputError`
    where others were tried, or these with other options or presets, where the agent is
    trained already with the weight of its preset, and for a damaged file.
    """
    if tuning.num_settings == 1:
        (value,), (temperature,) = tuning.values, tuning.temperatures
        return with_setting(tuning, {"value": value, "temperature": temperature})
    path = tuning.out / RECORD
    if not path.exists():
        check_trials(tuning)
        trained = tuning.plan.options.output.out
        if (trained / "run.json").exists():
            raise InputError(
                f"{trained} holds a run that was not tuned: give another --out"
            )
        return None
    record = read_record(path)
    for name, value in tuning.asked.items():
        if record.get(name) != value:
            raise InputError(
                f"{path} has {name} {record.get(name)}, not {value}: give another --out"
            )
    check_trials(tuning)
    try:
        return with_setting(tuning, record["selected"])
    except (KeyError, TypeError):
        raise InputError(
            f"{path} is damaged, it names no setting: remove it to try all again"
        ) from None


def check_trials(tuning: Tuning) -> None:
    """Raise `InputError` where the folder holds trials by other options or presets."""
    folder = run_folder(parse_sweep(to_argv(tuning.trials)), sweep.LAYOUT)
    if not folder.is_finished() and folder.held():
        folder.check()


def with_setting(tuning: Tuning, setting: dict[str, float]) -> Plan:
    """Return the plan with one of the settings that were tried."""
    words: dict[str, float] = {}
    if tuning.plan.weight is not None:
        words[tuning.weight] = setting["value"]
    if setting["temperature"] != tuning.plan.options.evaluation.acting_temperature:
        words["acting_temperature"] = setting["temperature"]
    return tuning.plan.changed(**words)


def tune(tuning: Tuning) -> Plan:
    """Train and play every setting, write `RECORD`, and return the plan with the best.

    The best has the highest CVaR on average over the seeds. An interrupted tuning is
    resumed. Where the agents of all settings diverge, the one nearest to the preset is
    taken, with a warning.
    """
    members = train_settings(tuning)
    tried = [
        {"value": tuning.values[setting], "temperature": temperature} | figures
        for temperature, agents in play_settings(tuning, members).items()
        for setting, figures in means(members, agents).items()
    ]
    sound = [x for x in tried if math.isfinite(x["cvar"])]
    if sound:
        selected = max(sound, key=lambda x: x["cvar"])
    else:
        console.warn(
            f"{tuning.plan.agent} on {tuning.plan.task}: all settings diverge, or "
            "their episodes fail, so that the one nearest to the preset is trained"
        )
        selected = min(tried, key=tuning.distance)
    record = tuning.asked | {"selected": selected, "tried": tried}
    write_json(tuning.out / RECORD, record)
    return with_setting(tuning, selected)


def remark_on_tuned(tuning: Tuning) -> str | None:
    """Say that the weight that was selected is the least or the largest one tried.

    Returns None where it is not, and where nothing was selected by episodes.
    """
    if tuning.num_settings == 1:
        return None
    selected = read_record(tuning.out / RECORD)["selected"]
    if selected["cvar"] is None:
        return None
    return remark_on_edge(tuning.weight, tuning.values, selected["value"])


def train_settings(tuning: Tuning) -> list[tuple[int, int]]:
    """Train the agents; return the setting and the seed of each in its checkpoint."""
    argv = to_argv(tuning.trials)
    options = parse_sweep(argv)
    if not sweep.is_finished(options):
        folder = run_folder(options, sweep.LAYOUT)
        sweep.run(options, make_search(options), folder, argv, ranked_later=True)
    record = read_record(tuning.out / sweep.LAYOUT.record)
    return [(x["setting"], x["seed"]) for x in record["agents"]["0"]]


def protocol_of(tuning: Tuning) -> EvaluationProtocol:
    """Return the protocol of the episodes that select a setting."""
    protocol = find_protocol(tuning.plan.options, None)
    assert protocol is not None
    return dataclasses.replace(protocol, episodes=tuning.episodes, seed=SELECTION_SEED)


def play_settings(
    tuning: Tuning, members: Sequence[tuple[int, int]]
) -> dict[float, list[dict[str, Any]]]:
    """Return `FIGURES` of each agent at each temperature.

    Agents of one seed play the same episodes, so that luck does not favour a setting.
    """
    policy = load_policy(tuning.out / "agents" / "0")
    protocol, found = protocol_of(tuning), {}
    with Environments(
        protocol.env, horizon=protocol.horizon, num_workers=protocol.workers
    ) as environments:
        for temperature in tuning.temperatures:
            acting = protocol.acting._replace(temperature=temperature)
            episodes = play(
                policy,
                range(len(members)),
                dataclasses.replace(protocol, acting=acting),
                environments=environments,
                numbers=[seed - tuning.seeds[0] for _, seed in members],
                progress=True,
            )
            columns = figures_of(episodes, protocol.level)
            found[temperature] = [
                {name: float(columns[name][agent]) for name in FIGURES}
                for agent in range(len(members))
            ]
    return found


def means(
    members: Sequence[tuple[int, int]], agents: Sequence[dict[str, float]]
) -> dict[int, dict[str, float]]:
    """Return the mean over seeds of the figures of each setting."""
    found = {}
    for setting in sorted({setting for setting, _ in members}):
        pairs = zip(members, agents, strict=True)
        own = [figures for (x, _), figures in pairs if x == setting]
        found[setting] = {
            name: math.fsum(x[name] for x in own) / len(own) for name in FIGURES
        }
    return found
