"""Reports of finished runs with known episodes."""

import json
import shutil
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec

from ramac_jax import InputError
from ramac_jax.cli import process, report
from ramac_jax.cli.runs.protocol import make_protocol
from ramac_jax.cli.runs.results import read_evaluation, write_evaluation
from ramac_jax.evaluation import Episodes
from ramac_jax.evaluation.intervals import OVER_EPISODES
from tests import episodes

TASK, SEEDS = "hopper-medium-expert", [3, 4]


def write_run(folder, returns, preset=f"{TASK}/radac", task=TASK, env=None, **options):
    """Write what `ramac train` writes: two seeds, episodes of two steps."""
    returns = np.asarray(returns, float)
    failed = np.isnan(returns)
    monitored = np.full((*returns.shape, 4), np.nan, np.float32)
    monitored[..., 0], monitored[..., 1] = 0.0, 0.25  # safe, then risky
    played = Episodes(
        episode_seed=np.tile(np.arange(returns.shape[1]), (2, 1)),
        returns=returns,
        length=np.full(returns.shape, 2),
        risky_steps=np.full(returns.shape, 1),
        penalties=np.zeros(returns.shape),
        base_return=returns,
        failed=failed,
        monitored=monitored,
    )
    options |= {"episodes": returns.shape[1]}
    protocol = make_protocol(task, env, "4", **options)
    run = {"preset": preset}
    write_evaluation(folder, played, SEEDS, protocol, command="evaluate", run=run)
    return str(folder)


def flat(printed):
    """Text of a terminal without its line breaks."""
    return " ".join(printed.split())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    safe = [[100.0] * 10, [100.0] * 10]
    risky = [[-300.0] + [200.0] * 9, [100.0] + [200.0] * 9]
    write_run(folder / "a", safe)
    write_run(folder / "b", risky, preset=f"{TASK}/bc-diffusion")
    return folder


@pytest.fixture
def runs(made, tmp_path):
    return [str(shutil.copytree(made / x, tmp_path / x)) for x in "ab"]


def test_the_table_has_the_numbers_of_a_calculation_by_hand(runs, tmp_path, capsys):
    out = tmp_path / "report"
    report.main([*runs, "--out", str(out)])
    first, second = (out / "report.md").read_text().splitlines()[2:4]
    titles = (out / "report.md").read_text().splitlines()[0].split(" | ")
    cells = dict(zip(titles, second.split(" | "), strict=True))
    # Both seeds: the mean of -300, 100 and 18 times 200; the worst two of twenty, less
    # the bias of few episodes. The spread of two or fewer is unknown.
    assert cells["mean"].startswith("170 [")
    assert cells["CVaR 0.1"] == "-143"
    assert cells["CVaR 0.1 per seed"] == "-205"
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
    assert "bc-diff" in capsys.readouterr().out  # cells may fold
    kinds = ("returns", "risk-return", "monitored")
    figures = {f"{TASK}-{kind}.png" for kind in kinds}
    written = {"report.md", "report.tex", "report.json"} | figures
    assert {x.name for x in out.iterdir()} == written


def test_another_level_and_other_names(runs, tmp_path):
    out = tmp_path / "report"
    report.main([*runs, "--out", str(out), "--level", "0.5", "--names", "x", "y"])
    text = (out / "report.md").read_text()
    assert "CVaR 0.5" in text
    assert "| x |" in text
    # The worst half of twenty: -300, 100 and eight times 200, almost without bias.
    assert "140 [" in text.splitlines()[3]


def test_cvars_of_different_numbers_of_episodes_are_not_compared_without_a_word(
    runs, tmp_path, capsys
):
    more = write_run(tmp_path / "c", np.arange(400).reshape(2, 200), f"{TASK}/oraac")
    out = tmp_path / "report"
    report.main([runs[0], more, "--out", str(out)])
    note = (
        f"the CVaRs of {TASK} are of different numbers of episodes (seeds x episodes: "
        "radac 2 x 10, oraac 2 x 200)"
    )
    assert f"- All: {note}" in (out / "report.md").read_text()
    assert f"% Note: {note}" in (out / "report.tex").read_text()
    assert "of different numbers of episodes" in flat(capsys.readouterr().out)
    report.main([*runs, "--out", str(out)])
    assert "different numbers" not in (out / "report.md").read_text()
    assert "different numbers" not in flat(capsys.readouterr().out)


def test_the_brackets_are_named_by_their_method(runs, tmp_path):
    out = tmp_path / "report"
    report.main([*runs, "--out", str(out)])
    brackets = f"Brackets: {OVER_EPISODES}."
    assert brackets in (out / "report.md").read_text()
    assert f"% {brackets}" in (out / "report.tex").read_text()


def test_failed_episodes_are_left_out_with_a_note(tmp_path):
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
        (["nowhere"], "nowhere holds no whole evaluation"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    runs, options, message, tmp_path, capsys
):
    out = tmp_path / "report"
    argv = [*runs, *options] if options[0].startswith("--") else options
    with pytest.raises(SystemExit) as ended, process.exit_status("ramac"):
        report.main([*argv, "--out", str(out)])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert message in said
    assert not out.exists()


@pytest.mark.parametrize(
    "damaged", ["episodes.csv", "monitored.npz", "evaluation.json"]
)
@pytest.mark.parametrize("content", ["", "not this", "[]"])
def test_a_damaged_run_is_named(runs, damaged, content, tmp_path, capsys):
    (tmp_path / "a" / damaged).write_text(content)
    with pytest.raises(SystemExit) as ended:
        out = ["--out", str(tmp_path / "report")]
        with process.exit_status("ramac"):
            report.main([*runs, *out])
    assert ended.value.code == 2
    assert str(tmp_path / "a") in capsys.readouterr().err


def test_a_file_that_is_closed_to_the_user_is_not_called_damaged(runs, monkeypatch):
    def refuse(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(InputError) as refused:
        read_evaluation(Path(runs[0]))
    assert str(refused.value) == (
        f"cannot read {runs[0]}/evaluation.json: permission denied; ask its owner, or "
        "use a copy"
    )


@pytest.mark.parametrize("constant", [33.7, np.nan])
def test_constant_and_failed_returns_are_drawn(constant, tmp_path):
    """Equal returns have bounds that differ from the mean by rounding."""
    run = write_run(tmp_path / "a", np.full((2, 150), constant))
    report.main([run, "--out", str(tmp_path / "report")])
    text = (tmp_path / "report" / "report.md").read_text()
    assert ("33.7 [33.7, 33.7]" in text) == (constant == 33.7)


def write_own(folder, env, **options):
    """Write a run without a task."""
    returns = np.full((2, 10), 25.0)
    return write_run(folder, returns, preset=None, task=None, env=env, **options)


def test_runs_without_a_task_are_grouped_by_their_environment(runs, tmp_path):
    out = tmp_path / "report"
    bandit = "ramac_jax/RiskyBandit-v0"
    own = write_own(tmp_path / "own", bandit, reference=(20.0, 30.0))
    report.main([*runs, own, "--out", str(out)])
    text = (out / "report.md").read_text()
    row = next(x for x in text.splitlines() if x.startswith(f"| {bandit} | own |"))
    assert "| 50.0 [50.0, 50.0] |" in row  # halfway between the references
    assert {x.name for x in out.glob("*bandit*")} | {
        x.name for x in out.glob("*Bandit*")
    } == {f"ramac_jax-RiskyBandit-v0-{x}.png" for x in ("returns", "risk-return")}
    assert (out / f"{TASK}-monitored.png").exists()


def test_other_environments_of_one_name_are_not_compared(tmp_path):
    other = gymnasium.make("Hopper-v5", reset_noise_scale=0.1).spec
    same = [write_own(tmp_path / "a", "Hopper-v5"), write_own(tmp_path / "b", other)]
    with pytest.raises(InputError, match="in Hopper-v5 with kwargs {'reset_noise_sca"):
        report.main([*same, "--out", str(tmp_path / "report")])
    assert not (tmp_path / "report").exists()


def set_mujoco(run, version):
    episodes.edit_json(
        Path(run, "evaluation.json"), versions={"mujoco": version, "numpy": "1.0"}
    )


@pytest.mark.parametrize(
    ("versions", "why"),
    [
        (("3.4.1", "3.10.0"), "from 3.5.0 on a contact begins at the sum of two"),
        (("3.5.0", "4.0.0"), "another version may compute contacts differently"),
        (("4.0.0", "4.0.0"), None),
        ((None, "4.0.0"), None),
    ],
)
def test_other_versions_of_mujoco_are_warned_of(runs, versions, why, tmp_path, capsys):
    for run, version in zip(runs, versions, strict=True):
        set_mujoco(run, version)
    report.main([*runs, "--out", str(tmp_path / "report")])
    said = capsys.readouterr().err
    text = (tmp_path / "report" / "report.md").read_text()
    if why is None:
        assert "MuJoCo" not in said + text
        return
    for place in (said, text):
        assert why in place
        assert f"MuJoCo {versions[0]} (radac) and {versions[1]} (bc-diff" in place


@pytest.mark.parametrize("module", ["gymnasium.envs.classic_control", "my_package"])
def test_versions_of_mujoco_do_not_matter_to_other_simulators(module, tmp_path, capsys):
    env = EnvSpec("Pendulum-v1", entry_point=f"{module}:Pendulum")
    pair = [write_own(tmp_path / x, env) for x in "ab"]
    for run, version in zip(pair, ("3.4.0", "4.0.0"), strict=True):
        set_mujoco(run, version)
    report.main([*pair, "--out", str(tmp_path / "report")])
    assert "MuJoCo" not in capsys.readouterr().err


def test_other_horizons_are_not_compared(runs, tmp_path):
    path = tmp_path / "b" / "evaluation.json"
    path.write_text(path.read_text().replace('"horizon": 4', '"horizon": 2'))
    np.savez(tmp_path / "b" / "monitored.npz", monitored=np.zeros((2, 10, 2)))
    with pytest.raises(InputError, match="over 2 steps, others of .* over 4"):
        report.main([*runs, "--out", str(tmp_path / "report")])


def test_equal_names_get_their_folders_and_latex_is_escaped(tmp_path):
    same = [write_run(tmp_path / x, np.ones((2, 10))) for x in "ab"]
    published = write_run(tmp_path / "c", np.ones((2, 10)), f"published/{TASK}")
    own = write_run(tmp_path / "my_run", np.ones((2, 10)), None)
    report.main([*same, published, own, "--out", str(tmp_path / "report")])
    text = (tmp_path / "report" / "report.md").read_text()
    for name in (f"radac ({same[0]})", f"radac ({same[1]})", "published", "my_run"):
        assert f"| {name} |" in text
    assert r"my\_run" in (tmp_path / "report" / "report.tex").read_text()
