"""Evaluation of policies: rollouts, statistics of returns, OOD actions and bounds.

Names are imported when they are first used, so that statistics need no simulator.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ramac_jax.evaluation import bounds
    from ramac_jax.evaluation.calibration import (
        Calibration,
        calibrate,
        summarise_calibration,
    )
    from ramac_jax.evaluation.detectors import (
        Detector,
        density_detector,
        nearest_detector,
    )
    from ramac_jax.evaluation.environments import Environments
    from ramac_jax.evaluation.estimates import (
        Estimate,
        per_seed_cvar,
        pooled_cvar,
    )
    from ramac_jax.evaluation.intervals import (
        Interval,
        jackknife_interval,
        mean_interval,
    )
    from ramac_jax.evaluation.ood_evaluator import (
        OODEvaluator,
        make_ood_evaluator,
        ood_rates,
    )
    from ramac_jax.evaluation.ranking import Ranked, rank
    from ramac_jax.evaluation.rollouts import Cancelled, Episodes, evaluate
    from ramac_jax.evaluation.statistics import (
        corrected_cvar,
        cvar,
        iqm,
        normalized_score,
    )
    from ramac_jax.evaluation.summary import summarise

_NAMES = {
    "calibration": (
        "Calibration",
        "calibrate",
        "summarise_calibration",
    ),
    "detectors": ("Detector", "density_detector", "nearest_detector"),
    "environments": ("Environments",),
    "estimates": ("Estimate", "per_seed_cvar", "pooled_cvar"),
    "intervals": ("Interval", "jackknife_interval", "mean_interval"),
    "ood_evaluator": ("OODEvaluator", "make_ood_evaluator", "ood_rates"),
    "ranking": ("Ranked", "rank"),
    "rollouts": ("Cancelled", "Episodes", "evaluate"),
    "statistics": ("corrected_cvar", "cvar", "iqm", "normalized_score"),
    "summary": ("summarise",),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "Calibration",
    "Cancelled",
    "Detector",
    "Environments",
    "Episodes",
    "Estimate",
    "Interval",
    "OODEvaluator",
    "Ranked",
    "bounds",
    "calibrate",
    "corrected_cvar",
    "cvar",
    "density_detector",
    "evaluate",
    "iqm",
    "jackknife_interval",
    "make_ood_evaluator",
    "mean_interval",
    "nearest_detector",
    "normalized_score",
    "ood_rates",
    "per_seed_cvar",
    "pooled_cvar",
    "rank",
    "summarise",
    "summarise_calibration",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name == "bounds":
        return importlib.import_module(f"{__name__}.bounds")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULE_OF[name]}")
    globals()[name] = getattr(module, name)
    return globals()[name]
