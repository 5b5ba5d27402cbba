"""What a process took, and the commands whose start is timed."""

import os

import pytest

from benchmarks import starts
from ramac_jax import InputError
from ramac_jax.cli.options.train import parse


def test_a_process_has_its_own_time_and_memory():
    idle = starts.start(["-c", "import time; time.sleep(.3)"])
    assert idle.seconds >= 0.3 > idle.cpu_seconds
    busy = starts.start(["-c", "x = bytearray(200_000_000)\nfor _ in range(10**7): 0"])
    assert busy.cpu_seconds > idle.cpu_seconds + 0.05
    assert busy.peak_bytes > idle.peak_bytes + 150_000_000


def test_variables_reach_the_process_and_a_failure_is_one_line():
    check = "import os, sys; sys.exit(os.environ['SEEN'])"
    with pytest.raises(InputError, match="failed: the message$"):
        starts.start(["-c", check], SEEN="the message")


def test_ratios_are_of_one_round(monkeypatch):
    """A round in which everything takes ten times as long has the same ratios."""
    rounds = iter([1.0, 1.0, 10.0, 2.0])

    def one_round(preset, folder):
        factor = next(rounds)
        costs = {starts.IMPORT: 1.0, "ramac --help": 0.1}
        return {k: starts.Cost(x, x * factor, 1) for k, x in costs.items()}

    monkeypatch.setattr(starts, "make_dataset", lambda steps, folder: None)
    monkeypatch.setattr(starts, "one_round", one_round)
    first, second = starts.measure(starts.Arguments(repeats=3))
    assert first["ratio_range"] == [1.0, 1.0]
    assert second["ratio"] == pytest.approx(0.1)
    assert second["ratio_range"] == pytest.approx([0.1, 0.1])
    assert second["cpu_seconds"] == pytest.approx(0.2)


def test_the_run_is_one_that_train_accepts(tmp_path):
    program, module, command, *words = starts.run_words("radac", tmp_path)
    assert (program, module, command) == ("-m", "ramac_jax", "train")
    options = parse(words)
    assert options.training.num_steps == 1 and options.evaluation.episodes == 0


def test_a_process_ends_with_the_benchmark(monkeypatch):
    def interrupted(field, process):
        numbers.append(process)
        raise KeyboardInterrupt

    numbers = []
    monkeypatch.setattr(starts, "resident", interrupted)
    with pytest.raises(KeyboardInterrupt):
        starts.start(["-c", "import time; time.sleep(60)"])
    with pytest.raises(ProcessLookupError):
        os.kill(numbers[0], 0)


def test_an_unknown_preset_is_refused_before_anything_starts(monkeypatch):
    monkeypatch.setattr(starts, "measure", lambda arguments: pytest.fail("it starts"))
    with pytest.raises(InputError, match="radca"):
        starts.main(["--preset", "radca"])
