"""The stochastic robots: a Gymnasium wrapper, and one environment for each task."""

import dataclasses
import os
import traceback
from typing import Any, SupportsFloat

import gymnasium
from gymnasium.envs.registration import EnvSpec, WrapperSpec
from gymnasium.utils import RecordConstructorArgs

from ramac_jax.envs.hazards import (
    as_number,
    check_hazard,
    is_end,
    is_risky,
    penalties,
)
from ramac_jax.errors import InputError, first_line
from ramac_jax.extras import require
from ramac_jax.tasks import TASKS, VERSIONS, Hazard, Task, env_id

BANDIT_ID = "ramac_jax/RiskyBandit-v0"
BANDIT_ENTRY_POINT = "ramac_jax.envs.bandit:RiskyBandit"


class HazardousReward(gymnasium.Wrapper, RecordConstructorArgs):  # type: ignore[misc]
    """Add the penalties of a hazard to the rewards of an environment.

    Each step draws one uniform number from the environment's own generator: seed
    `reset` to repeat a rollout. `info` holds `risky` (bool), `penalty` (0 where the
    step was not charged), `monitored` (the hazard's quantity) and `base_reward`.
    """

    def __init__(self, env: gymnasium.Env, hazard: Hazard | dict[str, Any]) -> None:
        """Wrap an environment with flat observations.

        Args:
          env: the environment.
          hazard: the rule, or its fields as the spec of an environment holds them.

        Raises `InputError` for a rule that cannot apply to this environment.
        """
        hazard = Hazard(**hazard) if isinstance(hazard, dict) else hazard
        check_hazard(hazard)
        shape = env.observation_space.shape
        if shape is None or len(shape) != 1 or hazard.coordinate >= shape[0]:
            raise InputError(
                f"the hazard monitors coordinate {hazard.coordinate} of observations "
                f"of shape {shape}: it needs one axis with that coordinate"
            )
        RecordConstructorArgs.__init__(self, hazard=hazard._asdict())
        gymnasium.Wrapper.__init__(self, env)
        self.hazard = hazard

    def step(
        self, action: Any
    ) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step the environment, add the penalty and perhaps end the episode."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        paid = as_number(reward)
        monitored = float(observation[self.hazard.coordinate])
        draw = self.unwrapped.np_random.random()
        penalty = float(penalties(self.hazard, monitored, draw))
        info |= {
            "risky": bool(is_risky(self.hazard, monitored)),
            "penalty": penalty,
            "monitored": monitored,
            "base_reward": paid,
        }
        terminated = bool(terminated or is_end(self.hazard, monitored))
        return observation, paid + penalty, terminated, truncated, info


WRAPPER_ENTRY_POINT = f"{__name__}:{HazardousReward.__name__}"
MOVED = {
    "ramac_jax.tasks.environments:HazardousReward": WRAPPER_ENTRY_POINT,
    "ramac_jax.tasks.bandit:RiskyBandit": BANDIT_ENTRY_POINT,
}
"""Entry points that version 0.1 recorded in datasets and runs -> current ones."""


def hazard_wrapper(hazard: Hazard) -> WrapperSpec:
    """Return the spec of the wrapper that adds a hazard to an environment."""
    return WrapperSpec(
        name=HazardousReward.__name__,
        entry_point=WRAPPER_ENTRY_POINT,
        kwargs={"hazard": hazard._asdict()},
    )


def find_hazard(spec: EnvSpec) -> Hazard | None:
    """Return the hazard in the spec of an environment, or None."""
    for wrapper in spec.additional_wrappers:
        if wrapper.name == HazardousReward.__name__ and wrapper.kwargs:
            return Hazard(**wrapper.kwargs["hazard"])
    return None


def update_spec(spec: EnvSpec) -> EnvSpec:
    """Return a spec with the current entry points of this library's classes.

    Datasets and runs record entry points, and an older version had other modules.
    """
    wrappers = tuple(
        dataclasses.replace(x, entry_point=MOVED.get(x.entry_point, x.entry_point))
        for x in spec.additional_wrappers
    )
    entry_point = spec.entry_point
    if isinstance(entry_point, str):
        entry_point = MOVED.get(entry_point, entry_point)
    return dataclasses.replace(
        spec, entry_point=entry_point, additional_wrappers=wrappers
    )


def make_environment(env: str | EnvSpec, **options: Any) -> gymnasium.Env:
    """Call `gymnasium.make`.

    Raises `MissingExtra` where only an extra is missing, and `InputError` for any other
    error of Gymnasium, of the environment or of its wrappers.
    """
    try:
        return gymnasium.make(env, **options)
    except InputError:  # of `HazardousReward`
        raise
    except Exception as error:  # an environment may raise anything
        if isinstance(error, gymnasium.error.DependencyNotInstalled):
            require("mujoco", "a robot of Gymnasium")
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if (missing or "").partition(".")[0] == "ogbench":
            require("ogbench", "an environment of OGBench")
        name = env if isinstance(env, str) else env.id
        raise InputError(
            f"cannot make {name} ({type(error).__name__}: {first_line(error)}): "
            f"{advice_on_making(error)}"
        ) from error


def advice_on_making(error: Exception) -> str:
    """Return what to do about an environment that cannot be made."""
    library = os.environ.get("MUJOCO_GL", "")
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    if library and any("gl_context" in x or "OpenGL" in x for x in files):
        return (
            f"MUJOCO_GL is {library}, which cannot draw here: unset it, or set "
            "MUJOCO_GL=disable, as nothing is drawn"
        )
    return "install what it needs, or give another environment"


def register_task(task: Task) -> None:
    """Register a task with Gymnasium, once for each version of its robot."""
    for version in VERSIONS:
        robot = gymnasium.spec(f"{task.robot}-v{version}")
        gymnasium.register(
            env_id(task.name, version),
            entry_point=robot.entry_point,
            max_episode_steps=task.horizon,
            additional_wrappers=(hazard_wrapper(task.hazard),),
            kwargs=robot.kwargs,
        )


def register_environments() -> None:
    """Register every task and the risky bandit; importing `ramac_jax.envs` does."""
    gymnasium.register(BANDIT_ID, entry_point=BANDIT_ENTRY_POINT)
    for task in TASKS.values():
        register_task(task)
