"""A search that dies at any call of its storage, and resumes as if nothing happened."""

import itertools

import numpy as np
import optuna

from ramac_jax.search import Scores, make_sampler, search
from tests.search.studies import SPACE, asked, score


class Killed(BaseException):
    """No `except Exception` stops it."""


class Fragile:
    """A storage whose call of a number raises, once."""

    def __init__(self):
        self.storage = optuna.storages.InMemoryStorage()
        self.left = None

    def __getattr__(self, name):
        found = getattr(self.storage, name)
        if not callable(found):
            return found

        def call(*arguments, **options):
            if self.left is not None:
                self.left -= 1
                if self.left < 0:
                    self.left = None
                    raise Killed
            return found(*arguments, **options)

        return call


def score_all(round_):
    """Scores of which a trial has none, with a constraint and an attribute."""
    values = np.where(np.array(round_.numbers) == 1, np.nan, score_of(round_))
    notes = [{"note": str(number)} for number in round_.numbers]
    return Scores(values, {"risky": values}, notes)


def score_of(round_):
    return score(round_)[: len(round_.trials)]


def start():
    storage = Fragile()
    sampler = make_sampler("random", SPACE)
    return storage, optuna.create_study(
        storage=storage, sampler=sampler, direction="maximize"
    )


def run(study):
    options = {"num_trials": 3, "batch_size": 2, "process": "me", "alone": True}
    found = search(study, SPACE, score_all, **options)
    return asked(found), [(x.attributes, x.feasible) for x in found.trials]


def test_a_search_that_is_killed_at_any_call_of_its_storage_resumes():
    undisturbed = run(start()[1])
    for count in itertools.count():
        storage, study = start()
        storage.left = count
        try:
            run(study)
        except Killed:
            assert repr(run(study)) == repr(undisturbed), f"killed at call {count}"
        else:
            break
    assert count > 50
