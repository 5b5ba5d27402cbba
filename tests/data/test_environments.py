"""The environments that datasets name: of evaluations, and of joined datasets."""

import warnings

import gymnasium as gym
import pytest

from ramac_jax.data.loading import load_datasets
from ramac_jax.data.relabel import relabel_dataset
from ramac_jax.tasks import angle_hazard
from tests import episodes

HAZARD = angle_hazard(-0.1, 0.1, -50.0)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def make(name, env="Hopper-v5", **options):
    """Write a dataset of a leaning Hopper that names an environment."""
    spec = env if not isinstance(env, str) else gym.make(env).spec
    return episodes.write(
        name, [episodes.lean([0.0, 0.2, 0.0])], env_spec=spec, **options
    )


def set_metadata(folder, name, **fields):
    path = folder / name / "data/metadata.json"
    episodes.edit_json(path, **fields)


def spec_of(*wrappers, robot="Hopper-v5", **kwargs):
    env = gym.make(robot, **kwargs)
    for wrapper in wrappers:
        env = wrapper(env)
    return env.spec


def test_policies_are_evaluated_where_the_data_say(folder):
    name = make("made/one-v0")
    elsewhere = spec_of(reset_noise_scale=0.05)
    set_metadata(folder, name, eval_env_spec=elsewhere.to_json())
    assert load_datasets([name]).env_spec == elsewhere
    relabel_dataset([name], "made/risky-v0", HAZARD, 0)
    risky = load_datasets(["made/risky-v0"]).env_spec
    assert risky.kwargs == {"reset_noise_scale": 0.05}
    assert [x.name for x in risky.additional_wrappers] == ["HazardousReward"]


@pytest.mark.parametrize(
    ("other", "fault", "relabelled"),
    [
        (
            spec_of(reset_noise_scale=0.1),
            "environment kwargs {'reset_noise_scale': 0.1} and made/one-v0 has {}",
            "environment kwargs {'reset_noise_scale': 0.1} and made/one-v0 has {}",
        ),
        (
            spec_of(lambda env: gym.wrappers.ClipReward(env, -1.0, 1.0)),
            "wrappers [('ClipReward', {'min_reward': -1.0, 'max_reward': 1.0})] and",
            "made/two-v0 is of Hopper-v5 in ClipReward: a hazard needs",
        ),
    ],
)
def test_other_environments_are_not_joined(other, fault, relabelled):
    names = [make("made/one-v0"), make("made/two-v0", other)]
    message = episodes.refusal(load_datasets, names)
    assert message.startswith("dataset made/two-v0 has ")
    assert fault in message
    assert message.endswith("datasets to be joined must agree")
    message = episodes.refusal(relabel_dataset, names, "made/risky-v0", HAZARD, 0)
    assert relabelled in message


def test_another_version_is_joined_with_a_warning():
    names = [make("made/one-v0"), make("made/two-v0", "Hopper-v4")]
    said = "made/two-v0 is collected in Hopper-v4 and made/one-v0 in Hopper-v5: "
    with pytest.warns(UserWarning, match=said):
        joined = load_datasets(names)
    assert joined.env_spec.id == "Hopper-v5"
    assert len(joined.transitions.reward) == 4


def test_another_environment_for_evaluations_is_warned_of(folder):
    names = [make("made/one-v0"), make("made/two-v0")]
    elsewhere = spec_of(reset_noise_scale=0.05)
    set_metadata(folder, names[1], eval_env_spec=elsewhere.to_json())
    with pytest.warns(UserWarning, match="two-v0 is evaluated in another Hopper-v5"):
        assert load_datasets(names).env_spec.kwargs == {}


def test_wrappers_that_change_nothing_and_time_limits_may_differ():
    counted = spec_of(gym.wrappers.RecordEpisodeStatistics, max_episode_steps=50)
    longer = spec_of(max_episode_steps=70)
    names = [make("made/one-v0", counted), make("made/two-v0", longer)]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert load_datasets(names).env_spec.max_episode_steps == 70


def test_reference_returns_are_those_of_the_data(folder):
    one, two = make("made/one-v0", reference=(-20.0, 3000.0)), make("made/two-v0")
    assert load_datasets([two]).reference is None
    assert load_datasets([one, two]).reference == (-20.0, 3000.0)
    relabel_dataset([one], "made/risky-v0", HAZARD, 0)
    assert load_datasets(["made/risky-v0"]).reference == (-20.0, 3000.0)
    set_metadata(folder, two, ref_min_score=0.0, ref_max_score=1.0)
    with pytest.warns(UserWarning, match="are -20.0 and 3000.0, 0.0 and 1.0: they"):
        assert load_datasets([one, two]).reference is None


@pytest.mark.parametrize(
    "pair", [(1.0, 1.0), (2.0, 1.0), (None, 1.0), ("a", 1.0), (float("nan"), 1.0)]
)
def test_reference_returns_that_make_no_score_are_warned_of(folder, pair):
    name = make("made/one-v0")
    set_metadata(folder, name, ref_min_score=pair[0], ref_max_score=pair[1])
    with pytest.warns(UserWarning, match="make no normalized score"):
        assert load_datasets([name]).reference is None
