"""Dry runs: the checks of a run, what it would do, and no file written."""

import pytest

from ramac_jax import InputError
from ramac_jax.cli import compare, sweep, train
from ramac_jax.cli.bandit import command as bandit
from ramac_jax.cli.runs import dry_run
from tests.cli.sweeps import ON_PLAIN, ON_TASK, SOURCE, contents, exit_status

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:minari"),
    pytest.mark.usefixtures("sweep_datasets"),
]
TASK = "hopper-medium-replay"


def of_train(words):
    """Return the words without the option that `ramac train` does not have."""
    place = words.index("--selection-episodes")
    return [*words[:place], *words[place + 2 :]]


RANKED = "--num-critics 1 --acting-num-candidates 4 --acting-temperature 1".split()
TO_TASK, TO_PLAIN = of_train(ON_TASK), of_train(ON_PLAIN)


def rehearse(main, out, capsys, *words):
    """Return what a dry run prints, and check that it writes nothing."""
    main([*words, "--out", str(out), "--dry-run"])
    said = capsys.readouterr().out
    assert said.startswith("dry run: nothing is trained or written\n")
    assert not out.exists()
    return said.splitlines()[1:]


def test_a_run_on_data_is_checked_and_described(tmp_path, capsys, sweep_datasets):
    before = contents(sweep_datasets)
    data, agent, training, evaluation, output = rehearse(
        train.main,
        tmp_path / "out",
        capsys,
        *TO_PLAIN,
        *("--num-seeds", "2", "--seed", "5", "--num-steps", "1000"),
    )
    assert data == "data: made/plain-v0, 200 transitions"
    assert agent.startswith("agent: flow actor, behaviour cloning alone, precision ")
    assert agent.endswith(" parameters of the actor")
    assert training == (
        "training: 2 seeds from 5, 1,000 updates, each of 8 transitions"
    )
    assert evaluation == "evaluation: none"
    assert output.startswith(f"output: {tmp_path / 'out'}: run.json, metrics.csv")
    assert contents(sweep_datasets) == before


@pytest.mark.parametrize("sink", [[], ["--tensorboard"], ["--wandb", "project"]])
def test_the_files_of_a_sink_are_listed_where_it_is_asked_for(sink, tmp_path, capsys):
    output = rehearse(train.main, tmp_path / "out", capsys, *TO_PLAIN, *sink)[-1]
    listed = {"tensorboard", "wandb", "logs"} & {*output.split(": ")[-1].split(", ")}
    asked = {x.removeprefix("--") for x in sink[:1]}
    assert listed == (asked | {"logs"} if sink else set())


def test_the_acting_options_of_the_evaluations_are_described(tmp_path, capsys):
    acting = "--acting-temperature .5 --acting-num-candidates 4".split()
    words = [*TO_TASK, "--num-critics", "1", "--risk-level", ".3", *acting]
    lines = rehearse(train.main, tmp_path / "out", capsys, *words)
    described = "acting with temperature 0.5, best of 4 at level 0.3"
    assert lines[-2].startswith("evaluation: ") and lines[-2].endswith(described)


@pytest.mark.parametrize(
    ("words", "drawn"),
    [
        ("--num-critics 1", True),
        ("--num-critics 1 --acting-temperature 0", False),
        ("--num-critics 0", False),
        ("--num-critics 1 --critic value --risk-measure neutral", False),
        ("--num-critics 1 --episodes 0", False),
    ],
)
def test_the_calibration_is_listed_where_it_is_drawn(words, drawn, tmp_path, capsys):
    words = [*TO_TASK, *RANKED[-2:], *words.split()]
    output = rehearse(train.main, tmp_path / "out", capsys, *words)[-1]
    assert ("calibration.png" in output) == drawn


@pytest.mark.parametrize(
    ("words", "left_out"),
    [
        ([], set()),
        (["--eval-every", "None"], {"evaluations.csv"}),
        (["--num-steps", "4", "--eval-every", "5"], {"evaluations.csv"}),
        (["--episodes", "0"], {"evaluations.csv", "episodes.csv", "evaluation.json"}),
    ],
)
def test_files_of_evaluations_are_listed_where_they_are_written(
    words, left_out, tmp_path, capsys
):
    output = rehearse(train.main, tmp_path / "out", capsys, *TO_TASK, *words)[-1]
    files = {"evaluations.csv", "episodes.csv", "evaluation.json"}
    assert files - {*output.split(": ")[-1].split(", ")} == left_out


def test_a_sweep_without_evaluations_ranks_nothing(tmp_path, capsys):
    words = [*ON_TASK, "--grid", "actor_learning_rate=.1,.2", "--episodes"]
    for episodes in ("0", "2"):
        lines = rehearse(sweep.main, tmp_path / "out", capsys, *words, episodes)
        output = next(x for x in lines if x.startswith("output: "))
        assert ("report.md" in output) == (episodes == "2")
        assert "agents" in output


def test_the_evaluation_in_the_environment_of_absent_data_is_unknown(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(dry_run.DataPlan, "missing", lambda plan: ["made/absent-v0"])
    lines = rehearse(train.main, tmp_path / "out", capsys, *TO_PLAIN, "--episodes", "3")
    assert lines[-2] == (
        "evaluation: in the environment of the data, which are not here yet"
    )
    assert "evaluation.json" in lines[-1]


def test_a_dataset_that_is_missing_is_not_made(tmp_path, capsys, sweep_datasets):
    before = contents(sweep_datasets)
    data, _, _, evaluation, _ = rehearse(train.main, tmp_path / "out", capsys, *TO_TASK)
    assert data == (
        f"data: stochastic/hopper/medium-replay-v0, which would be made from {SOURCE}"
    )
    assert evaluation == (
        f"evaluation: 3 episodes per seed of 6 steps in ramac_jax/{TASK}-v5 at the "
        "end, 2 every 2 updates, acting with temperature 0"
    )
    assert contents(sweep_datasets) == before


def test_a_sweep_describes_its_agents_and_members(tmp_path, capsys):
    grid = ["--grid", "actor=flow,diffusion", "actor_learning_rate=0.1,0.2"]
    lines = rehearse(sweep.main, tmp_path / "out", capsys, *ON_PLAIN, *grid)
    assert [x.split(",")[0] for x in lines if x.startswith("agent: ")] == [
        "agent: flow actor",
        "agent: diffusion actor",
    ]
    assert lines[-1].startswith("4 settings x 3 seeds = 12 members, programs: 2;")


def test_the_bandit_describes_its_agents(tmp_path, capsys):
    words = ["--agents", "radac", "rafmac", "--radii", "0.5"]
    lines = rehearse(bandit.main, tmp_path / "out", capsys, *words)
    assert lines[0] == "agents: radac, rafmac"
    assert "radii: 0.5" in lines
    assert lines[-1].startswith(f"output: {tmp_path / 'out'}: minari, bandit.json")


def test_a_comparison_describes_its_runs(tmp_path, capsys):
    out = tmp_path / "out"
    words = ["--tasks", "bandit", "hopper-medium-expert", "--agents", "radac"]
    lines = rehearse(compare.main, out, capsys, *words)
    assert lines[0] == f"{out / 'bandit'} (radac): to be trained"
    assert "which would be made from mujoco/hopper/medium-v0" in lines[1]
    assert lines[2] == (
        f"{out / 'hopper-medium-expert' / 'radac'}: 3 seeds, 4,000 updates, to be "
        "trained"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*TO_TASK, "--horizon", "soon"], "--horizon is soon"),
        (
            [*TO_PLAIN, "--acting-num-candidates", "4"],
            "4, and behaviour cloning has no critics to rank the candidates: give 1",
        ),
        (
            [*TO_PLAIN, *RANKED, "--acting-temperature", "0"],
            "4, and at temperature 0 all candidates are one action: give --acting-temp",
        ),
        (
            [*TO_PLAIN, "--acting-risk-level", ".5"],
            "--acting-risk-level chooses among candidates: give --acting-num-cand",
        ),
        (
            [*TO_PLAIN, "--acting-softmax-temperature", "1"],
            "--acting-softmax-temperature chooses among candidates: give --acting-",
        ),
        (
            [*TO_PLAIN, "--acting-temperature", "nan"],
            "--acting-temperature is nan: it must be at least 0",
        ),
        (
            [*TO_PLAIN, *RANKED, "--acting-risk-level", "1.5"],
            "--acting-risk-level is 1.5: it must be above 0 and at most 1",
        ),
        ([*TO_PLAIN, *RANKED, "--acting-softmax-temperature", "-1"], "is -1: it must"),
        ([*TO_PLAIN, "--num-seeds", "0"], "--num-seeds is 0: give 1 or more"),
        (
            [*TO_PLAIN, "--radius", "0.5"],
            "--radius is 0.5, and the flow actor has no such option",
        ),
    ],
)
def test_a_dry_run_refuses_what_the_run_refuses(words, message, tmp_path, capsys):
    out = tmp_path / "out"
    with pytest.raises(InputError, match=message):
        train.main([*words, "--out", str(out), "--dry-run"])
    assert not out.exists()


def test_a_dataset_of_the_hub_is_not_downloaded(tmp_path, capsys):
    words = ["--dataset", "mujoco/hopper/medium-v0"]
    lines = rehearse(train.main, tmp_path / "out", capsys, *words)
    assert lines[0].endswith("(would be downloaded: mujoco/hopper/medium-v0)")


def test_a_folder_that_holds_a_run_is_refused(tmp_path, capsys):
    (tmp_path / "run.json").write_text('{"status": "finished"}')
    words = [*TO_PLAIN, "--out", str(tmp_path), "--dry-run"]
    assert exit_status(train.main, *words) == 2
    assert "already holds a run (run.json)" in capsys.readouterr().err
