"""The benchmark of checkpoints: its sums, a tiny child and its errors; no timings."""

import io
import json
import re
from types import SimpleNamespace

import pytest

import ramac_jax as rj
from benchmarks import checkpoints
from tests.benchmarks.tiny import TINIEST


class Killed(BaseException):
    """Ends the training of a child."""


class Child:
    """Runs the command of the child until it reports a checkpoint."""

    def __init__(self, words, env, **options):
        self.cache = env["JAX_COMPILATION_CACHE_DIR"]
        self.lines = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("builtins.print", self.print)
            with pytest.raises(Killed):
                checkpoints.main(words[3:])
        self.stdout = io.StringIO("\n".join(self.lines))

    def print(self, text, flush):
        self.lines.append(str(text))
        if text == "saved":
            raise Killed

    def send_signal(self, number):
        assert number == checkpoints.signal.SIGKILL

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


def test_the_record_agrees_with_the_table(tmp_path, monkeypatch, capsys):
    def train(arguments, num_steps, folder, report):
        for step in (0, 1, num_steps):
            report(SimpleNamespace(step=step))

    monkeypatch.setattr(checkpoints, "train", train)
    seconds = iter([30.0, 10.0])

    def start_child(arguments, folder, cache):
        cache.mkdir(exist_ok=True)
        taken = next(seconds)
        for name in ("a-cache", "a-atime", "b-cache")[: 2 if taken == 30.0 else 3]:
            (cache / name).touch()
        return taken

    monkeypatch.setattr(checkpoints, "start_child", start_child)
    out = tmp_path / "found.json"
    words = f"--population 1 --num-steps 4 --save-every 2 --repeats 1 --out {out}"
    checkpoints.main(words.split())
    record = json.loads(out.read_text())
    assert record["resume"] == {
        "first_update_s": 30.0,
        "first_update_resumed_s": 10.0,
        "programs_kept": 1,
        "programs_compiled_on_resume": 1,
    }
    cost = record["cost"]
    (with_saves,), (without,) = (cost["times_s"][x] for x in ("with", "without"))
    assert cost["num_checkpoints"] == 2
    assert cost["update_s"] == pytest.approx(without / 3)
    assert cost["checkpoint_s"] == pytest.approx((with_saves - without) / 2)
    share = cost["checkpoint_s"] / (1000 * cost["update_s"])
    assert cost["share_of_1000_updates"] == pytest.approx(share)
    assert re.search(r"resumed process\s*│ 10 s", capsys.readouterr().out)


def test_a_tiny_child_reports_its_first_update_and_a_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "PRESET", TINIEST)
    monkeypatch.setattr(checkpoints.subprocess, "Popen", Child)
    arguments = checkpoints.Arguments(population=1, num_steps=200, save_every=100)
    folder, cache = tmp_path / "run", tmp_path / "programs"
    assert checkpoints.start_child(arguments, folder, cache) > 0.0
    assert list((folder / "chunk-0" / "training").glob("[0-9]*"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--repeats 0", "--repeats is 0: give 1 or more"),
        ("--num-steps 1", "--num-steps is 1: give 2 or more"),
        ("--save-every 61", "--save-every is 61: give --num-steps 60 or less"),
    ],
)
def test_bad_options_are_refused_before_training(words, message, monkeypatch):
    monkeypatch.setattr(checkpoints, "train", lambda *_: pytest.fail("it trains"))
    with pytest.raises(rj.InputError, match=message):
        checkpoints.main(words.split())
