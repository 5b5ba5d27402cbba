"""The stochastic robots: a Gymnasium wrapper, and one environment for each task."""

import contextlib
from collections.abc import Iterator
from typing import Any, SupportsFloat

import gymnasium
from gymnasium.envs.registration import WrapperSpec
from gymnasium.utils import RecordConstructorArgs

from ramac_jax.envs.hazards import check_hazard, is_end, is_risky, penalties
from ramac_jax.errors import InputError
from ramac_jax.tasks import TASKS, VERSIONS, Hazard, Task, env_id


class HazardousReward(gymnasium.Wrapper, RecordConstructorArgs):
    """Charge an environment's risky steps: `hazards` as a wrapper.

    One uniform number is drawn per step, from the environment's own generator: seed
    `reset` to repeat a rollout. `info` holds `risky` (bool), `penalty` (0 if it was not
    charged), `monitored` (the watched quantity) and `base_reward`.
    """

    def __init__(self, env: gymnasium.Env, hazard: Hazard | dict[str, Any]) -> None:
        """Watch one coordinate of a flat observation.

        Raises `InputError` for a rule that cannot be followed in this environment.
        """
        hazard = Hazard(**hazard) if isinstance(hazard, dict) else hazard
        check_hazard(hazard)
        shape = env.observation_space.shape
        if shape is None or len(shape) != 1 or hazard.coordinate >= shape[0]:
            raise InputError(
                f"the hazard watches coordinate {hazard.coordinate} of observations "
                f"whose shape is {shape}: they need one axis that reaches there"
            )
        RecordConstructorArgs.__init__(self, hazard=hazard._asdict())
        gymnasium.Wrapper.__init__(self, env)
        self.hazard = hazard

    def step(
        self, action: Any
    ) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step the environment, then charge and perhaps end the episode."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        monitored = float(observation[self.hazard.coordinate])
        draw = self.unwrapped.np_random.random()
        penalty = float(penalties(self.hazard, monitored, draw))
        info |= {
            "risky": bool(is_risky(self.hazard, monitored)),
            "penalty": penalty,
            "monitored": monitored,
            "base_reward": float(reward),
        }
        terminated = bool(terminated or is_end(self.hazard, monitored))
        return observation, float(reward) + penalty, terminated, truncated, info


def hazard_wrapper(hazard: Hazard) -> WrapperSpec:
    """How the spec of an environment says that a hazard charges it."""
    name = HazardousReward.__name__
    return WrapperSpec(name, f"{__name__}:{name}", {"hazard": hazard._asdict()})


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


def register_tasks() -> None:
    """Register every task; importing `ramac_jax.envs` does."""
    for task in TASKS.values():
        register_task(task)


@contextlib.contextmanager
def no_advice() -> Iterator[None]:
    """Silence MuJoCo, whose advice on Gymnasium's robots fills a log file otherwise."""
    try:
        import mujoco

        spoken = mujoco.get_mju_user_warning()
    except (ImportError, AttributeError):  # there is none, or an old one
        yield
        return
    mujoco.set_mju_user_warning(lambda text: None)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(spoken)
