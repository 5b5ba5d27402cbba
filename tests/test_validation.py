"""Bad input: one clear error, naming the field and the row."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.errors import check_names
from ramac_jax.hyperparams import RANGES, Range
from ramac_jax.validation import check_target_steps


@pytest.fixture
def rows(make_batch):
    """Six rows, of one episode."""
    batch = jax.tree.map(lambda x: np.array(x), make_batch(6))
    terminated = np.zeros(6, np.float32)
    return batch._replace(terminated=terminated, steps=np.arange(6.0, 0.0, -1.0))


def spoiled(rows, name, index, value):
    array = np.array(getattr(rows, name), np.float32)
    array[index] = value
    return rows._replace(**{name: array})


def refused(check, argument):
    """The one line with which the argument is refused."""
    with pytest.raises(rj.InputError) as caught:
        check(argument)
    assert isinstance(caught.value, ValueError)
    message = str(caught.value)
    assert message and "\n" not in message
    return message


def test_good_data_passes(rows):
    rj.check_transitions(rows)
    rj.check_transitions(jax.tree.map(jnp.asarray, rows))
    rj.check_transitions(spoiled(rows, "action", (0, 0), 1.0 + 1e-6))  # rounding
    rj.check_transitions(rows._replace(terminated=rows.terminated.astype(bool)))
    rj.check_transitions(jax.tree.map(lambda x: jnp.asarray(x, jnp.bfloat16), rows))


@pytest.mark.parametrize("dtype", [complex, str, object, "datetime64[s]"])
def test_rewards_of_another_type_are_refused(rows, dtype):
    reward = np.zeros(6, dtype)
    message = refused(rj.check_transitions, rows._replace(reward=reward))
    assert message == f"reward has dtype {reward.dtype}: give numbers"


@pytest.mark.parametrize("name", rj.Transition._fields)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_named_with_its_row(rows, name, value):
    message = refused(rj.check_transitions, spoiled(rows, name, 4, value))
    assert message.startswith(f"{name} is NaN or infinite in 1 of 6 rows")
    assert "row 4" in message


@pytest.mark.parametrize("value", [-1.01, 1.01, 30.0])
def test_an_action_out_of_range_is_named_with_its_first_row(rows, value):
    bad = spoiled(spoiled(rows, "action", (5, 0), value), "action", (2, 1), value)
    message = refused(rj.check_transitions, bad)
    assert message.startswith("action is outside [-1, 1] in 2 of 6 rows")
    assert "row 2" in message


@pytest.mark.parametrize("value", [-1.0, 0.5, 2.0])
def test_terminated_is_zero_or_one(rows, value):
    message = refused(rj.check_transitions, spoiled(rows, "terminated", 3, value))
    assert message.startswith("terminated is not 0 or 1") and "row 3" in message


@pytest.mark.parametrize("name", sorted({*rj.Transition._fields} - {"reward"}))
def test_a_field_of_another_length_is_named_with_its_shape(rows, name):
    short = rows._replace(**{name: getattr(rows, name)[:-1]})
    message = refused(rj.check_transitions, short)
    assert message.startswith(f"{name} has shape [5") and "[6]" in message


@pytest.mark.parametrize("name", rj.Transition._fields)
def test_a_field_with_another_number_of_axes_is_named(rows, name):
    deep = rows._replace(**{name: getattr(rows, name)[..., None]})
    assert refused(rj.check_transitions, deep).startswith(f"{name} has shape")


@pytest.mark.parametrize("value", [0.0, 2.0, 2.5, 7.0, -1.0])
def test_steps_count_down_to_the_end_of_an_episode(rows, value):
    message = refused(rj.check_transitions, spoiled(rows, "steps", 3, value))
    assert message.startswith("steps is no count of the steps that are left")
    rj.check_transitions(rows._replace(steps=None))
    rj.check_transitions(rows._replace(steps=np.array([2.0, 1.0, 1.0, 3.0, 2.0, 1.0])))


def test_a_terminated_step_is_the_last_of_its_episode(rows):
    message = refused(rj.check_transitions, spoiled(rows, "terminated", 2, 1.0))
    assert message.startswith("steps is no count") and "row 2" in message


@pytest.mark.parametrize(
    ("target_steps", "steps", "message"),
    [
        (7, [6, 5, 4, 3, 2, 1], "the longest episode has 6 steps: give at most 6"),
        (2, None, "does not say where its episodes end"),
    ],
)
def test_targets_of_more_steps_than_an_episode_are_refused(
    rows, target_steps, steps, message
):
    rows = rows._replace(steps=None if steps is None else np.array(steps))
    with pytest.raises(rj.InputError, match=message):
        check_target_steps(target_steps, rows)
    check_target_steps(1, rows)


def test_a_scalar_reward_is_refused(rows):
    refused(rj.check_transitions, rows._replace(reward=np.float32(1.0)))


def test_observations_must_agree_in_width(rows):
    other = rows._replace(next_observation=rows.next_observation[:, :2])
    message = refused(rj.check_transitions, other)
    assert "observation has shape [6, 3]" in message
    assert "next_observation [6, 2]" in message


def test_an_empty_dataset_is_refused(rows):
    empty = jax.tree.map(lambda x: x[:0], rows)
    assert "empty" in refused(rj.check_transitions, empty)


def test_every_hyperparameter_has_a_range_and_a_default_within():
    assert tuple(RANGES) == rj.Hyperparams._fields
    rj.check_hyperparams(rj.Hyperparams())


def outside(allowed):
    values = [np.nan]
    if not allowed.infinite:
        values.append(np.inf)
    if np.isfinite(allowed.low):
        values += [allowed.low - 1.0] + [allowed.low] * allowed.open_low
    if np.isfinite(allowed.high):
        values.append(allowed.high + 0.1)
    return values


CASES = [(name, value) for name in RANGES for value in outside(RANGES[name])]


@pytest.mark.parametrize(("name", "value"), CASES)
def test_a_hyperparameter_out_of_range_is_named(name, value):
    bad = rj.Hyperparams()._replace(**{name: value})
    message = refused(rj.check_hyperparams, bad)
    assert message == f"{name} is {value:g}: it must be {RANGES[name]}"


def test_signs_of_the_ranges():
    for name in rj.Hyperparams._fields:
        signed = {"risk_level", "value_min", "value_max"}
        assert (-5.0 in RANGES[name]) == (name in signed), name


def test_a_stacked_hyperparameter_is_checked_in_every_member():
    good = rj.grid(rj.Hyperparams(), discount=[0.9, 1.0])
    rj.check_hyperparams(good)
    bad = rj.grid(rj.Hyperparams(), discount=[0.9, 1.5])
    assert refused(rj.check_hyperparams, bad).startswith("discount is 1.5")


@pytest.mark.parametrize("bounds", [(1.0, 1.0), (2.0, 1.0), (jnp.inf, jnp.inf)])
def test_value_bounds_are_ordered(bounds):
    bad = rj.Hyperparams(value_min=bounds[0], value_max=bounds[1])
    assert "value_min" in refused(rj.check_hyperparams, bad)


@pytest.mark.parametrize(
    ("allowed", "text"),
    [
        (Range(), "finite"),
        (Range(0.0), "at least 0"),
        (Range(0.0, open_low=True), "above 0"),
        (Range(0.0, 1.0), "at least 0 and at most 1"),
    ],
)
def test_a_range_reads_as_english(allowed, text):
    assert str(allowed) == text


def test_an_unknown_name_is_answered_with_the_nearest():
    check_names("actor", ["flow"], ["flow", "diffusion"])
    with pytest.raises(rj.InputError, match="unknown actor 'flwo': did you mean flow"):
        check_names("actor", ["flwo"], ["flow", "diffusion"])
    with pytest.raises(rj.InputError, match="give one of diffusion, flow"):
        check_names("actor", ["zzz"], ["flow", "diffusion"])


def test_an_unknown_name_among_many_is_answered_with_a_few_and_a_number():
    many = [f"name-{number:02}" for number in range(40)]
    with pytest.raises(rj.InputError) as caught:
        check_names("preset", ["zzz"], many)
    assert str(caught.value) == (
        "unknown preset 'zzz': give one of name-00, name-01, name-02, name-03, "
        "name-04 and 35 others"
    )
    with pytest.raises(
        rj.InputError, match=r"did you mean name-20, name-\d\d, name-\d\d\?$"
    ):
        check_names("preset", ["nam-20"], many)


def test_no_target_is_clipped_by_default():
    """A good HalfCheetah returns far more than the published bounds of 300."""
    defaults = rj.Hyperparams()
    assert (defaults.value_min, defaults.value_max) == (-np.inf, np.inf)


@pytest.mark.parametrize(
    ("measure", "level"), [("cvar", 0.0), ("cvar", 1.5), ("cpw", -0.1)]
)
def test_a_risk_level_that_the_measure_does_not_allow_is_refused(measure, level):
    hyperparams = rj.Hyperparams(risk_level=level)
    rj.check_hyperparams(hyperparams)  # a level of some measure
    rj.check_hyperparams(hyperparams, lambda tau, level: tau)
    with pytest.raises(rj.InputError, match=f"risk_level is {level:g}.*at most 1"):
        rj.check_hyperparams(hyperparams, getattr(rj.risk, measure))


@pytest.mark.parametrize("value", ["a tenth", {}, [[0.1], [0.2, 0.3]]])
def test_a_hyperparameter_that_is_no_number_is_refused(value):
    message = refused(rj.check_hyperparams, rj.Hyperparams(discount=value))
    assert message == f"discount is {value!r}: give numbers"
