"""A run resumes under the settings of JAX that it began with; a machine may change."""

import json
import os
import shutil

import jax
import pytest

import ramac_jax as rj
from ramac_jax.devices.mesh import make_mesh
from ramac_jax.population import checkpoints, numerics
from tests.population.toy import Death, Reports, assert_same, die

pytestmark = pytest.mark.usefixtures("compiled_once", "waiting")


@pytest.fixture(scope="module")
def halfway(train, tmp_path_factory):
    """The folder of a run that ended after update 8, with checkpoints of 3 and 6."""
    folder = tmp_path_factory.mktemp("halfway")
    with pytest.raises(Death):
        train(folder, report=Reports(("training", 0, 8), die))
    return folder


def content(folder):
    return {x: x.read_bytes() for x in folder.rglob("*") if x.is_file()}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            lambda: jax.enable_x64(True),
            "jax_enable_x64 False, and now it is True: set JAX_ENABLE_X64=false",
        ),
        (
            lambda: jax.default_prng_impl("rbg"),
            "jax_default_prng_impl threefry2x32, and now it is rbg: set "
            "JAX_DEFAULT_PRNG_IMPL=threefry2x32",
        ),
        (
            lambda: jax.threefry_partitionable(False),
            "jax_threefry_partitionable True, and now it is False: set "
            "JAX_THREEFRY_PARTITIONABLE=true",
        ),
        (
            lambda: jax.default_matmul_precision("bfloat16"),
            "jax_default_matmul_precision None, and now it is bfloat16: unset "
            "JAX_DEFAULT_MATMUL_PRECISION",
        ),
    ],
)
def test_other_settings_of_jax_are_refused_by_name(train, halfway, changed, message):
    before = content(halfway)
    with changed(), pytest.raises(rj.InputError) as refused:
        train(halfway)
    expected = (
        f"{halfway} holds a run that began with {message}, or give another folder"
    )
    assert str(refused.value) == expected
    assert content(halfway) == before


def test_a_run_that_recorded_no_settings_of_jax_resumes(
    train, uninterrupted, halfway, tmp_path
):
    folder = shutil.copytree(halfway, tmp_path / "run")
    record = json.loads((folder / "settings.json").read_text())
    assert record.pop("jax")["jax_enable_x64"] is False
    (folder / "settings.json").write_text(json.dumps(record))
    assert_same(train(folder), uninterrupted[0])


def test_the_machine_is_described_with_all_that_the_last_bits_depend_on(monkeypatch):
    for name in numerics.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NPROC", "3")
    here = numerics.machine(make_mesh(1))
    assert here.startswith(f"JAX {jax.__version__} on 1 of 1 x cpu with 3 threads")
    monkeypatch.setenv("NPROC", "1")
    alone = here.replace("3 threads", "1 thread")
    assert numerics.machine(make_mesh(1)) == alone
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=x --xla_b=2 --xla_a=1")
    flags = ", XLA_FLAGS=--xla_a=1 --xla_b=2"
    assert numerics.machine(make_mesh(1)) == alone + flags


def test_a_file_of_another_user_is_not_called_damaged(train, halfway, monkeypatch):
    folder = halfway / "chunk-0" / "training" / "6"
    closed = next(x for x in folder.rglob("*") if x.is_file())

    def forbid(*args):
        raise ValueError("a riddle")

    monkeypatch.setattr(checkpoints, "read_shard", forbid)
    monkeypatch.setattr(os, "access", lambda path, _: path != closed)
    before = content(halfway)
    with pytest.raises(rj.InputError, match=f"^cannot read {closed}: permission deni"):
        train(halfway)
    assert content(halfway) == before
