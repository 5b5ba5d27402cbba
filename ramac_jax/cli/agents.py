"""The list of agents: what each one is made of, for the bandit and for robots.

This module imports no JAX, so that a command can list the agents at once.
"""

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

PRESETS_FOLDER = Path(__file__).parent / "presets"


class AgentEntry(NamedTuple):
    """What an agent is made of, and its settings on the bandit and on robots.

    Parts have the names of `ramac_jax.registry`. The settings of a task are None where
    the agent is not trained on it.
    """

    title: str  # in tables and figures
    actor: str
    behaviour_model: str | None = None  # clones the data; None: nothing is cloned
    role: str | None = None  # of the behaviour model: "policy", "prior" or "teacher"
    critic: str | None = None  # None: behaviour cloning alone
    risk_measure: str = "neutral"
    penalty: str | None = None  # conservative, of the critics
    normalize_value: bool = False  # divide the actor's value by its mean size
    bandit: dict[str, Any] | None = None
    robots: dict[str, Any] | None = None


def read_agents() -> dict[str, AgentEntry]:
    """Read every agent by name, in the order of tables and figures."""
    tables = tomllib.loads((PRESETS_FOLDER / "agents.toml").read_text())
    return {name: AgentEntry(**table) for name, table in tables.items()}


AGENTS = read_agents()
BANDIT_AGENTS = {name: x for name, x in AGENTS.items() if x.bandit is not None}
"""The agents that `ramac bandit` trains."""
ROBOT_AGENTS = {name: x for name, x in AGENTS.items() if x.robots is not None}
"""The agents that `ramac train` trains on tasks of robots."""
