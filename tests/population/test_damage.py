"""Damaged checkpoints are detected, and the one before is used."""

import json
import shutil

import pytest

import ramac_jax as rj
from ramac_jax.devices.mesh import make_mesh
from ramac_jax.population import checkpoints
from ramac_jax.population.programs import Programs
from ramac_jax.storage import OTHER_NUMBERS
from tests.population import toy
from tests.population.toy import Reports, assert_same

pytestmark = [
    pytest.mark.usefixtures("compiled_once", "waiting"),
    # Orbax drops its other reads where a checkpoint is damaged.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def finished(uninterrupted, tmp_path):
    """A copy of the folder of the uninterrupted run."""
    return shutil.copytree(uninterrupted[1], tmp_path / "run")


def data_files(folder):
    """The files with the numbers of a checkpoint, the largest first."""
    files = [x for x in folder.rglob("d/*") if x.is_file()]
    return sorted(files, key=lambda x: -x.stat().st_size)


def truncate(folder):
    path = data_files(folder / "state")[0]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_bit(path, place=0.5):
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 0x10
    path.write_bytes(content)


def flip_bit_of_state(folder):
    flip_bit(data_files(folder / "state")[0])


def flip_bits_of_history(folder):
    for path in data_files(folder / "history"):
        flip_bit(path)


def remove_largest_file(folder):
    data_files(folder / "state")[0].unlink()


def remove_record(folder):
    shutil.rmtree(folder / "record")


def change_record(folder):
    path = folder / "record" / "metadata"
    record = json.loads(path.read_text())
    record["fingerprint"] += 1
    path.write_text(json.dumps(record))


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        flip_bit_of_state,
        flip_bits_of_history,
        remove_largest_file,
        remove_record,
        change_record,
    ],
)
def test_a_damaged_checkpoint_is_replaced_by_the_one_before(
    train, uninterrupted, finished, damage
):
    folder = finished / "chunk-0" / "training"
    damage(folder / "10")
    warnings, again = [], Reports()
    trained = train(finished, warn=warnings.append, report=again)
    assert_same(trained, uninterrupted[0])
    assert again.places[0] == ("training", 0, 9)
    assert len(warnings) == 1
    assert f"checkpoint {folder / '10'} is damaged" in warnings[0]
    assert "the run resumes from 9" in warnings[0]
    warnings.clear()
    assert_same(train(finished, warn=warnings.append), uninterrupted[0])
    assert warnings == []  # the checkpoint was written anew


def test_a_run_without_an_undamaged_checkpoint_is_refused(train, finished):
    folder = finished / "chunk-0" / "training"
    for step in ("9", "10"):
        flip_bit_of_state(folder / step)
    with pytest.raises(rj.InputError, match="is damaged") as refused:
        train(finished)
    assert f"every checkpoint in {folder} is damaged" in str(refused.value)


def test_no_flipped_bit_changes_a_number(uninterrupted, tmp_path):
    like = Programs(toy.AGENT, toy.DATASET, 5, make_mesh(5), 4).like
    folder = uninterrupted[1] / "chunk-0" / "training"
    with checkpoints.open_manager(folder) as manager:
        expected = checkpoints.restore(manager, 10, like)
    messages = []
    paths = [x.relative_to(folder) for x in data_files(folder / "10")[:6]]
    for i, path in enumerate(paths):
        for j, place in enumerate((0.3, 0.8)):
            copy = shutil.copytree(folder, tmp_path / f"{i}-{j}")
            flip_bit(copy / path, place)
            with checkpoints.open_manager(copy) as manager:
                try:
                    found = checkpoints.restore(manager, 10, like)
                except Exception as error:
                    messages.append(str(error))
                else:
                    assert_same(found, expected)
    # Orbax reads some of them without an error.
    assert OTHER_NUMBERS in messages


def test_a_full_disk_is_one_line_and_the_run_resumes_from_the_checkpoint_before(
    train, uninterrupted, tmp_path
):
    save = checkpoints.save

    def full(manager, step, *args):
        if step == 9:
            raise ValueError("Failed: No space left on device [os_error_code='28']")
        save(manager, step, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "save", full)
        with pytest.raises(rj.InputError) as refused:
            train(tmp_path)
    folder = tmp_path / "chunk-0" / "training"
    assert str(refused.value) == (
        f"cannot keep checkpoints in {folder}: No space left on device; make room, "
        "and the same call resumes the run from its last whole checkpoint"
    )
    again = Reports()
    assert_same(train(tmp_path, report=again), uninterrupted[0])
    assert again.places[0] == ("training", 0, 6)
