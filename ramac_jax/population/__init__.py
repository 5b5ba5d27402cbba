"""Populations: many seeds and hyperparameters as one program, resumable bit for bit."""
# ruff: noqa: E402 - the check of the packages comes before the imports that need them

from ramac_jax.extras import require

for _module in ("filelock", "orbax.checkpoint", "psutil"):
    require(_module, __name__)

from ramac_jax.population.callbacks import (
    Callbacks,
    EvalCallback,
    Interrupted,
)
from ramac_jax.population.history import History
from ramac_jax.population.members import (
    Members,
    cross,
    select_settings,
)
from ramac_jax.population.programs import SharedPrograms
from ramac_jax.population.schedule import (
    InitialStates,
    Pretraining,
    Progress,
    Schedule,
    Storage,
    Trained,
)
from ramac_jax.population.train import train_population

__all__ = [
    "Callbacks",
    "EvalCallback",
    "History",
    "InitialStates",
    "Interrupted",
    "Members",
    "Pretraining",
    "Progress",
    "Schedule",
    "SharedPrograms",
    "Storage",
    "Trained",
    "cross",
    "select_settings",
    "train_population",
]
