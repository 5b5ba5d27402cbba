"""Metrics sent to TensorBoard and wandb, read back from the files they write."""

import importlib.machinery
import importlib.util
import json
import re
import runpy
import struct
import sys
import time

import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.cli.options.command import LogOptions
from ramac_jax.cli.runs import sinks

MEMBERS = ("setting-0-seed-5", "setting-3-seed-5")


def losses(*values):
    return {"bc_loss": np.array(values, np.float32)}


def events(folder):
    """Return the events of a folder in TensorBoard's order: files by their name."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(folder.glob("*tfevents*")):
        data = path.read_bytes()
        while data:  # length, its checksum, the event, its checksum
            (length,) = struct.unpack_from("<Q", data)
            found.append(Event.FromString(data[12 : 12 + length]))
            data = data[16 + length :]
    return found


def visible(folder):
    """Return tag -> [(step, value)] as TensorBoard shows them: a start hides later."""
    points = {}
    for event in events(folder):
        if event.session_log.status == event.session_log.START:
            for tag, old in points.items():
                points[tag] = [point for point in old if point[0] < event.step]
        for value in event.summary.value:
            points.setdefault(value.tag, []).append((event.step, value.simple_value))
    return points


def history(path):
    """Return the rows of a .wandb file (a LevelDB log of its own header), by step."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, position, record, rows = path.read_bytes(), 7, b"", {}
    while position + 7 <= len(data):
        if (left := 32768 - position % 32768) < 7:  # the rest of a block is padding
            position += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        record += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or the last part
            parsed, record = Record.FromString(record), b""
            if parsed.WhichOneof("record_type") == "history":
                assert parsed.history.step.num not in rows
                rows[parsed.history.step.num] = {
                    name: json.loads(item.value_json)
                    for item in parsed.history.item
                    if not (name := item.key or item.nested_key[0]).startswith("_")
                }
    return rows


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Keep wandb offline, and away from the home folder, which must stay empty."""
    import wandb

    home, aside = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("aside")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("WANDB_MODE", "offline")
        patch.setenv("WANDB_ERROR_REPORTING", "false")
        for name in ("DIR", "CACHE_DIR", "CONFIG_DIR", "DATA_DIR", "ARTIFACT_DIR"):
            patch.setenv(f"WANDB_{name}", str(aside))
        yield home
        wandb.teardown()


def record(folder):
    return json.loads((folder / "wandb" / "population.json").read_text())


def log(folder, steps, resume_step=None):
    """Run one process's worth of wandb: a loss of step/10 at every step."""
    with sinks.open_sinks(
        folder, LogOptions(wandb="ramac"), "a run", {"seed": 5}, resume_step
    ) as (sink,):
        for step in steps:
            sink.write(step, MEMBERS, losses(step / 10, np.nan))
            sink.write(step, MEMBERS[:1], {"cvar": np.array([-step])})
    return record(folder)["id"]


def test_tensorboard_has_a_point_per_member_metric_and_step(tmp_path):
    sink = sinks.TensorBoardSink(tmp_path)
    sink.write(10, MEMBERS, losses(0.5, np.nan))
    sink.write(10, MEMBERS, {"cvar": np.array([-1, -2])})
    sink.write(20, MEMBERS, losses(np.inf, 0.25))
    sink.close()
    assert visible(tmp_path) == {
        "bc_loss/setting-0-seed-5": [(10, 0.5), (20, np.inf)],
        "bc_loss/setting-3-seed-5": [(20, 0.25)],
        "cvar/setting-0-seed-5": [(10, -1.0)],
        "cvar/setting-3-seed-5": [(10, -2.0)],
    }


def test_a_resume_hides_the_points_beyond_it_from_tensorboard(tmp_path):
    earlier = sinks.TensorBoardSink(tmp_path)
    for step in (10, 20, 30, 35):
        earlier.write(step, MEMBERS, losses(1.0, 2.0))
    earlier.close()
    resumed = sinks.TensorBoardSink(tmp_path, resume_step=20)
    resumed.write(30, MEMBERS, losses(3.0, np.nan))
    resumed.close()
    assert visible(tmp_path) == {
        "bc_loss/setting-0-seed-5": [(10, 1.0), (20, 1.0), (30, 3.0)],
        "bc_loss/setting-3-seed-5": [(10, 2.0), (20, 2.0)],
    }
    assert len(list(tmp_path.iterdir())) == 2  # of one second: neither is overwritten


def test_sinks_are_closed_where_the_run_fails(tmp_path):
    with (
        pytest.raises(KeyboardInterrupt),
        sinks.open_sinks(tmp_path, LogOptions(tensorboard=True), "a run", {}) as (
            sink,
        ),
    ):
        for step in (1, 2, 3):
            sink.write(step, MEMBERS, losses(1.0, 1.0))
        raise KeyboardInterrupt
    (points, _) = visible(tmp_path / "tensorboard").values()
    assert points == [(1, 1.0), (2, 1.0), (3, 1.0)]


def test_a_resumed_wandb_run_keeps_its_id_and_logs_each_step_once(tmp_path, home):
    first = log(tmp_path, (10, 20, 30))
    time.sleep(1.1 - time.time() % 1.0)  # wandb names its folders by the second
    assert log(tmp_path, (20, 30, 40), resume_step=10) == first
    assert record(tmp_path)["logged"] == 40
    logs = sorted(tmp_path.glob(f"wandb/offline-run-*-{first}/run-{first}.wandb"))
    assert [history(path) for path in logs] == [
        {
            step: {
                "bc_loss/setting-0-seed-5": step / 10,
                "cvar/setting-0-seed-5": -step,
            }
            for step in steps
        }
        for steps in ((10, 20, 30), (40,))
    ]
    assert log(tmp_path, (10,)) != first  # a run from the start is another one
    assert set(tmp_path.iterdir()) == {tmp_path / "wandb"}
    assert list(home.iterdir()) == []


def test_a_step_counts_as_logged_in_wandb_once_the_next_one_came(tmp_path, home):
    sink = sinks.WandbSink(tmp_path, "ramac", "a run", {})
    counted = []
    for step in (10, 10, 20):
        sink.write(step, MEMBERS, losses(1.0, 1.0))
        counted.append(record(tmp_path)["logged"])
    sink.close()
    assert counted == [-1, -1, 10]  # what a kill at this moment would leave
    assert record(tmp_path)["logged"] == 20


def test_what_wandb_refuses_is_one_line(tmp_path, home):
    with (
        pytest.raises(rj.InputError, match="wandb: Invalid project name 'a/b'") as said,
        sinks.open_sinks(tmp_path, LogOptions(wandb="a/b"), "a run", {}),
    ):
        pass
    assert "\n" not in str(said.value)
    assert "WANDB_MODE=offline" in str(said.value)


@pytest.mark.parametrize(
    "spec",
    [None, importlib.machinery.ModuleSpec("a folder of this name", None)],
    ids=["nothing", "a folder"],
)
@pytest.mark.parametrize(
    ("asked", "line"),
    [
        (
            (True, None),
            "--tensorboard needs tensorboardX: pip install 'ramac_jax[tensorboard]'",
        ),
        ((False, "ramac"), "--wandb needs wandb: pip install 'ramac_jax[wandb]'"),
    ],
)
def test_a_missing_library_is_one_line(spec, asked, line, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    for ask in (
        lambda: sinks.check_sinks(LogOptions(*asked)),
        lambda: sinks.open_sinks(tmp_path, LogOptions(*asked), "a run", {}).__enter__(),
    ):
        with pytest.raises(rj.InputError, match=f"^{re.escape(line)}$"):
            ask()
    assert list(tmp_path.iterdir()) == []


def test_without_sinks_neither_library_is_needed(tmp_path, monkeypatch):
    for name in ("tensorboardX", "wandb"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it fails
    loaded = runpy.run_path(sinks.__file__)
    loaded["check_sinks"](LogOptions())
    with loaded["open_sinks"](tmp_path, LogOptions(), "a run", {}) as opened:
        assert opened == ()
    assert list(tmp_path.iterdir()) == []
