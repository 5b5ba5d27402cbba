"""Acting options of the evaluate command: one of several settings is selected."""

import csv
import json
import math
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax import policy as checkpoints
from ramac_jax.acting import AS_TRAINED, ActingOptions, describe
from ramac_jax.cli import evaluate, report
from ramac_jax.cli.runs.frontier import Frontier, Setting
from ramac_jax.cli.runs.selection import SELECTION_SEED, SelectionEpisodes

ASKED = ["--episodes", "3", "--horizon", "30", "--seed", "50"]
TO_SELECT = ["--episodes", "2", "--horizon", "30", "--seed", str(SELECTION_SEED)]
NAMES = ("temperature", "num_candidates", "risk_level")
SETTINGS = [(0.5, 3, 0.1), (0.5, 3, 0.9), (1.0, 3, 0.1), (1.0, 3, 0.9)]
GRID = "--temperatures .5 1 --risk-levels .1 .9 --num-candidates 3".split()
SELECTING = ["--selection-episodes", "2"]


@pytest.fixture
def run(untrained_run, tmp_path):
    return shutil.copytree(untrained_run, tmp_path / "run")


@pytest.fixture(scope="module")
def selected(untrained_run, tmp_path_factory):
    """The run, evaluated with four settings."""
    run = shutil.copytree(untrained_run, tmp_path_factory.mktemp("selected") / "run")
    evaluate.main([str(run), *ASKED, *GRID, *SELECTING])
    return run


def read(folder):
    return json.loads((folder / "evaluation.json").read_text())


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def flat(text):
    return " ".join(text.split())


def alone(run, out, setting, *words):
    """Evaluate one setting."""
    temperature, count, level = map(str, setting)
    numbers = ["--temperatures", temperature, "--risk-levels", level]
    words = [*words, *numbers, "--num-candidates", count, "--out", str(out)]
    evaluate.main([str(run), *words])
    return read(out)


def test_every_combination_plays_the_episodes_to_select_on(selected, tmp_path):
    record, rows = read(selected), table(selected / "frontier.csv")
    assert (selected / "frontier.png").is_file()
    assert [tuple(x[name] for name in NAMES) for x in record["frontier"]] == SETTINGS
    found = [(*(float(row[name]) for name in NAMES), row["seed"]) for row in rows]
    assert found == [(*each, seed) for each in SETTINGS for seed in "56"]
    means = [float(row["mean"]) for row in rows]
    first = record["frontier"][0]
    assert np.mean(means[:2]) == pytest.approx(first["mean"]["value"])
    assert means[4] != means[6]
    other = alone(selected, tmp_path, SETTINGS[3], *TO_SELECT)
    for figure in ("mean", "pooled_cvar"):
        assert record["frontier"][3][figure] == other["summary"][figure]


def test_all_candidates_at_temperature_0_are_one_setting(run, tmp_path, capsys):
    words = ["--temperatures", "0", *GRID[2:], *SELECTING]
    evaluate.main([str(run), *ASKED, *words])
    record, rows = read(run), table(run / "frontier.csv")
    found = [tuple(x[name] for name in NAMES) for x in record["frontier"]]
    assert found == [(0.0, 1, None), *SETTINGS[2:]]
    assert [x["risk_level"] for x in rows[::2]] == ["", "0.1", "0.9"]
    assert "│ 0 │ 1 │ - │" in flat(capsys.readouterr().out)
    alone = ["--temperatures", "0", "--out", str(tmp_path)]
    evaluate.main([str(run), *TO_SELECT, *alone])
    assert read(tmp_path)["summary"]["mean"] == record["frontier"][0]["mean"]


def test_the_best_tail_is_reported_on_other_episodes(selected, tmp_path):
    record = read(selected)
    tails = [x["pooled_cvar"]["value"] for x in record["frontier"]]
    best = int(np.argmax(tails))
    how = record["selection"]
    assert (how["measure"], how["selected"], how["num_settings"]) == ("cvar", best, 4)
    assert (how["episodes"], how["seed"]) == (2, SELECTION_SEED)
    acting = record["settings"]["acting"]
    assert tuple(acting[name] for name in NAMES) == SETTINGS[best]
    seeds = [int(row["episode_seed"]) for row in table(selected / "episodes.csv")]
    assert seeds == [50, 51, 52, 53, 54, 55]
    other = alone(selected, tmp_path, SETTINGS[best], *ASKED)
    assert other["summary"] == record["summary"]
    assert "frontier" not in other and "selection" not in other


def test_one_setting_leaves_no_table_of_several_behind(selected, tmp_path, capsys):
    run = shutil.copytree(selected, tmp_path / "run")
    record = alone(run, run, SETTINGS[3], *ASKED)
    assert "frontier" not in record
    assert not (run / "frontier.csv").exists() and not (run / "frontier.png").exists()
    printed = flat(capsys.readouterr().out)
    assert "temperature 1, best of 3 at level 0.9" in printed
    assert "select" not in printed


def test_the_table_and_the_report_name_both_kinds_of_episodes(run, tmp_path, capsys):
    words = ["--temperatures", "0", ".5", "--select", "mean", *SELECTING]
    evaluate.main([str(run), *ASKED, *words])
    record, shown = read(run), capsys.readouterr().out
    printed = flat(shown)
    means = [x["mean"]["value"] for x in record["frontier"]]
    temperature = (0.0, 0.5)[int(np.argmax(means))]
    assert record["settings"]["acting"]["temperature"] == temperature
    sentence = (
        "The setting is selected among 2 by the mean return of 2 episodes of each "
        "agent, with seeds from 1,000,000,000 on, and reported on 3 other episodes of "
        "each agent, with seeds from 50 on"
    )
    assert f"{sentence}." in printed
    (marked,) = (x for x in shown.splitlines() if x.endswith("* │"))
    assert marked.split()[1] == f"{temperature:g}"
    assert "*: selected" in printed
    assert "2 episodes of each seed to select on" in printed
    report.main([str(run), "--out", str(tmp_path / "report")])
    text = (tmp_path / "report" / "report.md").read_text()
    assert f"| rafmac, temperature {temperature:g}, selected among 2 |" in text
    assert f"- All: {sentence}.\n" in text


def test_a_softmax_of_the_values_is_a_setting_too(run):
    softmax = ["--softmax-temperatures", "0", "1000"]
    words = ["--num-candidates", "3", *softmax, *SELECTING]
    evaluate.main([str(run), *ASKED, *words])
    best, drawn = read(run)["frontier"]
    assert (best["softmax_temperature"], drawn["softmax_temperature"]) == (0, 1000)
    assert best["mean"] != drawn["mean"]


def test_candidates_are_ranked_at_the_level_of_training_by_default(run):
    evaluate.main([str(run), *ASKED, "--num-candidates", "2"])
    assert read(run)["settings"]["acting"]["risk_level"] == 0.25


def test_a_run_without_critics_is_played_at_any_temperature(run):
    policy = checkpoints.load_policy(run / "checkpoint")
    spec = policy.spec._replace(critic=None)
    zeros = jax.tree.map(jnp.zeros_like, policy.params)
    states = rj.State(policy.params, zeros, {}, {}, {}, {}, jnp.zeros(2, jnp.int32))
    checkpoints.save_policy(run / "checkpoint", states, spec)
    evaluate.main([str(run), *ASKED, "--temperatures", "0"])
    assert read(run)["settings"]["acting"]["temperature"] == 0.0
    with pytest.raises(rj.InputError, match="2 and there are no critics to rank"):
        evaluate.main([str(run), *ASKED, "--num-candidates", "2"])


def record_acting(run, acting):
    """Say in run.json how the agents acted in the evaluations of their run."""
    path = run / "run.json"
    record = json.loads(path.read_text()) | {"evaluation": {"acting": acting}}
    path.write_text(json.dumps(record))


def test_agents_act_as_in_the_evaluations_of_their_run(run, tmp_path, capsys):
    ranking = ActingOptions(0.5, 3, 0.9, 2.0)._asdict()
    record_acting(run, ranking)
    evaluate.main([str(run), *ASKED])
    assert read(run)["settings"]["acting"] == ranking
    assert "act as trained" not in capsys.readouterr().err
    with pytest.raises(rj.InputError, match="best of 3 candidates is asked for, and"):
        evaluate.main([str(run), *ASKED, "--temperatures", "0"])
    evaluate.main([str(run), *ASKED, "--num-candidates", "1"])
    assert read(run)["settings"]["acting"] == ActingOptions(0.5)._asdict()
    evaluate.main([str(run), *ASKED, "--num-candidates", "1", "--temperatures", "1"])
    assert "acting" not in read(run)["settings"]


@pytest.mark.parametrize(
    "acting",
    [
        3,
        {},
        {"temperature": 1.0},
        ActingOptions(temperature="cold")._asdict(),
        ActingOptions(temperature=-1.0)._asdict(),
        ActingOptions(temperature=10**400)._asdict(),
        ActingOptions(softmax_temperature=math.nan)._asdict(),
        ActingOptions(num_candidates=0)._asdict(),
        ActingOptions()._asdict() | {"more": 1},
    ],
)
def test_damaged_acting_options_of_a_run_are_refused(run, acting):
    record_acting(run, acting)
    with pytest.raises(rj.InputError, match=r"run.json is damaged: acting is"):
        evaluate.main([str(run), *ASKED])
    assert not (run / "evaluation.json").exists()


def test_agents_act_by_the_options_of_a_run_without_evaluations(run, capsys):
    path = run / "run.json"
    record = json.loads(path.read_text()) | {"evaluation": None}
    options = {f"acting_{x}": y for x, y in ActingOptions(0.5)._asdict().items()}
    for name in (None, "acting_softmax_temperature"):  # an older version had fewer
        options.pop(name, None)
        path.write_text(json.dumps(record | {"options": options}))
        evaluate.main([str(run), *ASKED])
        assert read(run)["settings"]["acting"]["temperature"] == 0.5
    path.write_text(json.dumps(record | {"options": {}}))
    evaluate.main([str(run), *ASKED])
    assert "acting" not in read(run)["settings"]
    assert "so they act as trained, at temperature 1" in flat(capsys.readouterr().err)


def setting(tail):
    figures = {"pooled_cvar": {"value": tail}, "mean": {"value": -(tail or 0.0)}}
    return Setting(AS_TRAINED, figures, [])


def test_settings_whose_episodes_all_failed_are_selected_last():
    selection = SelectionEpisodes("cvar", 0.1, 2, 3, 0)
    settings = [setting(None), setting(-3.0), setting(-1.0), setting(-1.0)]
    assert Frontier(settings, selection).selected == 2  # of equal ones the first
    assert Frontier(settings[:1] * 2, selection).selected == 0
    by_mean = Frontier(settings[1:], SelectionEpisodes("mean", 0.1, 2, 3, 0))
    assert by_mean.selected == 0


def test_settings_are_described_in_a_few_words():
    assert describe(AS_TRAINED) == ""
    assert describe(ActingOptions(0.5)) == "temperature 0.5"
    best = ActingOptions(1.0, 8, 0.1)
    assert describe(best) == "temperature 1, best of 8 at level 0.1"
    drawn = best._replace(softmax_temperature=2.0)
    assert describe(drawn) == "temperature 1, one of 8 by softmax 2 at level 0.1"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--temperatures 1 -1", "temperature is -1: it must be at least 0"),
        ("--temperatures nan", "temperature is nan: it must be at least 0"),
        ("--temperatures 1 1.0", "--temperatures must have one value or more"),
        ("--num-candidates 0", "num_candidates is 0: give 1 or more"),
        (
            "--risk-levels .5",
            "--risk-levels choose among candidates: give --num-candidates 2 or more",
        ),
        (
            "--softmax-temperatures .5",
            "--softmax-temperatures choose among candidates: give --num-candidates 2",
        ),
        (
            "--num-candidates 2 --risk-levels .5 1.5",
            "risk_level is 1.5: it must be above 0 and at most 1",
        ),
        (
            "--num-candidates 2 --softmax-temperatures -1",
            "softmax_temperature is -1: it must be at least 0",
        ),
        ("--select tail", "unknown measure 'tail'"),
        ("--selection-episodes 0", "--selection-episodes is 0: give 1 or more"),
        (
            "--temperatures 0 1 --seed 999999999",
            "--seed is 999999999: the episodes from 1,000,000,000 on select",
        ),
    ],
)
def test_bad_input_is_one_line_and_touches_nothing(run, words, message):
    with pytest.raises(rj.InputError, match=message) as refused:
        evaluate.main([str(run), *words.split()])
    assert "\n" not in str(refused.value)
    assert {x.name for x in run.iterdir()} == {"checkpoint", "run.json"}
