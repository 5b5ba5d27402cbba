"""Rows of metrics and of evaluations, by hand."""

import numpy as np
import pytest

from ramac_jax.population import History
from ramac_jax.population.history import EMPTY, fingerprint, join, take


def make_history(steps, made, loss):
    """A history with a row for each step."""
    history = EMPTY
    for step, *row in zip(steps, made, loss, strict=True):
        of_each = [np.array(x) for x in row]
        values = {"member_step": of_each[0], "loss": of_each[1].astype(np.float32)}
        history = history.add_metrics(step, values)
    return history


LONG = make_history([5, 10], [[5, 5], [10, 7]], [[1.0, 2.0], [3.0, 4.0]])
SHORT = make_history([5], [[2]], [[6.0]])


def test_rows_are_added_in_order():
    assert History(metrics={}, evaluations={}) == EMPTY  # the constant did not change
    np.testing.assert_array_equal(LONG.metrics["step"], [5, 10])
    np.testing.assert_array_equal(LONG.metrics["loss"], [[1.0, 2.0], [3.0, 4.0]])
    evaluated = LONG.add_evaluation(10, {"cvar": np.array([0.5, 0.25])})
    assert evaluated.metrics is LONG.metrics
    np.testing.assert_array_equal(evaluated.evaluations["cvar"], [[0.5, 0.25]])
    np.testing.assert_array_equal(evaluated.evaluations["step"], [10])


def test_a_history_until_a_step_has_the_rows_up_to_it():
    evaluated = LONG.add_evaluation(7, {"cvar": np.array([0.5, 0.25])})
    assert evaluated.until(4) == EMPTY
    assert fingerprint(evaluated.until(5)) == fingerprint(take(LONG, 2).until(9))
    np.testing.assert_array_equal(evaluated.until(5).metrics["loss"], [[1.0, 2.0]])
    assert evaluated.until(6).evaluations == {}
    np.testing.assert_array_equal(evaluated.until(7).evaluations["cvar"], [[0.5, 0.25]])
    assert fingerprint(evaluated.until(10)) == fingerprint(evaluated)
    assert EMPTY.until(10) == EMPTY


def test_members_with_fewer_updates_than_tried_are_frozen():
    assert EMPTY.frozen() == {}
    assert LONG.frozen() == {1: 7}
    assert take(LONG, 1).frozen() == {}
    assert SHORT.frozen() == {0: 2}


def test_chunks_of_one_length_are_concatenated():
    joined = join([LONG, take(LONG, 1)])
    np.testing.assert_array_equal(joined.metrics["step"], [5, 10])
    np.testing.assert_array_equal(joined.metrics["loss"], [[1, 2, 1], [3, 4, 3]])
    assert joined.metrics["loss"].dtype == np.float32
    assert joined.evaluations == {}
    assert join([EMPTY, EMPTY]) == EMPTY


@pytest.mark.parametrize("first", [True, False])
def test_a_chunk_that_ended_early_is_filled_up(first):
    evaluated = LONG.add_evaluation(10, {"episodes": np.array([3, 4])})
    chunks = [SHORT, evaluated] if first else [evaluated, SHORT]
    joined = join(chunks)
    place = 0 if first else 2
    metrics, evaluations = joined
    np.testing.assert_array_equal(metrics["step"], [5, 10])
    np.testing.assert_array_equal(metrics["member_step"][:, place], [2, 2])
    np.testing.assert_array_equal(metrics["loss"][:, place], [6.0, np.nan])
    assert metrics["member_step"].dtype == LONG.metrics["member_step"].dtype
    assert metrics["loss"].dtype == np.float32
    np.testing.assert_array_equal(evaluations["step"], [10])
    np.testing.assert_array_equal(evaluations["episodes"][:, place], [np.nan])
    for name in ("member_step", "loss"):
        others = np.delete(metrics[name], place, axis=1)
        np.testing.assert_array_equal(others, LONG.metrics[name])
    np.testing.assert_array_equal(
        np.delete(evaluations["episodes"], place, 1), [[3, 4]]
    )
    assert joined.frozen() == {place: 2, 1 + first: 7}


def test_a_fingerprint_depends_on_every_detail():
    rows = {"a": np.array([[1.0, 2.0]]), "b": np.array([3])}
    others = [
        {"a": np.array([[1.0, np.nextafter(2.0, 3.0)]]), "b": np.array([3])},
        {"a": np.array([[2.0, 1.0]]), "b": np.array([3])},
        {"a": np.array([[1.0], [2.0]]), "b": np.array([3])},
        {"a": np.array([[1.0, 2.0]]), "b": np.array([3.0])},
        {"a": np.array([[1.0, 2.0]]), "b": np.array([3], np.uint64)},
        {"a": np.array([[1.0, 2.0]]), "c": np.array([3])},
        {"a": np.array([[1.0, 2.0]])},
    ]
    assert fingerprint(rows) == fingerprint({k: x.copy() for k, x in rows.items()})
    assert len({fingerprint(x) for x in [rows, *others]}) == 8
