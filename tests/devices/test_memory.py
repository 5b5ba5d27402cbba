"""How many members fit a device: by hand, and by XLA's count."""

import json
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

import ramac_jax as rj
from ramac_jax.devices import memory


class Compiler:
    """Programs that are their own size, 100 bytes and 10 for each member."""

    def __init__(self, fixed=100, each=10):
        self.fixed, self.each, self.sizes = fixed, each, []

    def __call__(self, size):
        self.sizes.append(size)
        return size

    def needs(self, size):
        return self.fixed + self.each * size


@pytest.mark.parametrize(
    ("most", "budget", "each", "compiled"),
    [
        (10, 200, 10, [10]),  # all of them, to the byte
        (10, 199, 5, [10, 1, 5]),  # 9 fit: two chunks of 5, not 9 and 1
        (10, 145, 4, [10, 1, 4]),  # 4 fit: three chunks of 4, 4 and 2
        (9, 149, 3, [9, 1, 3]),  # 4 fit: three chunks of 3
        (100, 150, 5, [100, 1, 5]),
        (10, 110, 1, [10, 1, 1]),
        (2, 119, 1, [2, 1, 1]),
        (1, 110, 1, [1]),
    ],
)
def test_as_many_as_fit_in_equal_chunks(most, budget, each, compiled):
    compiler = Compiler()
    found, program = memory.fit(compiler, compiler.needs, most, budget)
    assert found == program == each
    assert compiler.sizes == compiled


def test_what_is_chosen_fits_where_memory_is_no_straight_line():
    needed = {10: 200, 1: 110, 4: 150, 3: 140}
    compiler = Compiler()
    # By a line from 110 to 200 four would need 140.
    assert memory.fit(compiler, needed.get, 10, 145) == (3, 3)
    assert compiler.sizes == [10, 1, 4, 3]


@pytest.mark.parametrize("most", [1, 10])
def test_a_member_that_does_not_fit_alone_is_refused(most):
    compiler = Compiler(fixed=2**30, each=2**29)
    message = "one member alone needs 1.5 GiB of a device and 1.25 are free"
    with pytest.raises(rj.InputError, match=message):
        memory.fit(compiler, compiler.needs, most, 5 * 2**28)


def test_xlas_count_grows_with_the_members():
    def double(x):
        return 2.0 * x

    def needs(size, **options):
        shape = jax.ShapeDtypeStruct((size, 1000), jnp.float32)
        return memory.bytes_needed(jax.jit(double, **options).lower(shape).compile())

    assert needs(3) == 2 * 3 * 4000  # arguments and results
    assert needs(3, donate_argnums=0) == 3 * 4000  # one and the same


def test_a_device_has_memory_to_give():
    free = memory.memory_to_give()
    assert isinstance(free, int) and 2**20 < free < 2**50


class Compiled:
    """Programs that take 100 bytes of every device, and 10 for each member."""

    def __init__(self, size, devices):
        self.size, self.devices, self.go_on = size, devices, self
        self.mesh = SimpleNamespace(size=min(size, devices))

    def memory_analysis(self):
        return self

    argument_size_in_bytes = 60
    output_size_in_bytes = 50
    alias_size_in_bytes = 10
    temp_size_in_bytes = property(lambda self: 10 * self.size)


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: 2)


@pytest.mark.usefixtures("two_cores")
def test_a_run_keeps_its_size(tmp_path, monkeypatch):
    kept = tmp_path / "chunk.json"
    # Ten members on two cores, five on each: three of them fit, so chunks of 3 and 2.
    size, programs = memory.choose_chunk(Compiled, 10, 1, 2 * 160, kept)
    assert (size, programs.size, programs.devices) == (6, 6, 2)
    assert memory.choose_chunk(Compiled, 10, 1, 10**6, kept)[0] == 6
    assert json.loads(kept.read_text()) == {"size": 6, "devices": 2}
    monkeypatch.setattr(jax, "device_count", lambda: 8)
    assert memory.choose_chunk(Compiled, 10, 1, 10**6, kept)[1].devices == 2

    def refuse(size, devices):
        raise rj.InputError(f"{size} members cannot be dealt")

    with pytest.raises(rj.InputError, match=f"{tmp_path} holds a run in chunks: 6 mem"):
        memory.choose_chunk(refuse, 10, 1, 10**6, kept)
    for text in ("{", "[]", '{"size": 6}', '{"size": null, "devices": 2}'):
        kept.write_text(text)
        with pytest.raises(rj.InputError, match="chunk.json is damaged"):
            memory.choose_chunk(Compiled, 10, 1, 10**6, kept)


@pytest.mark.usefixtures("two_cores")
def test_cores_whose_copies_do_not_fit_are_left_out():
    # One member on each of two cores takes 240 bytes, all ten on one of them 200.
    size, programs = memory.choose_chunk(Compiled, 10, 1, 239, None)
    assert (size, programs.devices) == (10, 1)
    with pytest.raises(rj.InputError, match="one member alone needs"):
        memory.choose_chunk(Compiled, 10, 1, 109, None)


@pytest.mark.usefixtures("two_cores")
def test_accelerators_have_a_memory_each(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert memory.choose_chunk(Compiled, 10, 1, 160, None)[0] == 6
    with pytest.raises(rj.InputError, match="one member alone needs"):
        memory.choose_chunk(Compiled, 10, 1, 119, None)


@pytest.mark.usefixtures("two_cores")
def test_a_backend_that_does_not_tell_is_trusted():
    class Silent(Compiled):
        def memory_analysis(self):
            return None

    assert memory.choose_chunk(Silent, 10, 1, 1, None)[0] == 10
