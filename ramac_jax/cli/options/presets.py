"""The presets of `ramac train`: settings by name."""

import tomllib
from typing import Any

from ramac_jax.cli.agents import PRESETS_FOLDER, ROBOT_AGENTS, AgentEntry
from ramac_jax.errors import InputError, check_names
from ramac_jax.tasks import TASKS, standard_task

DEFAULT_AGENT = "radac"
PUBLISHED = "published"


def read_table(name: str) -> dict[str, Any]:
    """Read a file of the presets, with tuples in the place of lists."""
    return tuples(tomllib.loads((PRESETS_FOLDER / name).read_text()))


def tuples(value: Any) -> Any:
    """Return a value of TOML with tuples in the place of lists."""
    if isinstance(value, dict):
        return {key: tuples(item) for key, item in value.items()}
    return tuple(value) if isinstance(value, list) else value


TUNED = read_table("tasks.toml")


def part_options(config: AgentEntry) -> dict[str, Any]:
    """Return the options of `ramac train` that build an agent from its parts."""
    if config.critic is None:
        return {"actor": config.actor, "num_critics": 0}
    options = {
        "actor": config.actor,
        "critic": config.critic,
        "risk_measure": config.risk_measure,
        "conservative": config.penalty,
        "normalize_value": config.normalize_value,
    }
    return {name: value for name, value in options.items() if value is not None}


def agent_settings(agent: str) -> dict[str, Any]:
    """Return the settings of an agent of robots that all tasks share."""
    config = ROBOT_AGENTS[agent]
    common: dict[str, Any] = TUNED["all"]
    return common | part_options(config) | tuples(config.robots)


def read_presets() -> dict[str, dict[str, Any]]:
    """Read every preset by its name, published/NAME or TASK/AGENT.

    The settings of TASK/AGENT are those of all agents, of the agent, of the task, and
    of the agent on the task; each overrides the ones before.
    """
    published = read_table("published.toml")
    common = published.pop("all")
    agents = {agent: agent_settings(agent) for agent in ROBOT_AGENTS}
    presets = {
        f"{PUBLISHED}/{name}": common | settings for name, settings in published.items()
    }
    for task, of_task in TUNED["tasks"].items():
        general = {k: v for k, v in of_task.items() if k not in ROBOT_AGENTS}
        for agent in ROBOT_AGENTS:
            both = of_task.get(agent, {})
            presets[f"{task}/{agent}"] = agents[agent] | general | both
        if (original := standard_task(TASKS[task]).name) in published:
            presets[f"{PUBLISHED}/{task}"] = common | published[original]
    return presets


PRESETS = read_presets()


def preset_name(task: str | None, preset: str | None) -> str | None:
    """Return the full name of a preset; with a task alone, the one of `DEFAULT_AGENT`.

    Raises `InputError` for an unknown task or preset.
    """
    if task is not None:
        check_names("task", [task], TASKS)
        name = preset or DEFAULT_AGENT
        if "/" not in name:
            preset = f"{PUBLISHED}/{task}" if name == PUBLISHED else f"{task}/{name}"
    if preset in (*ROBOT_AGENTS, PUBLISHED):
        raise InputError(f"--preset {preset} needs a task: give --task")
    if preset is not None:
        check_names("preset", [preset], PRESETS)
    return preset
