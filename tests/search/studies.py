"""Studies in memory and in files, and scores that cost nothing."""

import numpy as np
import optuna

from ramac_jax.search import (
    Choice,
    Range,
    make_pruner,
    make_sampler,
    open_storage,
    open_study,
)

SPACE = {
    "risk_weight": Range(1e-3, 1.0),
    "target_rate": Range(1e-3, 0.1),
    "discount": Choice((0.9, 0.99)),
}
GRID = {"discount": Choice((0.5, 0.9, 0.99)), "risk_weight": Choice((0.1, 0.2))}


def worth(weight, rate, discount):
    """A peak of 0 at risk_weight 0.03 and target_rate 0.01, with discount 0.99."""
    hill = (np.log10(weight / 0.03)) ** 2 + (np.log10(rate / 0.01)) ** 2
    return -hill - (np.asarray(discount) < 0.95)


def score(round_):
    h = round_.hyperparams
    return worth(h.risk_weight, h.target_rate, h.discount)


def in_memory(sampler="random", space=SPACE, seed=0, pruner=None, objectives=1):
    return optuna.create_study(
        sampler=make_sampler(sampler, space, seed=seed),
        pruner=pruner or make_pruner("none"),
        directions=["maximize"] * objectives,
    )


def in_file(path, sampler="random", space=SPACE, seed=0, **options):
    storage = open_storage(f"sqlite:///{path}", **options)
    return open_study(
        storage,
        "study",
        sampler=make_sampler(sampler, space, seed=seed),
        record={"space": sorted(space)},
    )


def asked(found):
    """What each trial was asked, and its scores."""
    return [(x.number, x.setting, x.scores, x.state) for x in found.trials]
