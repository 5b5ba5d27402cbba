"""Tables over finished runs, whose episodes are known."""

import json

import matplotlib.image
import numpy as np
import pytest

from experiments import console, report
from experiments.scoring import make_settings, write_evaluation
from ramac_jax.evaluation import Episodes, summarise

TASK, SEEDS = "hopper-medium-expert", [3, 4]


def write_run(folder, returns, preset=f"{TASK}/radac", task=TASK):
    """Leave what experiments.train would: two seeds, episodes of two steps."""
    returns = np.asarray(returns, float)
    failed = np.isnan(returns)
    monitored = np.full((*returns.shape, 4), np.nan, np.float32)
    monitored[..., 0], monitored[..., 1] = 0.0, 0.25  # safe, then risky
    episodes = Episodes(
        episode_seed=np.tile(np.arange(returns.shape[1]), (2, 1)),
        returns=returns,
        length=np.full(returns.shape, 2),
        risky_steps=np.full(returns.shape, 1),
        penalties=np.zeros(returns.shape),
        base_return=returns,
        failed=failed,
        monitored=monitored,
    )
    settings = make_settings(TASK, None, "4", episodes=returns.shape[1])
    summary = summarise(episodes, SEEDS, reference=settings.reference)
    write_evaluation(folder, episodes, summary, SEEDS, settings, "evaluate")
    record = {"task": task, "preset": preset, "seeds": SEEDS}
    (folder / "run.json").write_text(json.dumps(record))
    return str(folder)


@pytest.fixture
def runs(tmp_path):
    safe = [[100.0] * 10, [100.0] * 10]
    risky = [[-300.0] + [200.0] * 9, [100.0] + [200.0] * 9]
    return [
        write_run(tmp_path / "a", safe),
        write_run(tmp_path / "b", risky, preset=f"{TASK}/bc-diffusion"),
    ]


def test_the_table_holds_the_figures_worked_by_hand(runs, tmp_path, capsys):
    out = tmp_path / "report"
    report.main([*runs, "--out", str(out)])
    first, second = (out / "report.md").read_text().splitlines()[2:4]
    titles = (out / "report.md").read_text().splitlines()[0].split(" | ")
    cells = dict(zip(titles, second.split(" | "), strict=True))
    # Both seeds: the mean of -300, 100 and 18 times 200; the worst two of twenty.
    assert cells["mean"].startswith("170 [")
    assert cells["CVaR 0.1"].startswith("-100 [")
    assert cells["CVaR 0.1 per seed"].startswith("-100 [")
    assert cells["IQM"].startswith("200 [")
    assert cells["risky steps, %"] == "50.0 [50.0, 50.0]"
    assert cells["policy"] == "bc-diffusion"
    assert "100 [100, 100]" in first
    record = json.loads((out / "report.json").read_text())
    assert [run["name"] for run in record["runs"]] == ["radac", "bc-diffusion"]
    assert record["runs"][1]["summary"]["mean"]["value"] == 170.0
    latex = (out / "report.tex").read_text()
    assert latex.count(r"\\") == 3
    assert r"risky steps, \%" in latex
    assert all(line.count("&") == 8 for line in latex.splitlines() if "&" in line)
    assert "bc-diffusion" in capsys.readouterr().out
    for kind in ("returns", "risk-return", "monitored"):
        image = matplotlib.image.imread(out / f"{TASK}-{kind}.png")
        assert image[..., :3].std() > 0.01  # something is drawn


def test_another_level_and_other_names(runs, tmp_path):
    out = tmp_path / "report"
    report.main([*runs, "--out", str(out), "--level", "0.5", "--names", "x", "y"])
    text = (out / "report.md").read_text()
    assert "CVaR 0.5" in text
    assert "| x |" in text
    # The worst half of twenty: -300, 100 and eight times 200.
    assert "140 [" in text.splitlines()[3]


def test_failed_episodes_are_left_out_and_told(tmp_path):
    returns = [[np.nan] + [10.0] * 9, [10.0] * 10]
    out = tmp_path / "report"
    report.main([write_run(tmp_path / "a", returns), "--out", str(out)])
    text = (out / "report.md").read_text()
    assert "10.0 [10.0, 10.0]" in text
    assert "1 of 20 episodes failed" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--names", "x"], "--names has 1 names for 2 runs"),
        (["--level", "0"], "--level is 0"),
        (["nowhere"], "nowhere holds no run to report"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    runs, options, message, tmp_path, capsys
):
    out = tmp_path / "report"
    argv = [*runs, *options] if options[0].startswith("--") else options
    with pytest.raises(SystemExit) as ended:
        console.exit_on_bad_input(lambda: report.main([*argv, "--out", str(out)]))()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert message in said
    assert not out.exists()


@pytest.mark.parametrize("damaged", ["episodes.csv", "monitored.npz", "run.json"])
def test_a_damaged_run_is_named(runs, damaged, tmp_path, capsys):
    (tmp_path / "a" / damaged).write_text("not this")
    with pytest.raises(SystemExit) as ended:
        out = ["--out", str(tmp_path / "report")]
        console.exit_on_bad_input(lambda: report.main([*runs, *out]))()
    assert ended.value.code == 2
    assert str(tmp_path / "a") in capsys.readouterr().err


def test_a_run_without_a_task_is_refused(tmp_path, capsys):
    run = write_run(tmp_path / "a", np.ones((2, 10)), task=None)
    with pytest.raises(SystemExit):
        out = ["--out", str(tmp_path / "report")]
        console.exit_on_bad_input(lambda: report.main([run, *out]))()
    assert "is a run without a task" in capsys.readouterr().err
