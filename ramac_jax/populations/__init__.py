"""Populations: many seeds and hyperparameters as one program, and no run lost."""

from ramac_jax.populations.hosts import (
    first_host_first,
    initialize_hosts,
    is_first_host,
)
from ramac_jax.populations.interrupts import Interrupted
from ramac_jax.populations.journal import Journal
from ramac_jax.populations.placement import use_every_core
from ramac_jax.populations.ranking import Interval, Ranked, mean_interval, rank
from ramac_jax.populations.rungs import train_rungs
from ramac_jax.populations.running import train_population
from ramac_jax.populations.saving import check_settings, lock
from ramac_jax.populations.schedule import Progress, Schedule, Trained
from ramac_jax.populations.search import Members, Rung, cross, halving, random_search

__all__ = [
    "Interrupted",
    "Interval",
    "Journal",
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
    "train_population",
    "train_rungs",
    "use_every_core",
]
