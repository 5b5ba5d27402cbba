"""Populations: many seeds and hyperparameters as one program, and no run lost."""

from ramac_jax.devices.hosts import first_host_first, initialize_hosts, is_first_host
from ramac_jax.devices.mesh import use_every_core
from ramac_jax.evaluation.ranking import Interval, Ranked, mean_interval, rank
from ramac_jax.population.checkpoints import check_settings, lock
from ramac_jax.population.halving import (
    Eliminated,
    Halved,
    successive_halving,
    train_rungs,
)
from ramac_jax.population.history import History
from ramac_jax.population.interrupts import Interrupted
from ramac_jax.population.members import (
    Members,
    Rung,
    cross,
    halving,
    random_search,
    select_settings,
)
from ramac_jax.population.schedule import Progress, Schedule, Trained
from ramac_jax.population.train import train_population

__all__ = [
    "Eliminated",
    "Halved",
    "Interrupted",
    "Interval",
    "History",
    "Members",
    "Progress",
    "Ranked",
    "Rung",
    "Schedule",
    "Trained",
    "check_settings",
    "cross",
    "first_host_first",
    "halving",
    "initialize_hosts",
    "is_first_host",
    "lock",
    "mean_interval",
    "random_search",
    "rank",
    "select_settings",
    "successive_halving",
    "train_population",
    "train_rungs",
    "use_every_core",
]
