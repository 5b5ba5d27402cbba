"""The number of members that train together, and chunks one after another."""

import json
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.devices import memory
from ramac_jax.devices.mesh import make_mesh
from ramac_jax.population.chunks import choose_chunk
from ramac_jax.population.programs import Programs
from tests.population import toy
from tests.population.toy import Death, Reports, assert_same, die

pytestmark = pytest.mark.usefixtures("compiled_once", "waiting")


class FakePrograms:
    """Programs that need 100 bytes of every device, and 10 for each member."""

    def __init__(self, size, devices):
        self.size, self.devices, self.advance = size, devices, self
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
def test_a_resumed_run_has_the_stored_size(tmp_path, monkeypatch):
    stored = tmp_path / "chunk.json"
    # Ten members on two cores, five on each: three of them fit, so chunks of 3 and 2.
    size, programs = choose_chunk(FakePrograms, 10, 1, 2 * 160, stored)
    assert (size, programs.size, programs.devices) == (6, 6, 2)
    assert choose_chunk(FakePrograms, 10, 1, 10**6, stored)[0] == 6
    assert json.loads(stored.read_text()) == {"size": 6, "devices": 2}
    monkeypatch.setattr(jax, "device_count", lambda: 8)
    assert choose_chunk(FakePrograms, 10, 1, 10**6, stored)[1].devices == 2

    def refuse(size, devices):
        raise rj.InputError(f"{size} members cannot be divided")

    with pytest.raises(rj.InputError, match=f"{tmp_path} holds a run in chunks: 6 mem"):
        choose_chunk(refuse, 10, 1, 10**6, stored)
    for text in ("{", "[]", '{"size": 6}', '{"size": null, "devices": 2}'):
        stored.write_text(text)
        with pytest.raises(rj.InputError, match="chunk.json is damaged"):
            choose_chunk(FakePrograms, 10, 1, 10**6, stored)


@pytest.mark.usefixtures("two_cores")
def test_fewer_cores_are_used_where_their_copies_do_not_fit():
    # One member on each of two cores needs 240 bytes, ten members on one core 200.
    size, programs = choose_chunk(FakePrograms, 10, 1, 239, None)
    assert (size, programs.devices) == (10, 1)
    with pytest.raises(rj.InputError, match="one member alone needs"):
        choose_chunk(FakePrograms, 10, 1, 109, None)


@pytest.mark.usefixtures("two_cores")
def test_each_accelerator_has_a_memory_of_its_own(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert choose_chunk(FakePrograms, 10, 1, 160, None)[0] == 6
    with pytest.raises(rj.InputError, match="one member alone needs"):
        choose_chunk(FakePrograms, 10, 1, 119, None)


@pytest.mark.usefixtures("two_cores")
def test_a_backend_without_a_memory_analysis_trains_all_members_at_once():
    class Unanalysed(FakePrograms):
        def memory_analysis(self):
            return None

    assert choose_chunk(Unanalysed, 10, 1, 1, None)[0] == 10


@pytest.fixture(scope="module")
def budget():
    """Memory that two members fit and three do not."""
    mesh = make_mesh(6)
    two, three = (
        memory.bytes_needed(Programs(toy.AGENT, toy.DATASET, n, mesh, 4).advance)
        for n in (2, 3)
    )
    assert three > two
    return (two + three) // 2


def test_members_that_do_not_fit_train_in_chunks(train, close, tmp_path, budget):
    alike = {"members": toy.make_members(5, diverging=[3]), "start": None}
    expected = train(**alike)
    assert expected.frozen == {3: 1}
    warnings, seen = [], Reports()
    trained = train(memory=budget, warn=warnings.append, report=seen, **alike)
    warning = "5 members do not fit the memory at once: they train in 3 chunks of 2"
    assert warnings == [warning]
    ends = [x for x in seen.places if x[0] == "training" and x[2] == 10]
    assert ends == [("training", chunk, 10) for chunk in range(3)]
    close(trained, expected, 1e-5, 1e-4)

    def resume(report, **memory):
        warnings = []
        try:
            return train(
                tmp_path, warn=warnings.append, report=report, **alike, **memory
            )
        finally:
            assert warnings == [warning]

    with pytest.raises(Death):
        resume(Reports(("training", 1, 5), die), memory=budget)
    again = Reports()
    # The same number of chunks, though all of the memory is free.
    assert_same(resume(again), trained)
    assert again.places[:2] == [("training", 0, 10), ("training", 1, 3)]
    assert again.places[-1] == ("training", 2, 10)


def test_a_member_that_does_not_fit_alone_is_refused(train, budget):
    with pytest.raises(rj.InputError, match="one member alone needs"):
        train(memory=budget // 10)


def test_a_chunk_whose_members_all_diverge_ends_early(train, tmp_path):
    options = {"members": toy.make_members(2, diverging=[0, 1]), "start": None}
    seen, again = Reports(), Reports()
    trained = train(tmp_path, report=seen, **options)
    assert trained.frozen == {0: 1, 1: 1}
    assert seen.places[-1] == ("training", 0, 4)  # the row that showed it
    assert_same(train(tmp_path, report=again, **options), trained)
    assert again.places == [("training", 0, 4)]


def test_a_chunk_that_ended_early_joins_the_others(train, close, budget):
    members = toy.make_members(5, diverging=[0, 1])
    expected = train(members=members, start=None)
    assert expected.frozen == {0: 1, 1: 1}
    trained = train(members=members, start=None, memory=budget, warn=lambda text: None)
    assert trained.frozen == expected.frozen
    close(trained.states, expected.states, 1e-5, 1e-4)
    close(trained.history.metrics, expected.history.metrics, 1e-5, 1e-4)
    evaluations = trained.history.evaluations
    for name in ("size", "rate"):  # the chunk ended before its first evaluation
        assert np.isnan(evaluations[name][:, :2]).all()
        rows = expected.history.evaluations[name][:, 2:]
        np.testing.assert_allclose(evaluations[name][:, 2:], rows, 1e-4)
