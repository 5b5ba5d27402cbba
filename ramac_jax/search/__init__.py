"""Search that learns: Optuna asks for settings, a vmapped population answers.

Each round takes a batch of trials from a study of Optuna, trains them as one population
and returns their scores to the study. Any number of processes may share a study.
"""
# ruff: noqa: E402 - the check of the package comes before the imports that need it

from ramac_jax.extras import require

require("optuna", __name__)

from ramac_jax.evaluation.ranking import pareto_front
from ramac_jax.search.engine import search
from ramac_jax.search.pruners import make_pruner, rung_steps
from ramac_jax.search.results import SearchResult, TrialResult
from ramac_jax.search.rounds import Round, Scores
from ramac_jax.search.samplers import make_sampler
from ramac_jax.search.space import Choice, Range, Space
from ramac_jax.search.storage import open_storage, open_study

__all__ = [
    "Choice",
    "SearchResult",
    "TrialResult",
    "Range",
    "Round",
    "Scores",
    "Space",
    "make_pruner",
    "make_sampler",
    "open_storage",
    "open_study",
    "pareto_front",
    "rung_steps",
    "search",
]
