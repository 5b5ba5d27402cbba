"""What is stored is described and checked leaf by leaf."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.compute.flat_params import pack
from ramac_jax.storage import (
    check_files,
    check_layout,
    file_checksums,
    layout,
    member_checksums,
    read_tree,
    write_tree,
)

TREE = {"a": np.array([[1.0, 2.0]], np.float32), "b": {"c": np.array([3, 4])}}


def test_a_tree_and_a_part_of_it_are_read_as_they_were_written(tmp_path):
    write_tree(tmp_path / "tree", TREE)
    for like in (TREE, {"b": TREE["b"]}):
        read = read_tree(tmp_path / "tree", like)
        jax.tree.map(np.testing.assert_array_equal, read, like)
        assert layout(read) == layout(like)


def test_a_file_that_changed_or_is_missing_is_named(tmp_path):
    (tmp_path / "inside").mkdir()
    for name in ("one", "inside/two"):
        (tmp_path / name).write_text(name)
    written = file_checksums(tmp_path)
    assert written.keys() == {"one", "inside/two"}
    (tmp_path / "another").write_text("does not count")
    check_files(tmp_path, written)
    (tmp_path / "one").write_text("onf")
    with pytest.raises(rj.InputError, match=f"{tmp_path.name}/one has changed"):
        check_files(tmp_path, written)
    (tmp_path / "inside/two").unlink()
    with pytest.raises(rj.InputError, match="inside/two is missing"):
        check_files(tmp_path, written)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32", "uint32", "bool"])
def test_every_flipped_bit_changes_the_checksum_of_its_member_alone(dtype):
    numbers = np.random.default_rng(0).integers(0, 2, (3, 2)).astype(jnp.dtype(dtype))
    before = member_checksums({"x": jnp.asarray(numbers)})
    assert before.shape == (3, 1)
    for bit in range(1 if dtype == "bool" else 8 * numbers.itemsize):
        flipped = numbers.copy()
        flipped.view(np.uint8)[1, bit // 8] ^= 1 << bit % 8
        after = member_checksums({"x": jnp.asarray(flipped)})
        assert (before != after).ravel().tolist() == [False, True, False]


def test_a_layout_names_the_layers_of_a_network():
    weights = pack({"dense": {"bias": jnp.zeros(3), "kernel": jnp.zeros((2, 3))}})
    assert layout({"params": weights, "step": jnp.int32(0)}) == {
        "params/dense/bias": "float32[3]",
        "params/dense/kernel": "float32[2, 3]",
        "step": "int32[]",
    }


@pytest.mark.parametrize(("bits", "switch"), [(32, "false"), (64, "true")])
def test_another_precision_names_the_switch(bits, switch):
    advice = f"set JAX_ENABLE_X64={switch}, as where the states were made$"
    with pytest.raises(rj.InputError, match=advice):
        check_layout({"a": f"float{bits}[2]"}, {"a": f"float{96 - bits}[2]"})


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ({"a": "int32[2]"}, r"b is nothing where int32\[\] is expected"),
        ({"a": "int32[3]", "b": "int32[]"}, r"a is int32\[3\] where int32\[2\] is"),
        (
            {"a": "int32[2]", "b": "int32[]", "c": "bool[]"},
            r"c is bool\[\] where nothing is expected",
        ),
    ],
)
def test_the_first_leaf_that_differs_is_named(stored, message):
    expected = {"a": "int32[2]", "b": "int32[]"}
    check_layout(expected, expected)
    with pytest.raises(rj.InputError, match=message):
        check_layout(stored, expected)
