"""How policies are evaluated: in which environment, how long, how often."""

import dataclasses
import re
from typing import Any

from gymnasium.envs.registration import EnvSpec

import ramac_jax as rj
from ramac_jax.envs.registration import find_hazard
from ramac_jax.evaluation.simulators import find_spec
from ramac_jax.tasks import Hazard, env_id, find_task, hazard_to_json, task_of_env

FULL_HORIZON = 1000  # steps of an episode of Gymnasium's robots
FIRST_SEED = 1_000_000  # of the episodes: far from those of training


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to evaluate."""

    env: EnvSpec  # wrappers included
    horizon: int
    episodes: int = 100  # of each agent
    level: float = 0.1  # of the CVaR
    seed: int = FIRST_SEED  # of the first episode
    workers: int = 0
    task: str | None = None
    reference: tuple[float, float] | None = None  # returns of a random and an expert

    @property
    def hazard(self) -> Hazard | None:
        """The hazard that the environment carries, if any."""
        return find_hazard(self.env)

    def record(self) -> dict[str, Any]:
        """All of it for JSON; the spec as Gymnasium writes it."""
        fields = {x.name: getattr(self, x.name) for x in dataclasses.fields(self)}
        return fields | {
            "env": self.env.to_json(),
            "env_id": self.env.id,
            "hazard": hazard_to_json(self.hazard) if self.hazard else None,
        }


def make_settings(
    task: str | None,
    env: str | EnvSpec | None,
    horizon: str | None = None,
    **others: Any,
) -> Settings:
    """Settings from the names of the command line.

    Args:
      task: name; None: the one whose environment `env` is, if any.
      env: Gymnasium id or spec; None: the task's own, on robots of version 5.
      horizon: "paper", "full", a number; None: "paper" for a task, "full" otherwise.
      others: further fields of `Settings`.

    Raises `InputError` for unknown names and anything that cannot be evaluated.
    """
    if task is None and env is None:
        raise rj.InputError("neither a task nor an environment is known: give --task")
    if env is None:
        env = env_id(find_task(str(task)).name)
    spec = find_spec(env)
    known = find_task(task) if task is not None else task_of_env(spec.id)
    if horizon is None:
        horizon = "paper" if known else "full"
    if horizon == "paper" and known is None:
        raise rj.InputError("--horizon paper is a task's: give --task, full or steps")
    lengths = {"full": FULL_HORIZON} | ({"paper": known.horizon} if known else {})
    if horizon not in lengths and not re.fullmatch("[1-9][0-9]{0,8}", horizon):
        raise rj.InputError(f"--horizon is {horizon}: give paper, full or steps")
    settings = Settings(
        env=spec,
        horizon=lengths[horizon] if horizon in lengths else int(horizon),
        task=known.name if known else None,
        reference=known.reference_returns if known else None,
        **others,
    )
    if settings.episodes < 1 or settings.workers < 0:
        raise rj.InputError("--episodes must be 1 or more and --workers 0 or more")
    if not 0.0 < settings.level <= 1.0:
        raise rj.InputError(
            f"the level of the CVaR is {settings.level:g}: give one above 0, to 1"
        )
    if not 0 <= settings.seed < 2**31:
        raise rj.InputError(
            f"the seed of the episodes is {settings.seed}: give one from 0 to about 2e9"
        )
    return settings
