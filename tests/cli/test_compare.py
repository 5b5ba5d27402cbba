"""Comparisons: the runs they train, the tables they write, and bad input."""

import json
import math
import shutil

import gymnasium as gym
import minari
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.cli import compare, data
from ramac_jax.cli.agents import ROBOT_AGENTS
from ramac_jax.cli.options import presets
from ramac_jax.cli.reporting import comparison
from ramac_jax.cli.runs.comparison import Row
from ramac_jax.evaluation import Interval
from ramac_jax.files import write_json
from ramac_jax.tasks import TASKS

TASK, SOURCE = "hopper-medium-replay", "made/hopper/mixed-v0"
TINY = {
    "batch_size": 8,
    "log_every": 2,
    "actor_widths": (8,),
    "critic_width": 8,
    "embedding_width": 8,
    "num_cosines": 4,
    "num_quantiles": 4,
    "horizon": "6",
    "num_steps": 40,
    "bc_steps": 20,
    "risk_warmup": 10.0,
    "risk_ramp": 20.0,
    "decay_steps": 40.0,
}
BASE = ["--tasks", TASK, "--num-seeds", "2", "--num-steps", "4", "--episodes", "3"]
AGENTS = ["bc-vae", "radac"]

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:minari")


@pytest.fixture(scope="module", autouse=True)
def tiny(tmp_path_factory, leaning_hopper):
    """Make the stochastic dataset of the leaning hopper, and tiny presets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(tmp_path_factory.mktemp("datasets")))
        env = gym.make("Hopper-v5", disable_env_checker=True)
        minari.create_dataset_from_buffers(SOURCE, leaning_hopper(), env=env)
        data.main(["relabel", "--task", TASK, "--source", SOURCE])
        for name in ("bc-vae", "bc-flow", "radac"):
            preset = f"{TASK}/{name}"
            patch.setitem(presets.PRESETS, preset, presets.PRESETS[preset] | TINY)
        yield


@pytest.fixture(scope="module")
def out(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared") / "out"
    compare.main([*BASE, "--agents", *AGENTS, "--out", str(folder)])
    return folder


def read(out):
    return json.loads((out / "comparison.json").read_text())


def test_one_row_for_each_agent_and_task(out):
    rows = read(out)["rows"]
    assert [(row["task"], row["agent"]) for row in rows] == [(TASK, x) for x in AGENTS]
    for row in rows:
        assert row["num_episodes"] == 3
        names = {"mean", "cvar", "risky_share", "ood_nearest", "ood_density"}
        assert row["figures"].keys() == names
        for figure in row["figures"].values():
            assert figure["low"] <= figure["value"] <= figure["high"]
    assert rows[0]["paper"] is None
    assert rows[1]["paper"] == {"mean": 386, "cvar": -8}


def test_agents_are_compared_as_they_act(tiny, tmp_path):
    acting = ["--acting-temperature", "0.5"]
    compare.main([*BASE, "--agents", "bc-flow", *acting, "--out", str(tmp_path)])
    (row,) = read(tmp_path)["rows"]
    assert (row["agent"], row["acting"]) == ("bc-flow", "temperature 0.5")
    record = json.loads((tmp_path / TASK / "bc-flow" / "run.json").read_text())
    assert record["options"]["acting_temperature"] == 0.5
    assert record["evaluation"]["acting"]["temperature"] == 0.5
    for name in ("comparison.md", "report.md"):
        assert "| bc-flow, temperature 0.5 |" in (tmp_path / name).read_text()
    with pytest.raises(rj.InputError, match="acting_temperature 0.5, not 0.0"):
        compare.main([*BASE, "--agents", "bc-flow", "--out", str(tmp_path)])


def test_the_schedule_shrinks_with_the_number_of_steps(out):
    record = json.loads((out / TASK / "radac" / "run.json").read_text())
    assert record["options"]["num_steps"] == 4
    assert record["options"]["bc_steps"] == 20
    assert record["options"]["eval_every"] is None
    lengths = ("risk_warmup", "risk_ramp", "decay_steps")
    assert [record["hyperparams"][x] for x in lengths] == [1, 2, 4]


def test_tables_and_figures_are_written(out):
    text = (out / "comparison.md").read_text()
    assert f"--agents {' '.join(AGENTS)}" in text
    assert (
        "| agent | mean | CVaR 0.1 | risky, % | paper: mean | paper: CVaR 0.1 |" in text
    )
    assert "| agent | by neighbour, % | by density, % |" in text
    assert "cannot be equal to ours" in text
    for kind in ("returns", "risk-return", "monitored"):
        assert (out / f"{TASK}-{kind}.png").is_file()
    assert (out / "report.tex").is_file() and (out / "profiles.png").is_file()
    assert (out / f"{TASK}-comparison.png").is_file()


def test_the_figure_shows_the_numbers_of_the_table():
    numbers = {"mean": Interval(7.0, 6.0, 8.0), "cvar": Interval(3.0, 1.0, 5.0)}
    rows = [Row(TASK, "radac", numbers, 2, acting="temperature 0.5")]
    (axis,) = comparison.draw(rows, 0.1).axes
    assert [line.get_xydata().tolist()[0] for line in axis.lines][0] == [3.0, 7.0]
    assert [x.get_text() for x in axis.texts] == ["radac, temperature 0.5"]
    assert "mean over seeds" in axis.get_xlabel()


def test_a_finished_run_is_not_trained_again(out, monkeypatch):
    before, run, trained = read(out)["rows"], compare.train.train, []

    def noted(arguments, argv):
        trained.append(arguments.settings.preset)
        return run(arguments, argv)

    monkeypatch.setattr(compare.train, "train", noted)
    compare.main([*BASE, "--agents", *AGENTS, "bc-flow", "--out", str(out)])
    assert trained == [f"{TASK}/bc-flow"]
    assert read(out)["rows"][:2] == before


def test_agents_that_another_folder_scored_are_not_trained(out, tmp_path, monkeypatch):
    monkeypatch.setattr(compare.train, "train", None)  # no call of it succeeds
    half = tmp_path / "half"
    half.mkdir()
    record = read(out)
    first, second = record["rows"][:2]
    (half / "comparison.json").write_text(json.dumps(record | {"rows": [second]}))
    shutil.copytree(out / TASK / "bc-vae", tmp_path / "out" / TASK / "bc-vae")
    words = ["--agents", *AGENTS, "--join", str(half), "--out", str(tmp_path / "out")]
    compare.main([*BASE, *words])
    assert read(tmp_path / "out")["rows"] == [first, second]
    assert "radac" not in (tmp_path / "out" / "report.md").read_text()
    other = [score | {"data_sha256": "0"} for score in second["scores"]]
    text = json.dumps(record | {"rows": [second | {"scores": other}]})
    (half / "comparison.json").write_text(text)
    for name in ("out", "new"):  # where a run is finished, and where none is
        words[-1] = str(tmp_path / name)
        with pytest.raises(rj.InputError, match="data of another hash than those here"):
            compare.main([*BASE, *words])
    assert not (tmp_path / "new").exists()


def test_other_options_than_those_of_a_finished_run_are_refused(out):
    words = [*BASE, "--agents", "radac", "--out", str(out), "--num-steps", "6"]
    with pytest.raises(rj.InputError, match="holds a run with .* 4, not 6"):
        compare.main(words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--tasks hoper-medium-replay", "unknown task 'hoper-medium-replay'"),
        (f"--tasks {TASK} --agents radacc", "unknown agent 'radacc'"),
        (f"--tasks {TASK} --num-seeds 0", "--num-seeds is 0: give 1 or more"),
        ("--tasks bandit --agents neutral", "--agents names none of the bandit"),
        ("--tasks bandit --level 0.2", "--level is 0.2: the bandit is scored at 0.1"),
        ("--tasks bandit --tune-seeds 2", "--tune-seeds is 2 and nothing is tuned"),
        (f"--tasks {TASK} --level 5", "--level is 5: give one above 0"),
        ("--tasks", "--tasks names none"),
        (
            f"--tasks {TASK} --agents bc-vae --acting-num-candidates 4",
            f"^bc-vae on {TASK}: --acting-num-candidates is 4, and behaviour cloning",
        ),
        (
            f"--tasks {TASK} --agents radac --acting-num-candidates 4",
            f"^radac on {TASK}: .* at temperature 0 all candidates are one action",
        ),
        (
            "--tasks bandit --risk-level 0.05",
            "--risk-level is for robots: the bandit's agents have their own",
        ),
        (
            f"--tasks {TASK} --agents neutral bc-vae --risk-level 0.05",
            "--risk-level is for agents that seek a tail: name one",
        ),
        (f"--tasks {TASK} --agents radac --risk-level 0", "radac on .*risk_level is 0"),
        (
            "--tasks bandit --acting-temperature 0",
            "--acting-temperature is for robots: the bandit's agents act as trained",
        ),
    ],
)
def test_bad_input_is_refused_before_any_work(tmp_path, words, message):
    out = tmp_path / "new"
    with pytest.raises(rj.InputError, match=message):
        compare.main([*words.split(), "--out", str(out)])
    assert not out.exists()


def test_agents_that_seek_a_tail_learn_at_the_level_asked_for():
    words = [*BASE, "--agents", "radac", "neutral", "bc-vae", "--out", "any"]
    for asked, level in (([], 0.1), (["--risk-level", "0.05"], 0.05)):
        plans = compare.make_plans(compare.parse([*words, *asked]))
        levels = [x.options.hyperparams.risk_level for x in plans]
        assert levels == [level, 0.1, 0.1]
        assert ["risk_level" in x.words for x in plans] == [bool(asked), False, False]


def bandit_record():
    names = ("mean", "cvar", "ring", "centre", "ood", "ood_nearest", "ood_density")
    seeds = [dict.fromkeys(names, 0.5), dict.fromkeys(names, 0.7)]
    detection = {"nearest": {"false_positive_rate": 0.03}}
    policies = [
        {"name": name, "seeds": seeds, "diverged": diverged}
        for name, diverged in (("radac", []), ("rafmac", [1]))
    ]
    theory = {"policies": {}, "leakage": {}}
    return {"policies": policies, "detection": detection, "theory": theory}


def test_the_bandit_is_trained_once(tmp_path, monkeypatch, capsys):
    asked = []

    def run(arguments):
        asked.append(arguments.agents)
        lasting = compare.bandit.lasting_options(arguments) | {"radii": [0.5]}
        record = bandit_record() | {"options": lasting}
        arguments.out.mkdir(parents=True)
        write_json(arguments.out / "bandit.json", record)
        return record

    monkeypatch.setattr(compare.bandit, "run", run)
    base = ["--tasks", "bandit", "--out", str(tmp_path), "--agents"]
    for agents in (["radac", "rafmac", "neutral"], ["rafmac"]):
        with pytest.raises(SystemExit) as ended:  # a seed of RAFMAC has diverged
            compare.main([*base, *agents])
        assert ended.value.code == 1
        assert "rafmac: 1 of 2 seeds diverged" in capsys.readouterr().err
    assert asked == [("radac", "rafmac")]
    (row,) = read(tmp_path)["rows"]
    assert (row["agent"], row["frozen"]) == ("rafmac", 1)
    assert row["figures"]["ood"]["value"] == pytest.approx(0.6)
    # Student's interval of .5 and .7 exceeds [0, 1].
    assert (row["figures"]["ood"]["low"], row["figures"]["ood"]["high"]) == (0.0, 1.0)
    text = (tmp_path / "comparison.md").read_text()
    assert "in truth, %" in text and "cannot be equal" not in text
    for words, message in [
        (["radac", "--num-seeds", "2"], "num_seeds 3, not 2"),
        (["cql"], "holds no run of cql: remove the folder"),
    ]:
        with pytest.raises(rj.InputError, match=message):
            compare.main([*base, *words])


def test_a_damaged_record_of_the_bandit_is_refused(tmp_path):
    folder = tmp_path / "bandit"
    folder.mkdir()
    base = ["--tasks", "bandit", "--out", str(tmp_path), "--agents", "radac"]
    for text, message in [("{", "cannot read"), ("{}", "holds no run of radac")]:
        (folder / "bandit.json").write_text(text)
        with pytest.raises(rj.InputError, match=message):
            compare.main(base)


def test_a_table_equals_one_made_by_hand():
    figures = {
        "mean": Interval(1234.0, 1200.0, 1300.0),
        "ood_nearest": Interval(0.051, math.nan, math.nan),
    }
    row = Row("hopper-medium-expert", "oraac", figures, 3, frozen=1)
    other = row._replace(agent="bc-vae", frozen=0)
    assert comparison.table_of([row, other], comparison.RESULTS, 0.1) == [
        ["agent", "mean", "paper: mean", "paper: CVaR 0.1"],
        ["oraac (1 of 3 diverged)", "1234 [1200, 1300]", "714", "375"],
        ["bc-vae", "1234 [1200, 1300]", "-", "-"],
    ]
    assert comparison.table_of([row], comparison.OOD, 0.1) == [
        ["agent", "by neighbour, %", "paper, %"],
        ["oraac (1 of 3 diverged)", "5.10", "11.6"],
    ]


def test_cvars_of_different_numbers_of_episodes_are_not_compared_without_a_word():
    """As after `ramac evaluate --episodes` of some of the runs."""
    row = Row(TASK, "radac", {"cvar": Interval(1.0, 0.0, 2.0)}, 2, num_episodes=100)
    rows = [row, row._replace(agent="bc-vae", num_episodes=20)]
    note = f"the CVaRs of {TASK} are of different numbers of episodes"
    text = comparison.markdown(rows, 0.1)
    assert f"Note: {note} (seeds x episodes: radac 2 x 100, bc-vae 2 x 20)" in text
    assert comparison.terminal(rows, 0.1).caption.startswith(f"note: {note}")
    for same in (rows[:1] * 2, [row._replace(num_episodes=None)] * 2):
        assert "Note" not in comparison.markdown(same, 0.1)
        assert comparison.terminal(same, 0.1).caption is None


def test_every_number_of_the_paper_belongs_to_a_task_and_an_agent():
    reported = comparison.paper_figures()
    assert set(reported) == set(TASKS) - {"hopper-medium-expert-older"}
    for agents in reported.values():
        assert len(agents) == 7 and set(agents) <= set(ROBOT_AGENTS)
        for figures in agents.values():
            assert {"mean", "cvar"} <= figures.keys() <= {"mean", "cvar", "ood"}
            assert np.isfinite(list(figures.values())).all()
