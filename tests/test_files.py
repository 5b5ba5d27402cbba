"""Settings, atomic files and locks in the folder of a run."""

import errno
import fcntl
import json
import math
import os
from pathlib import Path

import pytest

import ramac_jax as rj
from ramac_jax.files import disk_fault, strict, write_json
from ramac_jax.folders import check_settings, lock_folder


def stored(folder, **settings):
    path = folder / "settings.json"
    write_json(path, settings)
    return path


def test_equal_settings_pass_and_names_of_the_file_alone_do_not_count(tmp_path):
    path = stored(tmp_path, format=2, options={"level": None}, more=1)
    check_settings(path, {"format": 2, "options": {"level": None}})
    check_settings(tmp_path / "nothing.json", {"format": 2})


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"format": 2, "level": 0.1}, "holds a run with level 0.1, not 0.5: give 0.1"),
        ({"format": 2, "level": None}, "holds a run with level null, not 0.5: give"),
        ({"format": 1, "level": 0.5}, "holds a run with format 1, not 2: give"),
        ({"level": 0.1}, "another version of ramac_jax, which recorded no format:"),
        ({"format": 2}, "another version of ramac_jax, which recorded no level:"),
    ],
)
def test_the_first_difference_is_reported_in_one_line(tmp_path, held, message):
    path = stored(tmp_path, **held)
    with pytest.raises(rj.InputError, match=message) as caught:
        check_settings(path, {"format": 2, "level": 0.5})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[]", "3", ""])
def test_a_damaged_file_of_settings_is_refused(tmp_path, text):
    path = tmp_path / "settings.json"
    path.write_text(text)
    with pytest.raises(rj.InputError, match="settings.json is damaged"):
        check_settings(path, {"format": 2})


def test_numbers_that_json_has_not_compare_equal_to_themselves(tmp_path):
    path = stored(tmp_path, level=math.inf, out=Path("a"), rates=(1.0, math.nan))
    assert json.loads(path.read_text()) == {
        "level": "inf",
        "out": "a",
        "rates": [1.0, "nan"],
    }
    check_settings(path, {"level": math.inf, "rates": (1.0, math.nan)})
    with pytest.raises(rj.InputError, match='level "inf", not 1.0'):
        check_settings(path, {"level": 1.0})


def test_strict_values_keep_what_json_can_hold():
    value = {"a": [1, 2.5, None, True, "x"], "b": {"c": []}}
    assert strict(value) == value


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = stored(tmp_path, format=1)
    with pytest.raises(TypeError):
        write_json(path, {"format": object()})
    assert json.loads(path.read_text()) == {"format": 1}
    assert [x.name for x in tmp_path.iterdir()] == ["settings.json"]


def test_a_folder_has_one_lock(tmp_path):
    folder = tmp_path / "new" / "run"
    message = "another run uses .*run: wait for it"
    with lock_folder(folder), pytest.raises(rj.InputError, match=message):
        lock_folder(folder)
    with lock_folder(folder):
        pass
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(rj.InputError, match="cannot write to .*file/run"):
        lock_folder(tmp_path / "file" / "run")


def without_locks(monkeypatch, number):
    """A file system whose locks fail with this number of an error."""

    def flock(file, operation):
        if operation & fcntl.LOCK_UN:
            return
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_folder_on_a_file_system_without_locks_is_held_by_a_file(
    tmp_path, monkeypatch, number
):
    without_locks(monkeypatch, number)
    with lock_folder(tmp_path):
        with pytest.raises(rj.InputError) as refused:
            lock_folder(tmp_path)
        message = str(refused.value)
    assert message.startswith(f"another run uses {tmp_path} (process {os.getpid()} on ")
    with lock_folder(tmp_path):
        pass


@pytest.mark.parametrize(
    ("number", "name"), [(errno.ENOLCK, ".lock.holder"), (errno.ENOSYS, ".lock")]
)
def test_a_lock_that_another_machine_left_is_named(tmp_path, monkeypatch, number, name):
    without_locks(monkeypatch, number)
    left = tmp_path / name
    left.write_text("4242\nnode017\n2769\n")
    with pytest.raises(rj.InputError) as refused:
        lock_folder(tmp_path)
    assert str(refused.value) == (
        f"another run uses {tmp_path} (process 4242 on node017; if that has ended, "
        f"remove the file {left} and begin again): wait for it, or give another folder"
    )
    left.unlink()
    with lock_folder(tmp_path):
        pass


def test_a_folder_that_another_user_closed_is_refused(tmp_path, monkeypatch):
    def closed(*args, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", closed)
    with pytest.raises(rj.InputError, match="cannot write to .*: Permission denied; g"):
        lock_folder(tmp_path / "run")


def test_a_full_disk_is_told_from_other_errors():
    full = OSError(errno.ENOSPC, "No space left on device")
    later = ValueError("Failed to write: File too large [os_error_code='27']")
    wrapped = RuntimeError("a thread failed")
    wrapped.__cause__ = full
    assert disk_fault(full) == disk_fault(wrapped)
    assert disk_fault(full) == ("write to", "No space left on device", "make room")
    assert disk_fault(later) == ("write to", "File too large", "make room")
    for other in (ValueError("File too large"), FileNotFoundError(2, "x"), None):
        assert disk_fault(other) is None
