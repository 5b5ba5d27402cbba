"""Actions beyond their bounds: refused, or clipped, counted and recorded."""

import numpy as np
import pytest

from ramac_jax import InputError
from ramac_jax.data.clipping import Clipping, clip_actions
from ramac_jax.data.loading import load_datasets
from ramac_jax.data.relabel import relabel_dataset
from ramac_jax.tasks import angle_hazard
from tests import episodes

BOUNDS = np.float32([-1.0, 0.0]), np.float32([1.0, 10.0])


def write(name="made/wide-v0", wide=(1.5, -3.0)):
    """A Hopper whose first actions are beyond their bounds."""
    episode = episodes.sway(0, steps=20)
    for step, value in enumerate(wide):
        episode.actions[step, 1] = value
    return episodes.write(name, [episode, episodes.sway(1, steps=10)])


def test_actions_are_clipped_to_their_bounds_and_counted():
    action = np.float32([[0.5, 5.0], [1.25, 12.0], [-1.0, -0.5], [1.0 + 1e-6, 0.0]])
    clipped, found = clip_actions(action, *BOUNDS)
    np.testing.assert_array_equal(clipped, [[0.5, 5], [1, 10], [-1, 0], [1, 0]])
    assert found == Clipping(steps=2, largest_excess=2.0)
    assert found + Clipping(1, 3.0) == Clipping(3, 3.0)
    assert clip_actions(action[:1], *BOUNDS)[1] == Clipping()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_never_clipped(value):
    with pytest.raises(InputError, match="action is NaN or infinite in 1 of 1 rows"):
        clip_actions(np.float32([[0.0, value]]), *BOUNDS)


def test_data_beyond_their_bounds_are_refused_with_the_option():
    message = episodes.refusal(load_datasets, [write()])
    assert "action is outside its space in 2 of 20 rows" in message
    assert "--clip-actions (clip_actions=True)" in message


def test_clipped_data_are_those_at_the_bounds():
    data = load_datasets([write()], clip_actions=True)
    same = load_datasets([write("made/narrow-v0", wide=(1.0, -1.0))])
    np.testing.assert_array_equal(data.transitions.action, same.transitions.action)
    (source,), (plain,) = data.sources, same.sources
    assert (source.clipped_steps, source.largest_excess) == (2, 2.0)
    assert (plain.clipped_steps, plain.largest_excess) == (0, 0.0)
    assert source.sha256 == plain.sha256


def test_a_relabelled_dataset_holds_clipped_actions_and_says_so():
    hazard = angle_hazard(-0.1, 0.1, -1.0)
    made = relabel_dataset([write()], "made/hazard-v0", hazard, 0, clip_actions=True)
    assert made.sources[0].clipped_steps == 2
    stored = np.concatenate([x.actions for x in episodes.stored("made/hazard-v0")])
    assert np.abs(stored).max() == 1.0
    load_datasets(["made/hazard-v0"])  # accepted as it is
    message = episodes.refusal(
        relabel_dataset, ["made/wide-v0"], "made/again-v0", hazard, 0
    )
    assert "action is outside its space" in message
