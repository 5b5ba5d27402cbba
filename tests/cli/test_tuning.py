"""Tuning before a comparison: what is tried, what is selected, and what is refused."""

import csv
import json

import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.cli import compare, evaluate, tuning
from ramac_jax.cli.options import presets
from ramac_jax.cli.reporting.comparison_files import stored_tasks
from ramac_jax.cli.runs.comparison import Row
from tests.cli.test_compare import BASE, TASK, tiny

__all__ = ["tiny"]  # the datasets and the small presets
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::UserWarning:minari"),
]
TUNE = "--tune-factors 0.5 2 --tune-temperatures 0 1 --tune-episodes 2".split()
WORDS = [*BASE, "--agents", "bc-flow", "radac", "--bc-steps", "2", *TUNE]
WEIGHT = 0.01  # of radac, before its task is tuned


@pytest.fixture(scope="module")
def out(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuned") / "out"
    assert presets.PRESETS[f"{TASK}/radac"]["risk_weight"] != WEIGHT
    compare.main([*WORDS, "--out", str(folder)])
    return folder


def read(path):
    return json.loads(path.read_text())


def test_every_setting_is_tried_on_other_seeds_and_the_best_is_trained(out):
    found = read(out / "tuning" / TASK / "radac" / "tuning.json")
    pairs = [(x["value"], x["temperature"]) for x in found["tried"]]
    assert sorted(pairs) == [(w * WEIGHT, t) for w in (0.5, 2.0) for t in (0.0, 1.0)]
    assert found["selected"]["cvar"] == max(x["cvar"] for x in found["tried"])
    run = read(out / TASK / "radac" / "run.json")
    assert run["hyperparams"]["risk_weight"] == found["selected"]["value"]
    assert run["options"]["acting_temperature"] == found["selected"]["temperature"]
    assert run["options"]["bc_steps"] == 2
    assert not {*run["seeds"]} & {*found["seeds"]}


def test_the_figures_of_a_setting_are_those_of_its_episodes(out, tmp_path):
    """The command for users plays the first agent again, in the same episodes."""
    folder = out / "tuning" / TASK / "radac"
    tried = read(folder / "tuning.json")["tried"]
    words = "--episodes 2 --seed 1000000000 --horizon 6 --temperatures 0 --out"
    agents = str(folder / "agents" / "0")
    evaluate.main([agents, "--task", TASK, *words.split(), str(tmp_path)])
    rows = [*csv.DictReader((tmp_path / "episodes.csv").open())]
    returns = np.array([float(x["return"]) for x in rows]).reshape(2, 2)
    first = next(x for x in tried if x["temperature"] == 0.0)
    assert first["value"] == 0.5 * WEIGHT
    np.testing.assert_allclose(first["mean"], returns[0].mean(), rtol=1e-6)


def test_agents_of_one_seed_play_the_same_episodes(out, monkeypatch):
    numbers = []

    def note(*words, **others):
        numbers.append(others["numbers"])
        raise RuntimeError

    monkeypatch.setattr(tuning, "play", note)
    arguments = compare.parse([*WORDS, "--out", str(out)])
    (plan,) = (x for x in compare.make_plans(arguments) if x.agent == "radac")
    with pytest.raises(RuntimeError):
        tuning.play_settings(tuning.tuning_of(plan, arguments), [(0, 1000), (1, 1000)])
    assert numbers == [[0, 0]]


def test_cloning_tries_temperatures_alone(out):
    found = read(out / "tuning" / TASK / "bc-flow" / "tuning.json")
    assert [x["temperature"] for x in found["tried"]] == [0.0, 1.0]
    run = read(out / TASK / "bc-flow" / "run.json")
    assert run["hyperparams"]["bc_weight"] == 1.0


def test_scores_have_a_row_for_each_seed(out):
    rows = [*csv.DictReader((out / "scores.csv").open())]
    assert [(x["agent"], x["seed"]) for x in rows] == [
        (agent, seed) for agent in ("bc-flow", "radac") for seed in "01"
    ]
    for row in rows:
        record = read(out / TASK / row["agent"] / "run.json")
        assert row["data_sha256"] == record["datasets"][0]["sha256"]
        assert row["commit"] == (record["git_commit"] or "")
        assert float(row["risk_weight"]) == record["hyperparams"]["risk_weight"]
        assert (row["episodes"], row["bc_updates"], row["updates"]) == ("3", "2", "4")
        episodes = (out / TASK / row["agent"] / "episodes.csv").open()
        own = [x for x in csv.DictReader(episodes) if x["seed"] == row["seed"]]
        for column, name in (("mean", "return"), ("base_mean", "base_return")):
            mean = np.mean([float(x[name]) for x in own])
            np.testing.assert_allclose(float(row[column]), mean)


def test_a_tuned_comparison_is_resumed_without_trying_again(out, monkeypatch):
    monkeypatch.setattr(tuning, "train_settings", None)
    monkeypatch.setattr(compare.train, "train", None)
    before = (out / "scores.csv").read_bytes()
    compare.main([*WORDS, "--out", str(out)])
    assert (out / "scores.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tune-factors", "1", "2"], r"values \[0.005, 0.02\], not \[0.01, 0.02\]"),
        (["--tune-seeds", "2"], r"has seeds \[1000\], not"),
        (["--num-steps", "6"], "has options .* give another --out"),
        (["--level", "0.3"], "has options .* give another --out"),
        (["--tasks", "bandit", TASK], "are for robots: the bandit's agents"),
        (["--tune-factors", "1", "1.0000001"], "each value once in six digits"),
        (["--tune-factors", "1", "1"], "--tune-factors must have each value once"),
        (["--tune-temperatures", "-1"], "--tune-temperatures must have finite values"),
        (["--tune-episodes", "0"], "--tune-episodes is 0: give 1 or more"),
        (["--num-seeds", "1001"], "--num-seeds is 1001: seeds from 1,000 on tune"),
        (["--acting-temperature", "0.5"], "exclude each other"),
        (["--acting-num-candidates", "4"], "--tune-temperatures has 0, at which all"),
        (
            ["--tune-factors", "1", "--tune-temperatures"],
            "name one setting, so that nothing is selected",
        ),
        (
            ["--tune-factors", "--tune-temperatures"],
            "--tune-episodes is 2 and nothing is tuned: give --tune-factors or",
        ),
    ],
)
def test_other_settings_are_refused(out, words, message):
    with pytest.raises(rj.InputError, match=message):
        compare.main([*WORDS, "--out", str(out), *words])


def test_a_run_that_was_not_tuned_is_refused(out, tmp_path):
    (tmp_path / TASK / "bc-flow").mkdir(parents=True)
    record = out / TASK / "bc-flow" / "run.json"
    (tmp_path / TASK / "bc-flow" / "run.json").write_bytes(record.read_bytes())
    with pytest.raises(rj.InputError, match="holds a run that was not tuned"):
        compare.main([*WORDS, "--out", str(tmp_path)])


@pytest.mark.parametrize("damage", [{"selected": None}, {"selected": {}}])
def test_a_damaged_record_is_refused(out, tmp_path, damage):
    folder = tmp_path / "tuning" / TASK / "radac"
    folder.mkdir(parents=True)
    record = read(out / "tuning" / TASK / "radac" / "tuning.json") | damage
    (folder / "tuning.json").write_text(json.dumps(record))
    with pytest.raises(rj.InputError, match="is damaged, it names no setting"):
        compare.main([*WORDS, "--agents", "radac", "--out", str(tmp_path)])


def test_the_single_setting_of_cloning_needs_no_trial(tiny, tmp_path):
    words = ["--agents", "bc-flow", "radac", "--out", str(tmp_path)]
    arguments = compare.parse([*BASE, *words, "--tune-factors", "0.5", "2"])
    cloned, untried = (
        tuning.read_tuned(tuning.tuning_of(plan, arguments))
        for plan in compare.make_plans(arguments)
    )
    assert cloned.options.hyperparams.bc_weight == 1.0
    assert untried is None
    # A share of a comparison may clone alone: its rows are joined under one option.
    arguments = compare.parse(
        [*BASE, *words, "--tune-factors", "2", "3", "--agents", "bc-flow"]
    )
    assert [x.agent for x in compare.make_plans(arguments)] == ["bc-flow"]
    assert not list(tmp_path.iterdir())


def test_temperatures_of_ranked_candidates_are_tuned(tiny, tmp_path):
    words = ["--agents", "radac", "--out", str(tmp_path), "--acting-num-candidates"]
    arguments = compare.parse([*BASE, *words, "4", "--tune-temperatures", "0.5", "1"])
    compare.check_arguments(arguments)
    (plan,) = compare.make_plans(arguments)
    tried = tuning.tuning_of(plan, arguments)
    assert tried.temperatures == (0.5, 1.0)
    selected = tuning.with_setting(tried, {"value": 0.1, "temperature": 1.0})
    assert selected.options.evaluation.acting_temperature == 1.0


def test_a_tuning_by_another_preset_is_refused(out, monkeypatch):
    preset = presets.PRESETS[f"{TASK}/radac"]
    changed = preset | {"critic_learning_rate": 0.5}
    monkeypatch.setitem(presets.PRESETS, f"{TASK}/radac", changed)
    message = r"holds a run with .*critic_learning_rate 0.003, not 0.5"
    with pytest.raises(rj.InputError, match=message):
        compare.main([*WORDS, "--out", str(out), "--dry-run"])


def test_a_preset_may_take_what_its_study_selected(out, monkeypatch):
    """The trials read neither the weight nor the temperature of the preset."""
    preset = presets.PRESETS[f"{TASK}/radac"]
    changed = preset | {"risk_weight": 0.7, "acting_temperature": 0.5}
    monkeypatch.setitem(presets.PRESETS, f"{TASK}/radac", changed)
    arguments = compare.parse([*WORDS, "--out", str(out)])
    (plan,) = (x for x in compare.make_plans(arguments) if x.agent == "radac")
    found = read(out / "tuning" / TASK / "radac" / "tuning.json")["selected"]
    tuned = tuning.read_tuned(tuning.tuning_of(plan, arguments))
    assert tuned.options.hyperparams.risk_weight == found["value"]


def test_an_interrupted_tuning_of_other_settings_is_refused_at_once(out, tmp_path):
    folder = tmp_path / "tuning" / TASK / "radac"
    folder.mkdir(parents=True)
    record = read(out / "tuning" / TASK / "radac" / "sweep.json")
    record |= {"status": "interrupted"}
    (folder / "sweep.json").write_text(json.dumps(record))
    words = [*WORDS, "--agents", "radac", "--out", str(tmp_path), "--dry-run"]
    compare.main(words)
    with pytest.raises(rj.InputError, match="holds a run with options.grid"):
        compare.main([*words, "--tune-factors", "0.5", "3"])


def test_where_all_settings_diverge_that_of_the_preset_is_taken(
    tiny, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(tuning, "train_settings", lambda asked: [(0, 1000), (1, 1000)])
    bad = {"mean": np.nan, "cvar": np.nan, "risky_share": 0.0}
    monkeypatch.setattr(
        tuning, "play_settings", lambda *_: {0.0: [bad] * 2, 1.0: [bad] * 2}
    )
    words = ["--agents", "radac", "--tune-factors", "9", "1", "--out", str(tmp_path)]
    arguments = compare.parse([*WORDS, *words])
    (plan,) = compare.make_plans(arguments)
    asked = tuning.tuning_of(plan, arguments)
    asked.out.mkdir(parents=True)
    tuned = tuning.tune(asked)
    assert "all settings diverge" in capsys.readouterr().err
    assert tuning.remark_on_tuned(asked) is None
    assert tuned.options.hyperparams.risk_weight == WEIGHT
    assert tuned.options.evaluation.acting_temperature == 0.0


def test_a_selected_weight_at_the_edge_of_those_tried_is_pointed_out(
    tiny, tmp_path, monkeypatch
):
    numbers = [(setting, 1000) for setting in range(3)]
    monkeypatch.setattr(tuning, "train_settings", lambda asked: numbers)
    found = [{"mean": 0.0, "cvar": x, "risky_share": 0.0} for x in (1.0, 2.0, 3.0)]
    monkeypatch.setattr(tuning, "play_settings", lambda *_: {0.0: found})
    words = ["--agents", "radac", "--tune-temperatures", "0", "--out", str(tmp_path)]
    for factors, said in (("1 2 3", True), ("1 3 2", False)):
        arguments = compare.parse([*WORDS, *words, "--tune-factors", *factors.split()])
        (plan,) = compare.make_plans(arguments)
        asked = tuning.tuning_of(plan, arguments)
        asked.out.mkdir(parents=True, exist_ok=True)
        tuning.tune(asked)
        remark = tuning.remark_on_tuned(asked) or ""
        edge = "The best risk_weight is the largest that was tried"
        assert remark.startswith(edge) == said


def test_the_remark_on_a_selected_weight_names_the_agent(out, monkeypatch, capsys):
    monkeypatch.setattr(compare, "remark_on_tuned", lambda asked: f"{asked.weight}.")
    compare.main([*WORDS, "--out", str(out)])
    assert f"radac on {TASK}: risk_weight.\n" in capsys.readouterr().err


def test_a_task_that_is_compared_again_hides_no_other(out):
    stored = stored_tasks(compare.parse([*WORDS, "--out", str(out)]))
    assert stored == {TASK}
    words = ["--tasks", "walker2d-medium-expert", TASK, "--out", str(out)]
    plans = compare.make_plans(compare.parse([*WORDS, *words]))
    known = Row("walker2d-medium-expert", "radac", {}, 2)
    assert compare.tasks_left(plans, compare.Comparison([known], {}, [])) & stored
    known = Row(TASK, "radac", {}, 2)
    assert not compare.tasks_left(plans, compare.Comparison([known], {}, [])) & stored
