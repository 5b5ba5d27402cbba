"""Rounds of trials: what is asked, padded, told, pruned and resumed."""

import dataclasses

import numpy as np
import optuna
import pytest

import ramac_jax as rj
from ramac_jax.search import (
    Choice,
    Range,
    Scores,
    make_pruner,
    make_sampler,
    rung_steps,
    samplers,
    search,
)
from ramac_jax.search.storage import quiet_optuna
from tests.search.studies import GRID, SPACE, asked, in_file, in_memory, score

SAMPLERS = ["qmc", "tpe", "cmaes"]


class Died(Exception):
    pass


def run(study, score=score, space=SPACE, trials=14, batch=4, **options):
    return search(study, space, score, num_trials=trials, batch_size=batch, **options)


def test_every_round_has_the_same_shapes_and_every_trial_its_own_score():
    sizes = []

    def score_and_note(round_):
        h = round_.hyperparams
        sizes.append({np.shape(leaf) for leaf in h})
        assert h.bc_weight.tolist() == [2.5] * 4  # of the base
        return h.risk_weight

    found = run(
        in_memory(), score_and_note, trials=6, base=rj.Hyperparams(bc_weight=2.5)
    )
    assert sizes == [{(4,)}, {(4,)}]
    assert [x.number for x in found.trials] == list(range(6))
    for trial in found.trials:
        assert trial.scores == (np.float32(trial.setting["risk_weight"]),)
    assert found.best[0].scores == max(x.scores for x in found.trials)


def test_a_grid_is_every_combination_in_order_and_ends_with_it():
    found = run(in_memory("grid", GRID), space=GRID, trials=6)
    assert [tuple(x.setting.values()) for x in found.trials] == [
        (discount, weight) for discount in (0.5, 0.9, 0.99) for weight in (0.1, 0.2)
    ]


def test_the_rungs_end_after_powers_of_the_factor():
    assert rung_steps(100, 3) == [3, 11, 33, 100]
    assert rung_steps(6, 3) == [2, 6]
    assert rung_steps(1000, 2) == [125, 250, 500, 1000]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_that_dies_in_a_round_resumes_with_the_same_trials(sampler, tmp_path):
    """It dies while it trains the second round, and while it tells the third."""
    undisturbed = run(in_memory(sampler))
    path, dies = tmp_path / "study.db", iter([False, True, False, False])

    def fragile(round_):
        if next(dies, False):
            raise Died
        return score(round_)

    def tell_half(self, trial, *arguments, **options):
        if getattr(trial, "number", trial) == 10:
            raise Died
        return tell(self, trial, *arguments, **options)

    tell = optuna.Study.tell
    with pytest.raises(Died):
        run(in_file(path, sampler), fragile, process="mine")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Died):
        patch.setattr(optuna.Study, "tell", tell_half)
        run(in_file(path, sampler), fragile, process="mine")
    rounds = []

    def noting(round_):
        rounds.append((round_.number, round_.numbers))
        return score(round_)

    found = run(in_file(path, sampler), noting, process="mine")
    assert rounds[0] == (2, [8, 9, 10, 11])
    assert asked(found) == asked(undisturbed)


def test_a_study_in_memory_resumes_after_an_exception():
    study, dies = in_memory(), iter([True])

    def fragile(round_):
        if next(dies, False):
            raise Died
        return score(round_)

    with pytest.raises(Died):
        run(study, fragile)
    assert asked(run(study, fragile)) == asked(run(in_memory()))


def test_trials_that_a_killed_process_asked_and_did_not_sign_are_its_own(tmp_path):
    undisturbed = run(in_memory("tpe"), trials=8)
    study = in_file(tmp_path / "study.db", "tpe")
    with quiet_optuna():
        study.ask()  # no parameter, no process
    found = run(study, trials=8, alone=True)
    assert asked(found) == asked(undisturbed)


def test_pruned_trials_stop_as_if_all_had_reported_at_once():
    """Of 6 trials a third goes on, whatever their order; 4 later ones meet them."""
    space = {"risk_weight": Choice(tuple(range(1, 11)))}
    seen = []

    def train(round_):
        values = np.array([x["risk_weight"] for x in round_.settings], float)
        keep = round_.report(1, values)
        again = dataclasses.replace(round_, pruned=set()).report(1, values)
        assert again.tolist() == keep.tolist()  # as a process that was killed asks
        seen.append(keep.tolist())
        return np.where(keep[: len(values)], 10 * values, np.nan)

    study = in_memory("grid", space, pruner=make_pruner("halving", factor=3))
    found = run(study, train, space, trials=10, batch=6)
    assert seen == [[False] * 4 + [True] * 2, [False, True, True, True, True, True]]
    states = [x.state for x in found.trials]
    assert states == ["pruned"] * 4 + ["complete"] * 2 + ["pruned"] + ["complete"] * 3
    assert [x.scores for x in found.trials[3:5]] == [(4.0,), (50.0,)]


def test_hyperband_compares_the_trials_of_a_bracket():
    space = {"risk_weight": Range(0.1, 1.0)}
    pruner = make_pruner("hyperband", factor=2, num_rungs=3)
    kept = []

    def train(round_):
        values = np.array([x["risk_weight"] for x in round_.settings])
        kept.append(round_.report(1, values)[: len(values)])
        kept.append(round_.report(2, values)[: len(values)])
        return values

    found = run(in_memory(space=space, pruner=pruner), train, space, 16, 16)
    assert 0 < kept[1].sum() < kept[0].sum() < 16
    states = ["complete" if x else "pruned" for x in kept[1]]
    assert [x.state for x in found.trials] == states


def test_whole_numbers_are_drawn_as_whole_numbers():
    space = {"risk_warmup": Range(10, 1000, whole=True)}
    found = run(in_memory("random", space), lambda r: r.hyperparams.risk_warmup, space)
    values = [x.setting["risk_warmup"] for x in found.trials]
    assert {type(x) for x in values} == {int}
    assert 10 <= min(values) < 100 < max(values) <= 1000
    make_sampler("tpe", space)


def test_several_objectives_are_not_pruned():
    def train(round_):
        round_.report(1, [1.0] * 4)

    with pytest.raises(rj.InputError, match="several objectives prunes nothing"):
        run(in_memory(objectives=2), train)


def test_two_objectives_and_a_constraint_leave_a_feasible_front():
    space = {"risk_weight": Choice((1.0, 2.0, 3.0, 4.0, 5.0))}

    def train(round_):
        w = np.array([x["risk_weight"] for x in round_.settings])
        values = np.stack([w, -np.abs(w - 2.0)], axis=1)
        return Scores(values, {"risky": w - 4.0}, [{"note": f"{x:g}"} for x in w])

    study = in_memory("grid", space, objectives=2)
    found = run(study, train, space, trials=5, batch=5)
    assert [x.setting["risk_weight"] for x in found.best] == [4.0, 3.0, 2.0]
    assert [x.feasible for x in found.trials] == [True] * 4 + [False]
    assert found.trials[1].attributes["note"] == "2"


def test_a_trial_without_a_finite_score_fails_and_counts():
    found = run(in_memory(), lambda r: [np.nan, 1.0, 2.0, 3.0], trials=4)
    assert [x.state for x in found.trials] == ["fail", *["complete"] * 3]
    assert found.best[0].scores == (3.0,)


def test_values_that_are_tuples_come_back_as_tuples(tmp_path):
    space = {"actor_widths": Choice(((4,), (8, 8)))}
    seen = []

    def train(round_):
        seen.extend(x["actor_widths"] for x in round_.settings)
        return np.arange(2.0)

    study = in_file(tmp_path / "study.db", "grid", space)
    found = run(study, train, space, trials=2, batch=2)
    assert seen == [(4,), (8, 8)]
    assert found.best[0].setting == {"actor_widths": (8, 8)}


@pytest.mark.parametrize(
    ("scores", "line"),
    [
        (["a"] * 4, "scores are not all numbers: give an array of numbers"),
        ([None] * 4, "scores are not all numbers"),
        ([[1.0], [1.0, 2.0], [1.0], [1.0]], "scores are not all numbers"),
        (Scores(np.ones(4), {"x": np.ones(3)}), r"'x' have shape \[3\]: give one for"),
        (Scores(np.ones(4), {"x": np.ones((4, 1))}), r"'x' have shape \[4, 1\]"),
        (Scores(np.ones(4), {"x": ["a"] * 4}), "constraint 'x' are not all numbers"),
        (Scores(np.ones(4), {}, [{}]), "attributes are those of 1 trials: give"),
        (Scores(np.ones(4), {}, [{"a": 1j}] * 4), "attributes are no values of JSON"),
        (Scores(np.ones(4), {}, [1] * 4), "attributes are no values of JSON"),
    ],
)
def test_scores_that_are_none_are_refused_before_any_is_stored(scores, line):
    study = in_memory()
    with pytest.raises(rj.InputError, match=line) as said:
        run(study, lambda round_: scores)
    assert "\n" not in str(said.value)
    trials = study.get_trials()
    assert [x.state.name for x in trials] == ["RUNNING"] * 4
    assert {tuple(x.user_attrs) for x in trials} == {("place",)}


def present_but(missing):
    """`find_spec` where one package is not installed."""
    find = samplers.importlib.util.find_spec
    return lambda name: None if name == missing else find(name)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: Range(2.0, 1.0), "range 2..1 is empty"),
        (lambda: Range(0.0, 1.0), "logarithmic scale: give positive numbers"),
        (lambda: Range(0.5, 2.0, whole=True), "of whole numbers: give whole ends"),
        (lambda: Range(1.0, float("inf")), "range 1..inf is not finite"),
        (lambda: rung_steps(9, 1), "the reduction factor is 1: give 2 or more"),
        (lambda: in_memory("gp"), "the sampler gp needs torch: pip install torch"),
        (lambda: Choice(()), "a choice has no value"),
        (lambda: Choice((1, 1)), "has 1 twice"),
        (lambda: Choice((1, 1.0)), "has 1 and 1.0, which are equal: give one"),
        (lambda: Choice((0.5, 1.0, True)), "has 1.0 and True, which are equal"),
        (lambda: Choice(((8, 8), "8x8")), "has '8x8' twice"),
        (lambda: in_memory("bayes"), "unknown sampler 'bayes': did you mean cmaes"),
        (lambda: in_memory("tpe", seed=-1), "seed of the search is -1"),
        (lambda: in_memory("cmaes", GRID), "cmaes needs two ranges or more"),
        (lambda: in_memory("grid"), "grid takes no range, and risk_weight has one"),
        (lambda: make_pruner("median"), "unknown pruner 'median'"),
        (lambda: run(in_memory(), space={}), "the space is empty"),
        (lambda: run(in_memory(), trials=0), "num_trials is 0: give 1 or more"),
        (lambda: run(in_memory(), lambda r: [1.0]), r"scores have shape \[1\]: give a"),
    ],
)
def test_bad_input_is_one_line(make, line, monkeypatch):
    monkeypatch.setattr(samplers.importlib.util, "find_spec", present_but("torch"))
    with pytest.raises(rj.InputError, match=line) as said:
        make()
    assert "\n" not in str(said.value)
