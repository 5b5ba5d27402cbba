"""The presets of `ramac train`: settings by name."""

import tomllib
from pathlib import Path
from typing import Any

from ramac_jax.tasks import TASKS, standard_task
from ramac_jax.validation import check_names

CONFIGS = Path(__file__).parents[1] / "presets"


def read_presets() -> dict[str, dict[str, Any]]:
    """Every preset by name: published/SECTION, and TASK/AGENT of tasks.toml.

    The settings of TASK/AGENT are those of all, of the agent, of the task, and of the
    agent in that task, each overriding the ones before.
    """
    published = tomllib.loads((CONFIGS / "published.toml").read_text())
    presets = {f"published/{name}": x for name, x in published.items()}
    tuned = tomllib.loads((CONFIGS / "tasks.toml").read_text())
    for task, of_task in tuned["tasks"].items():
        for agent, of_agent in tuned["agents"].items():
            both = of_task.get(agent, {})
            general = {k: v for k, v in of_task.items() if k not in tuned["agents"]}
            presets[f"{task}/{agent}"] = tuned["all"] | of_agent | general | both
        if (original := standard_task(TASKS[task]).name) in published:
            presets[f"published/{task}"] = published[original]
    return {
        name: {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
        for name, settings in presets.items()
    }


PRESETS = read_presets()
AGENTS = dict.fromkeys(
    name.partition("/")[2] for name in PRESETS if not name.startswith("published/")
)


def preset_name(task: str | None, preset: str | None) -> str | None:
    """The full name of the preset asked for; with a task, radac unless told."""
    if task is not None:
        check_names("task", [task], TASKS)
        name = preset or "radac"
        if "/" not in name:
            preset = f"published/{task}" if name == "published" else f"{task}/{name}"
    if preset is not None:
        check_names("preset", [preset], PRESETS)
    return preset
