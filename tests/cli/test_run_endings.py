"""A run that an error ends is recorded as interrupted, and a full disk is one line."""

import errno
import json
import os

import pytest

import ramac_jax as rj
from ramac_jax.cli import process, quiet
from ramac_jax.cli.runs import folder as folders
from ramac_jax.cli.runs.folder import TRAIN, RunFolder

FULL = OSError(errno.ENOSPC, "No space left on device")
RECORD = {"started": "now", "status": "running", "options": {}}


@pytest.fixture
def run(tmp_path):
    return RunFolder(out=tmp_path / "run", layout=TRAIN, settings={})


def end(run, error):
    """Begin a run that ends by this error after its first checkpoint."""
    with run.reserve(dict(RECORD)):
        (run.out / "population" / "chunk-0").mkdir(parents=True, exist_ok=True)
        raise error


def status(run):
    return json.loads((run.out / "run.json").read_text())["status"]


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("a bug"), rj.InputError("a worker died")]
)
def test_whatever_ends_a_run_it_is_interrupted_and_resumes(run, error):
    with pytest.raises(type(error), match=str(error)):
        end(run, error)
    assert status(run) == "interrupted"
    assert run.check()
    with pytest.raises(type(error), match=str(error)):  # of the resumed run too
        end(run, error)
    assert status(run) == "interrupted"
    with run.reserve(dict(RECORD)) as record:
        assert record["resumed"] == ["now", "now"]
        record["status"] = "finished"
    assert status(run) == "finished"


def test_a_full_disk_is_one_line_and_the_status_takes_no_room(run, monkeypatch):
    write = folders.write_json

    def no_room(path, record):
        if record["status"] == "interrupted":
            raise FULL
        write(path, record)

    monkeypatch.setattr(folders, "write_json", no_room)
    with pytest.raises(rj.InputError) as refused:
        end(run, FULL)
    assert str(refused.value) == (
        f"cannot write to {run.out}: No space left on device; make room, and the same "
        "command resumes the run from its last whole checkpoint"
    )
    assert status(run) == "interrupted"
    assert run.check()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            FULL,
            "cannot write to the disk: No space left on device; make room, and",
        ),
        (
            OSError(errno.EDQUOT, "Disk quota exceeded", "a/b.csv"),
            "cannot write to a/b.csv: Disk quota exceeded; make room",
        ),
        (
            OSError(errno.EROFS, "Read-only file system", "a/b.csv"),
            "cannot write to a/b.csv: Read-only file system; make it writable, and",
        ),
        (
            OSError(errno.EIO, "Input/output error", "data/x.hdf5"),
            "cannot use data/x.hdf5: Input/output error; check the disk, and give the",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "a/run.json"),
            "cannot use a/run.json: permission denied; ask its owner, or give another",
        ),
    ],
)
def test_what_the_system_refuses_is_one_line_of_any_command(error, line, capsys):
    with pytest.raises(SystemExit) as ended, process.exit_status("ramac evaluate"):
        raise error
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"error: {line}") and printed.count("\n") == 1


def test_another_error_of_the_system_is_an_error_of_the_program():
    with pytest.raises(FileNotFoundError), process.exit_status("ramac evaluate"):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "a")


def test_a_write_that_comes_after_its_loop_is_not_printed(capsys, monkeypatch):
    late, printed = RuntimeError("Event loop is closed"), []
    monkeypatch.setattr("sys.__unraisablehook__", printed.append)
    for error in (late, ZeroDivisionError("no")):
        quiet.print_unless_late(type("Unraisable", (), {"exc_value": error}))
    assert [str(x.exc_value) for x in printed] == ["no"]
