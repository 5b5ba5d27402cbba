"""An exported folder explains itself, acts without this library, and is whole."""

import json
import re
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest
import yaml

import ramac_jax as rj
from ramac_jax import export
from ramac_jax.acting import ActingOptions, draw_noise
from ramac_jax.export import ExportedPolicy, ExportOptions, card, onnx, stablehlo
from ramac_jax.export.reader import checksum
from ramac_jax.policy import OODWarning
from tests.export.policies import GUARD, OBSERVATION, make_policy

pytestmark = pytest.mark.slow

KEY = jax.random.key(7)
FIGURE = {"value": 2.5, "low": 1.0, "high": 4.0}
ACTING = {"temperature": 0.5, "num_candidates": 5, "risk_level": 0.2}
SETTINGS = {"env_id": "Hopper-v5", "episodes": 9, "horizon": 5, "level": 0.1}
ABOUT = {
    "hashes": {"checkpoint": "c0", "datasets": {"hopper": "d0"}},
    "run": {"preset": "radac", "seeds": [3]},
    "evaluation": {
        "settings": SETTINGS | {"acting": ACTING},
        "figures": {"mean": FIGURE, "pooled_cvar": FIGURE},
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("exports") / "policy"
    options = ExportOptions(member=1, num_candidates=5, card=True)
    export.export_policy(make_policy("diffusion"), out, options, ABOUT)
    return out


def test_the_record_describes_the_programs(folder):
    record = json.loads((folder / "policy.json").read_text())
    assert {x.name for x in folder.iterdir()} == {
        "README.md",
        "checkpoint",
        "policy.json",
        "policy.onnx",
        "policy.stablehlo",
    }
    assert set(record["files"]) == {"policy.onnx", "policy.stablehlo"}
    assert record["parity"]["policy.stablehlo"] == 0.0
    assert record["parity"]["policy.onnx"] < 1e-5
    assert record["inputs"][1] == {
        "name": "noise",
        "shape": [3, 5, "B", 2],
        "dtype": "float32",
        "meaning": "independent draws of the standard normal law",
    }
    assert record["ood_threshold"] == 4.0
    assert record["acting"]["risk_level"] == 0.25
    assert {"jax", "onnx", "ramac_jax"} <= set(record["versions"])
    assert {k: record[k] for k in ABOUT} == ABOUT


def blocks(folder):
    return re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.S)


@pytest.mark.parametrize("index", [0, 1], ids=["onnx", "stablehlo"])
def test_the_lines_of_the_readme_act_without_this_library(folder, index):
    lines = (
        blocks(folder)[index].replace("zeros", "full").replace("3), np", "3), 99, np")
    )
    assert len(lines.splitlines()) <= 16
    program = "import sys\nsys.modules['ramac_jax'] = None\n" + lines
    program += "print(action.shape, action.dtype)"
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    far, shape = run.stdout.splitlines()
    assert far.startswith("this observation is far from the training data: 490")
    assert shape == "(1, 2) float32"


def test_the_card_has_metadata_figures_hashes_and_limits(folder):
    text = (folder / "README.md").read_text()
    _, header, body = text.split("---\n", 2)
    header = yaml.safe_load(header)
    assert header["library_name"] == "ramac_jax"
    assert header["license"] == "apache-2.0"
    assert "diffusion" in header["tags"]
    (entry,) = header["model-index"]
    (result,) = entry["results"]
    assert entry["name"] == "radac"
    assert result["dataset"]["name"] == "Hopper-v5"
    mean, cvar = result["metrics"]
    assert mean["value"] == 2.5 and "interval 1 to 4" in mean["name"]
    assert cvar["name"].startswith("CVaR of the return at level 0.1")
    for part in ("| hopper | `d0` |", "[1, 4]", "Intended use", "best of 5 at level"):
        assert part in body
    assert '"temperature": np.array(0.5' in body and "np.array(0.2" in body


@pytest.mark.parametrize("change", [{"num_candidates": 1}, {"softmax_temperature": 2}])
def test_a_card_claims_no_figures_of_another_way_to_act(folder, change):
    record = json.loads((folder / "policy.json").read_text())
    record["evaluation"]["settings"]["acting"] |= change
    record["evaluation"]["selection"] = {"sentence": "Selected among 2."}
    assert "model-index" not in card.front_matter(record)
    assert "are those of another way to act" in card.sections(record)
    assert "Selected among 2." in card.sections(record)
    assert card.numbers_of(record) == (0.5, 0.2)


def test_candidates_are_not_drawn_at_temperature_0(folder):
    record = json.loads((folder / "policy.json").read_text())
    record["evaluation"]["settings"]["acting"] |= {"temperature": 0.0}
    assert card.numbers_of(record)[0] == 1.0
    record["acting"]["num_candidates"] = 1
    assert card.numbers_of(record)[0] == 0.0
    assert "takes one action at temperature 0 instead" in card.sections(record)


def test_without_an_evaluation_the_program_acts_as_its_run_would(folder):
    record = json.loads((folder / "policy.json").read_text())
    record["evaluation"] = None
    assert card.numbers_of(record) == (1.0, record["acting"]["risk_level"])
    acting = {"temperature": 0.25, "num_candidates": 5, "risk_level": 0.3}
    record["run"]["acting"] = acting | {"softmax_temperature": 0.0}
    assert card.numbers_of(record) == (0.25, 0.3)


def test_a_card_shows_bounds_that_are_unknown_and_what_not_to_trust(folder):
    record = json.loads((folder / "policy.json").read_text())
    figures = record["evaluation"]["figures"]
    figures["pooled_cvar"] |= {"low": None, "high": None}
    record["evaluation"]["notes"] = ["its interval is not to be trusted"]
    header = yaml.safe_load(card.front_matter(record).split("---")[1])
    _, cvar = header["model-index"][0]["results"][0]["metrics"]
    assert (cvar["name"], cvar["value"]) == ("CVaR of the return at level 0.1", 2.5)
    text = card.sections(record)
    assert "| CVaR of the return | 2.5 | - |\n\n- its interval is not" in text


def test_a_card_without_figures_is_whole():
    record = {
        "acting": {"actor": "flow", "num_candidates": 1},
        "run": {},
        "evaluation": None,
        "hashes": {},
    }
    assert "model-index" not in card.front_matter(record)
    assert "holds no evaluation" in card.sections(record)
    assert "No hash of the data" in card.sections(record)


@pytest.mark.parametrize("file", ["policy.stablehlo", "policy.onnx"])
def test_a_loaded_export_acts_as_the_policy(folder, file, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    if file == "policy.onnx":
        edit(copy, lambda record: record["files"].pop("policy.stablehlo"))
    loaded = export.load_exported(copy)
    assert isinstance(loaded, ExportedPolicy) and loaded.file == file
    policy = make_policy("diffusion")
    options = ActingOptions(0.5, 5, 0.1)
    expected = policy(OBSERVATION, KEY, 1, **options._asdict())
    np.testing.assert_allclose(loaded(OBSERVATION, KEY, options), expected, atol=1e-4)
    noise = draw_noise(policy.rule(5), OBSERVATION, KEY).sampler
    _, score = loaded.act_from_noise(OBSERVATION, noise, options)
    np.testing.assert_allclose(score, policy.ood_score(OBSERVATION), rtol=1e-6)


def edit(folder, change, sealed=True):
    path = folder / "policy.json"
    record = json.loads(path.read_text())
    change(record)
    if sealed:
        record["checksum"] = checksum(record)
    path.write_text(json.dumps(record))


def test_a_loaded_export_refuses_what_the_policy_refuses(folder):
    loaded = export.load_exported(folder)
    for options, message in (
        (ActingOptions(num_candidates=2), "was exported with 5: give 5, or"),
        (ActingOptions(-1.0, 5), "temperature is -1: it must be at least 0"),
        (ActingOptions(1.0, 5, 2.0), "risk_level is 2: it must be above 0 and at most"),
    ):
        with pytest.raises(rj.InputError, match=message):
            loaded(OBSERVATION, KEY, options)
    with pytest.raises(
        rj.InputError, match=r"shape \[3, 2\]: this policy reads \[B, 3"
    ):
        loaded(OBSERVATION[:, :2], KEY)
    with pytest.raises(rj.InputError, match="an observation is not finite"):
        loaded(np.full_like(OBSERVATION, np.nan), KEY)
    with pytest.warns(OODWarning, match="3 of 3 observations are far from"):
        loaded(OBSERVATION + 99.0, KEY)


def test_the_checkpoint_of_a_card_is_the_policy_of_one_agent(folder):
    policy = rj.load_policy(folder)
    assert policy.population == 1
    expected = make_policy("diffusion")(OBSERVATION, KEY, 1, num_candidates=4)
    np.testing.assert_array_equal(policy(OBSERVATION, KEY, num_candidates=4), expected)
    np.testing.assert_array_equal(policy.spec.guard.mean, GUARD.mean)


def test_a_policy_on_the_hub_is_read_by_its_name(folder, monkeypatch):
    asked = []

    def snapshot_download(repo_id, revision):
        asked.append((repo_id, revision))
        if repo_id.endswith("absent"):
            raise OSError("no such repository\nsecond line")
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    policy = rj.load_policy("hf://someone/hopper-radac@v1")
    assert export.load_exported("hf://someone/hopper-radac").num_candidates == 5
    assert asked == [("someone/hopper-radac", "v1"), ("someone/hopper-radac", None)]
    assert policy.population == 1
    with pytest.raises(
        rj.InputError, match="cannot fetch hf://someone/absent: no such"
    ):
        rj.load_policy("hf://someone/absent")
    with pytest.raises(rj.InputError, match="is no name on the hub: give hf://OWNER"):
        rj.load_policy("hf://someone")


def test_damage_to_an_export_is_named(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    content = (copy / stablehlo.FILE).read_bytes()
    (copy / stablehlo.FILE).write_bytes(content[:-9])
    with pytest.raises(rj.InputError, match=r"damaged: its file policy\.stablehlo has"):
        export.load_exported(copy)
    edit(copy, lambda record: record.update(platforms=["tpu"]))
    assert export.load_exported(copy).file == onnx.FILE
    edit(copy, lambda record: record["files"].pop("policy.onnx"))
    with pytest.raises(rj.InputError, match="has no program for cpu"):
        export.load_exported(copy)
    edit(copy, lambda record: record.pop("inputs"))
    with pytest.raises(rj.InputError, match="is damaged: 'inputs'"):
        export.load_exported(copy)
    edit(copy, lambda record: record.update(version=9))
    with pytest.raises(rj.InputError, match="has version 9 of an export"):
        export.load_exported(copy)
    edit(copy, lambda record: record.update(version=1), sealed=False)
    with pytest.raises(rj.InputError, match=r"damaged: its file policy\.json has"):
        export.load_exported(copy)
    (copy / "policy.json").write_text("{")
    with pytest.raises(rj.InputError, match="is damaged"):
        export.load_exported(copy)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"formats": ()}, "no format is named: give stablehlo or onnx"),
        ({"formats": ("onx",)}, "unknown format 'onx': did you mean onnx"),
        ({"platforms": ("cpu", "abacus")}, "platform 'abacus' is unknown: give one"),
        ({"platforms": ()}, "no platform: give one or more of cpu, cuda"),
        ({"platforms": ("tpu",)}, "this machine's platform: add cpu"),
        ({"opset": 99}, "opset is 99: give 21 to 23"),
        ({"member": 7}, "member is 7: this policy has members 0 to 1"),
        ({"num_candidates": 0}, "num_candidates is 0"),
    ],
)
def test_options_that_cannot_be_had_write_nothing(tmp_path, options, message):
    with pytest.raises(rj.InputError, match=message):
        export.export_policy(
            make_policy("flow"), tmp_path / "out", ExportOptions(**options)
        )
    assert not list(tmp_path.iterdir())


def test_no_policy_is_exported_without_jit(tmp_path):
    with jax.disable_jit(), pytest.raises(rj.InputError, match="^JAX_DISABLE_JIT is "):
        export.export_policy(make_policy("flow"), tmp_path / "out", ExportOptions())
    assert not list(tmp_path.iterdir())


def test_an_export_replaces_an_export_and_nothing_else(tmp_path, monkeypatch):
    policy, out = make_policy("gaussian", guard=None), tmp_path / "out"
    options = ExportOptions(formats=("stablehlo",))
    out.mkdir()
    (out / "notes").write_text("of something else")
    with pytest.raises(rj.InputError, match="exists and is no export"):
        export.export_policy(policy, out, options)
    (out / "notes").unlink()
    monkeypatch.chdir(out)
    with pytest.raises(rj.InputError, match="is the current folder"):
        export.export_policy(policy, out, options)
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        record = export.export_policy(policy, out, options)
    assert record["opset"] is None and record["ood_threshold"] is None
    assert {x.name for x in tmp_path.iterdir()} == {"out"}
    text = (out / "README.md").read_text()
    assert "this observation is not finite" in text and "onnxruntime" not in text
    (out / "NOTES.md").write_text("mine")
    with pytest.raises(rj.InputError, match=r"holds NOTES\.md next to an export"):
        export.export_policy(policy, out, options)
    assert (out / "NOTES.md").read_text() == "mine"
