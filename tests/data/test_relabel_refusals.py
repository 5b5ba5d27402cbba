"""Sources, hazards and targets that a relabelling refuses."""

import dataclasses
import math

import gymnasium as gym
import h5py
import numpy as np
import pytest

from ramac_jax import InputError
from ramac_jax.data.relabel import relabel_dataset
from ramac_jax.data.sources import find_coordinate
from ramac_jax.envs.own_randomness import OWN_RANDOMNESS
from ramac_jax.tasks import TASKS, Hazard
from tests import episodes
from tests.episodes import sway

TASK = "hopper-medium-expert"
SOURCE, TARGET = "made/hopper/plain-v0", "made/hopper/charged-v0"
HAZARD = TASKS[TASK].hazard  # -50, one time in ten, outside [-.17, .04]


def make(made, name=SOURCE, **options):
    return episodes.write(name, made, **options)


def refusal(folder, *sources, hazard=HAZARD, **options):
    return episodes.refusal(
        relabel_dataset, sources, TARGET, hazard, 0, folder=folder, **options
    )


def test_sources_of_another_robot_or_other_spaces_are_refused(folder):
    plain = make([sway(0)])
    box = gym.spaces.Box(-np.inf, np.inf, (11,))
    wide = gym.spaces.Box(-2.0, 2.0, (3,))
    nameless = make([sway(0)], "made/nameless-v0", env_spec=None, observation_space=box)
    other = make([sway(0)], "made/wide-v0", action_space=wide)
    cart = make(
        [
            dataclasses.replace(
                sway(0), observations=np.zeros((201, 2)), actions=np.zeros((200, 1))
            )
        ],
        "made/cart-v0",
        robot="MountainCarContinuous-v0",
    )
    assert "no source is named" in refusal(folder)
    assert f"dataset {nameless} names no environment" in refusal(folder, nameless)
    assert (
        "dataset made/cart-v0 is of MountainCarContinuous-v0: give one of Hopper"
        in (refusal(folder, cart, task=TASK))
    )
    assert "is of Hopper-v5: give one of Walker2d" in (
        refusal(folder, plain, robot="Walker2d")
    )
    fast = Hazard("x velocity", 8, -5.0, 5.0, 0.1, -1.0)
    assert "observations of 2 coordinates: there is no 8, the x velocity" in (
        refusal(folder, cart, hazard=fast)
    )
    assert "the x velocity of Hopper-v5 is coordinate 5: give that" in (
        refusal(folder, plain, hazard=fast)
    )
    assert "the action spaces must agree" in refusal(folder, other, task=TASK)
    assert "datasets to be joined must agree" in refusal(folder, plain, other)
    assert "no robots of version 3" in refusal(
        folder, plain, task=TASK, robot_version=3
    )


def test_bad_seeds_hazards_and_targets_are_refused(folder):
    plain = make([sway(0)])
    assert "seed is -1" in str(
        pytest.raises(
            InputError, relabel_dataset, [plain], TARGET, HAZARD, -1, task=TASK
        ).value
    )
    assert "probability" in refusal(
        folder, plain, hazard=HAZARD._replace(probability=math.nan)
    )
    with pytest.raises(InputError, match="would replace its own source"):
        relabel_dataset([plain], plain, HAZARD, 0, overwrite=True)
    with pytest.raises(InputError, match="is there already"):
        relabel_dataset(["made/other-v0"], plain, HAZARD, 0)


def test_no_spelling_of_the_source_is_accepted_as_the_target(folder):
    name = make([sway(0)], TARGET)
    for source in (f"../{folder.name}/{name}", f"./{name}", "no-version"):
        assert f"{source!r} is no Minari id" in refusal(folder, source, overwrite=True)
    for source in (name, name.replace("/", "//", 1)):
        assert "would replace its own source" in (
            refusal(folder, source, overwrite=True)
        )


def test_observations_with_positions_have_no_known_coordinates():
    wide = {"exclude_current_positions_from_observation": False}
    env = gym.make("Hopper-v5", **wide)
    plain = sway(0)
    shifted = dataclasses.replace(
        plain, observations=np.pad(plain.observations, ((0, 0), (1, 0)))
    )
    spaces = {"observation_space": env.observation_space, "env_spec": env.spec}
    make([shifted], **spaces)
    made = relabel_dataset([SOURCE], TARGET, HAZARD._replace(coordinate=2), 0)
    assert made.summary.risky_share > 0.1
    with pytest.raises(InputError, match="Hopper-v5 is not known here"):
        find_coordinate([SOURCE], "torso angle")


def test_sources_in_other_units_are_refused(folder):
    env = gym.wrappers.NormalizeObservation(gym.make("Hopper-v5"))
    spec = gym.wrappers.NormalizeReward(env).spec
    wrapped = make([sway(0)], env_spec=spec)
    words = f"{wrapped} is of Hopper-v5 in NormalizeObservation, NormalizeReward: "
    assert words in refusal(folder, wrapped, task=TASK)
    assert words in refusal(folder, wrapped)
    assert "Hopper-v5 is not known here" in (
        episodes.refusal(find_coordinate, [wrapped], "torso angle")
    )
    repeating = dataclasses.replace(
        gym.spec("Hopper-v5"), additional_wrappers=(OWN_RANDOMNESS,)
    )
    make([sway(0)], "made/repeating-v0", env_spec=repeating)
    # The robot's own units:
    relabel_dataset(["made/repeating-v0"], "made/repeated-v0", HAZARD, 0)
    judged = make([sway(0)], "made/judged-v0")
    metadata = folder / judged / "data/metadata.json"
    episodes.edit_json(metadata, eval_env_spec=spec.to_json())
    assert "in NormalizeObservation" in refusal(folder, judged, task=TASK)


def test_sources_with_a_hazard_are_refused(folder):
    make([sway(0)])
    relabel_dataset([SOURCE], "made/once-v0", HAZARD, 0, task=TASK)
    assert "is charged by a hazard already" in refusal(folder, "made/once-v0")
    robot = gym.spec(f"ramac_jax/{TASK}-v5")
    played = make([sway(0)], "made/played-v0", env_spec=robot)
    assert "is charged by a hazard already" in refusal(folder, played)


def test_unsound_rows_of_a_source_are_refused(folder):
    bad = sway(0)
    bad.observations[3, 1] = np.nan
    make([sway(1), bad])
    fault = f"dataset {SOURCE}, episode 1: observation is NaN or infinite"
    assert refusal(folder, SOURCE, task=TASK).startswith(fault)
    empty = make([sway(1)], "made/empty-v0")
    with h5py.File(folder / empty / "data/main_data.hdf5", "a") as file:
        group = file["episode_0"]
        for name in ("rewards", "terminations", "truncations", "actions"):
            group[name].resize(0, axis=0)
    fault = "dataset made/empty-v0, episode 0: it has no step"
    assert refusal(folder, empty, task=TASK).startswith(fault)
