"""Settings in files: what --print-config prints, --config reads back."""

import math

import pytest

from ramac_jax import InputError
from ramac_jax.cli.options import presets, sweep, train
from ramac_jax.cli.options.sections import flatten, hints_of
from ramac_jax.cli.options.settings_files import read_settings, to_toml

BASE = ["--dataset", "x", "--out", "y"]


def printed(capsys, *words, parse=train.parse):
    with pytest.raises(SystemExit) as ended:
        parse([*words, "--print-config"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def settings_of(options):
    """Return every option but those of the command itself."""
    flat = train.recorded_options(options)
    return {k: v for k, v in flat.items() if k not in ("out", "overwrite")}


@pytest.mark.parametrize("preset", presets.PRESETS)
def test_printed_settings_give_the_same_run_of_every_preset(preset, capsys, tmp_path):
    words = ["--dataset", "x", "--preset", preset, "--risk-weight", "0.125"]
    (tmp_path / "run.toml").write_text(printed(capsys, *words))
    found = train.parse(["--config", str(tmp_path / "run.toml"), "--out", "y"])
    assert settings_of(found) == settings_of(train.parse([*words, "--out", "y"]))


def test_a_value_taken_away_from_a_preset_is_printed_too(capsys, tmp_path):
    words = ["--task", "hopper-medium-replay", "--eval-every", "None"]
    text = printed(capsys, *words)
    assert 'eval_every = "none"' in text
    (tmp_path / "run.toml").write_text(text)
    found = train.parse(["--config", str(tmp_path / "run.toml"), "--out", "y"])
    assert found.evaluation.eval_every is None
    assert found.settings.preset == "hopper-medium-replay/radac"


def test_the_printed_settings_of_a_sweep_hold_its_search(capsys, tmp_path):
    words = ["--dataset", "x", "--grid", "risk_weight=1,2", "head=plain,fused"]
    text = printed(capsys, *words, "--batch", "2", parse=sweep.parse)
    (tmp_path / "run.toml").write_text(text)
    found = sweep.parse(["--config", str(tmp_path / "run.toml"), "--out", "y"])
    assert found.search.grid == ("risk_weight=1,2", "head=plain,fused")
    assert found.search.batch == 2


def test_options_override_the_file_and_the_file_overrides_the_preset(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('preset = "published/rafmac"\nnum_steps = 7\nrisk_weight = 0.5\n')
    found = train.parse([*BASE, "--config", str(path), "--num-steps", "8"])
    assert found.training.num_steps == 8
    assert found.hyperparams.risk_weight == 0.5
    assert found.agent.actor == "flow"  # the preset's


def test_a_file_without_a_preset_stands_alone(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('task = "hopper-medium-replay"\n')
    found = train.parse(["--config", str(path), "--out", "y"])
    assert found.settings.preset is None
    assert found.data.task == "hopper-medium-replay"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("num_step = 3", "unknown option in .*'num_step': did you mean num_steps"),
        ("num_steps = 3.5", "num_steps is 3.5 in .*: give a whole number"),
        ("num_steps = true", "num_steps is True in .*: give a whole number"),
        ('risk_weight = "much"', "risk_weight is 'much' in .*: give a number"),
        ("normalize = 1", "normalize is 1 in .*: give true or false"),
        ('actor_widths = [8, "x"]', "give a list, each item a whole number or .none"),
        ("value_range = [1]", r"value_range is \[1\] in .*: give a list of 2 values"),
        ("value_range = [1, 2, 3]", "give a list of 2 values, a number and a number,"),
        ('value_range = [1, "x"]', r"value_range is \[1, 'x'\] in .*: give a list of"),
        ("value_range = 1", "value_range is 1 in .*: give a list of 2 values"),
        ("dry_run = true", "unknown option in .*'dry_run'"),
        ("num_steps = ", "cannot read .*run.toml"),
    ],
)
def test_a_file_that_is_no_settings_is_one_line(text, message, tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        train.parse([*BASE, "--config", str(path)])
    assert "\n" not in str(caught.value)


def test_a_file_that_does_not_exist_is_one_line(tmp_path):
    with pytest.raises(InputError, match="cannot read .*no.toml"):
        train.parse([*BASE, "--config", str(tmp_path / "no.toml")])


def test_every_type_of_option_survives_the_way_to_toml_and_back(tmp_path):
    table = {
        "normalize": True,
        "num_steps": 12,
        "risk_weight": 1e-05,
        "value_min": -math.inf,
        "task": 'a "quoted" text\n',
        "actor_widths": (8, 4),
        "dataset": (),
        "radius": None,
    }
    (tmp_path / "x.toml").write_text(to_toml({"all": table}))
    hints = hints_of(train.TrainOptions)
    assert read_settings(tmp_path / "x.toml", hints) == table


def test_items_of_a_list_of_fixed_length_have_types_of_their_own(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text('pair = [1, "a"]')
    found = read_settings(path, {"pair": tuple[float, str]})["pair"]
    assert found == (1.0, "a") and type(found[0]) is float
    path.write_text('pair = ["a", 1]')
    with pytest.raises(InputError, match="a list of 2 values, a number and a text"):
        read_settings(path, {"pair": tuple[float, str]})


def test_the_names_of_all_options_differ():
    names = [x for section in flatten(train.parse(BASE)).values() for x in section]
    assert len(names) == len(set(names)) == len(hints_of(train.TrainOptions))
