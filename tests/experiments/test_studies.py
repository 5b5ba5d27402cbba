"""The studies: their settings, and the runner that repeats them."""

from pathlib import Path

import pytest

from experiments import run, study
from ramac_jax import InputError
from ramac_jax.cli.main import COMMANDS
from ramac_jax.cli.options import bandit, compare, evaluate, sweep
from ramac_jax.cli.runs.search import make_search

CHECKS = {
    "bandit": bandit.check,
    "sweep": make_search,
    "evaluate": lambda options: None,
    "compare": lambda options: (
        compare.check_arguments(options),
        compare.bandit_options(options),
        compare.make_plans(options),
    ),
}
PARSERS = {
    "bandit": bandit.parse,
    "sweep": sweep.parse,
    "evaluate": evaluate.parse,
    "compare": compare.parse,
}


@pytest.mark.parametrize("name", study.STUDIES)
def test_every_study_names_known_tasks_agents_and_options(name, tmp_path):
    lines = study.read_study(name, tmp_path / "out")
    assert lines
    for command, words in lines:
        CHECKS[command](PARSERS[command](words))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", study.STUDIES)
def test_a_study_explains_its_results(name):
    folder = study.FOLDER / name
    text = (folder / "README.md").read_text()
    for item in ("Command:", "Machine:", "Date:", "Commit:", "What the study found"):
        assert item in text
    for link in text.split("](")[1:]:
        assert (folder / link.partition(")")[0]).is_file()


def test_folders_without_settings_are_no_studies():
    folders = {x.parent.name for x in study.FOLDER.glob("*/README.md")}
    assert folders == set(study.STUDIES)


def test_a_step_reads_the_folders_of_earlier_steps(tmp_path):
    lines = study.read_study("ablations", tmp_path)
    folders = [x.words[-1] for x in lines if x.command == "sweep"]
    reading = [x.words[0] for x in lines if x.command == "evaluate"]
    tasks = ("halfcheetah-medium-replay", "hopper-medium-expert")
    assert reading == [str(tmp_path / task / "risk-level/best") for task in tasks]
    assert {str(Path(x).parent) for x in reading} < set(folders)
    assert len(set(folders)) == len(folders)


def test_a_comparison_joins_those_of_earlier_steps(tmp_path):
    *parts, joined = study.read_study("locomotion", tmp_path)
    options = [compare.parse(words) for _, words in (*parts, joined)]
    assert options[-1].join == tuple(x.out for x in options[:-1])
    assert options[-1].tasks == tuple(y for x in options[:-1] for y in x.tasks)
    assert all(x.lasting == options[-1].lasting for x in options)


def test_a_step_repeats_for_every_combination():
    step = {
        "command": "train",
        "out": "{task}/{preset}",
        "each": {"task": ["a", "b"], "preset": ["x", "y"]},
        "options": {"num_seeds": 2, "normalize": True, "radii": [0.1, 1.0]},
    }
    lines = list(study.command_lines(step, {}, Path("out")))
    assert [words[-1] for _, words in lines] == [
        "out/a/x",
        "out/a/y",
        "out/b/x",
        "out/b/y",
    ]
    assert lines[1].words[:4] == ["--task", "a", "--preset", "y"]
    assert lines[1].words[4:-2] == [
        *("--num-seeds", "2"),
        "--normalize",
        *("--radii", "0.1", "1.0"),
    ]


def test_a_step_changes_the_options_that_all_steps_have():
    common = {"preset": "x", "num_seeds": 4}
    step = {"command": "train", "each": {"preset": ["y"]}, "options": {"seed": 1}}
    ((_, words),) = study.command_lines(step, common, Path("out"))
    assert words == "--preset y --num-seeds 4 --seed 1 --out out".split()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps = [", "is no study"),
        ("", "is no study"),
        ("steps = [{}]", "is no study"),
        ("steps = [{command = 'compere'}]", "unknown command 'compere': did you mean"),
        ("steps = [{command = 3}]", "unknown command '3'"),
        ("steps = [{command = 'train', jion = []}]", "unknown key 'jion': did you"),
        ("steps = [{command = 'compare', join = 'a'}]", "join is 'a': give a list"),
        ("steps = [{command = 'train', out = '{'}]", "is no study"),
        ("steps = [{command = 'train', out = '{}'}]", "is no study"),
        ("steps = [{command = 'train', out = '{task}'}]", "is no study"),
    ],
)
def test_a_malformed_study_is_refused(text, message, tmp_path, monkeypatch):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "study.toml").write_text(text)
    monkeypatch.setattr(study, "FOLDER", tmp_path)
    monkeypatch.setattr(study, "STUDIES", ("broken",))
    with pytest.raises(InputError, match=message):
        study.read_study("broken", tmp_path)


def test_an_unknown_study_is_refused(tmp_path):
    with pytest.raises(InputError, match="unknown study 'bandid': did you mean bandit"):
        study.read_study("bandid", tmp_path)


@pytest.fixture
def commands(monkeypatch):
    """Commands whose runs are counted and that end with status 1 where asked."""
    executed, finished, failing = [], set(), set()

    def fake(name):
        class Module:
            @staticmethod
            def parse(words):
                return words[-1]

            @staticmethod
            def is_finished(out):
                return out in finished

            @staticmethod
            def execute(out, words):
                executed.append((name, out))
                if out in failing:
                    raise SystemExit(1)
                finished.add(out)

        return Module

    modules = {COMMANDS[name].module: fake(name) for name in COMMANDS}
    modules |= {COMMANDS[name].options: fake(name) for name in COMMANDS}
    monkeypatch.setattr(run.importlib, "import_module", modules.__getitem__)
    return executed, failing


def test_the_runner_resumes_where_it_was_interrupted(commands, tmp_path, capsys):
    executed, failing = commands
    words = ["ablations", "--out", str(tmp_path)]
    tasks = ("halfcheetah-medium-replay", "hopper-medium-expert")
    broken = ("sweep", str(tmp_path / tasks[1] / "bc-weight"))
    failing.add(broken[1])
    with pytest.raises(SystemExit) as ended:
        run.main(words)
    assert ended.value.code == 1
    assert len(executed) == 10
    assert executed[-1] == ("sweep", str(tmp_path / tasks[1] / "paper-critic"))
    failing.clear()
    executed.clear()
    with pytest.raises(SystemExit) as ended:
        run.main(words)
    assert ended.value.code == 0
    read_again = [("evaluate", str(tmp_path / x / "temperature")) for x in tasks]
    assert executed == [*read_again, broken]
    assert capsys.readouterr().out.count("finished already") == 7


def test_a_dry_run_prints_the_commands_and_runs_none(commands, capsys):
    with pytest.raises(SystemExit) as ended:
        run.main(["ablations", "--dry-run"])
    assert ended.value.code == 0
    assert not commands[0]
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 10
    assert printed[0].startswith("ramac sweep --preset radac ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "STUDY"),
        (["bandit", "--foo"], "Unrecognized options: --foo"),
        (["bandit", "sweep"], "Unrecognized options: sweep"),
        (["bandit", "--out"], "--out"),
        (["bandid"], "unknown study 'bandid': did you mean bandit"),
    ],
)
def test_malformed_words_of_the_runner_are_one_line(words, message):
    with pytest.raises(InputError, match=message) as caught:
        run.main(words)
    assert "\n" not in str(caught.value)
