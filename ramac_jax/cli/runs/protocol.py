"""The evaluation protocol: in which environment, how long and how often."""

import dataclasses
import re
from typing import Any

from gymnasium.envs.registration import EnvSpec

from ramac_jax.acting import AS_TRAINED, ActingOptions
from ramac_jax.cli.options.evaluation import FIRST_EPISODE_SEED
from ramac_jax.cli.options.train import TrainOptions
from ramac_jax.cli.runs.acting import acting_options
from ramac_jax.data.loading import OfflineDataset
from ramac_jax.envs.registration import find_hazard
from ramac_jax.errors import InputError
from ramac_jax.evaluation.simulators import find_spec
from ramac_jax.evaluation.summary import D4RL_HORIZON
from ramac_jax.tasks import Hazard, env_id, find_task, hazard_to_json, task_of_env

FULL_HORIZON = 1000  # steps of an episode of most of Gymnasium's robots


@dataclasses.dataclass(frozen=True)
class EvaluationProtocol:
    """How agents are evaluated."""

    env: EnvSpec
    """The environment, wrappers included."""
    horizon: int
    """Steps of an episode."""
    episodes: int = 100
    """Episodes of each agent."""
    level: float = 0.1
    """Level of the CVaR."""
    seed: int = FIRST_EPISODE_SEED
    """Seed of the first episode."""
    workers: int = 0
    """See `Environments`."""
    acting: ActingOptions = AS_TRAINED
    """How the agents act."""
    task: str | None = None
    reference: tuple[float, float] | None = None
    """Returns of a random and of an expert policy."""
    reference_horizon: int | None = D4RL_HORIZON
    """Steps of the episodes behind these returns; None: unknown."""

    @property
    def hazard(self) -> Hazard | None:
        """The hazard of the environment, if any."""
        return find_hazard(self.env)

    def record(self) -> dict[str, Any]:
        """Return the protocol for JSON, with the environment as Gymnasium writes it.

        It has no "acting" where agents act as they were trained to.
        """
        fields = {x.name: getattr(self, x.name) for x in dataclasses.fields(self)}
        acting = fields.pop("acting")
        if acting != AS_TRAINED:
            fields["acting"] = acting._asdict()
        return fields | {
            "env": self.env.to_json(),
            "env_id": self.env.id,
            "hazard": hazard_to_json(self.hazard) if self.hazard else None,
        }


def make_protocol(
    task: str | None,
    env: str | EnvSpec | None,
    horizon: str | None = None,
    reference: tuple[float, float] | None = None,
    **others: Any,
) -> EvaluationProtocol:
    """Make the protocol from the names of the command line.

    Args:
      task: its name; None: the task whose environment `env` is, if any.
      env: Gymnasium id or spec; None: the task's own, on robots of version 5.
      horizon: as in `find_horizon`.
      reference: returns of a random and of an expert policy where there is no task.
      others: further fields of `EvaluationProtocol`.

    Raises `InputError` for unknown names and a protocol that makes no evaluation.
    """
    if task is None and env is None:
        raise InputError("neither a task nor an environment is known: give --task")
    if env is None:
        env = env_id(find_task(str(task)).name)
    spec = find_spec(env)
    known = find_task(task) if task is not None else task_of_env(spec.id)
    protocol = EvaluationProtocol(
        env=spec,
        horizon=find_horizon(
            horizon, known.horizon if known else None, spec.max_episode_steps
        ),
        task=known.name if known else None,
        reference=known.reference_returns if known else reference,
        reference_horizon=D4RL_HORIZON if known else spec.max_episode_steps,
        **others,
    )
    check_protocol(protocol)
    return protocol


def find_horizon(word: str | None, paper: int | None, limit: int | None) -> int:
    """Return the steps of an episode; `InputError` where the word says none.

    Args:
      word: "paper", "full", a number; None: "paper" where there is one, else the time
        limit of the environment, else "full".
      paper: steps of the task's episodes in the paper; None: there is no task.
      limit: the environment's own time limit, None or -1 where it has none.
    """
    if word is None and paper is None and limit is not None and limit > 0:
        return limit
    if word is None:
        word = "full" if paper is None else "paper"
    if word == "paper" and paper is None:
        raise InputError("--horizon paper is a task's: give --task, full or steps")
    lengths = {"full": FULL_HORIZON, "paper": paper}
    if (found := lengths.get(word)) is not None:
        return found
    if not re.fullmatch("[1-9][0-9]{0,8}", word):
        raise InputError(f"--horizon is {word}: give paper, full or steps")
    return int(word)


def check_protocol(protocol: EvaluationProtocol) -> None:
    """Raise `InputError` for numbers out of their range."""
    if protocol.episodes < 1 or protocol.workers < 0:
        raise InputError("--episodes must be 1 or more and --workers 0 or more")
    if not 0.0 < protocol.level <= 1.0:
        raise InputError(
            f"the level of the CVaR is {protocol.level:g}: give one above 0, to 1"
        )
    if not 0 <= protocol.seed < 2**31:
        raise InputError(
            f"the seed of the episodes is {protocol.seed}: give one from 0 to about 2e9"
        )


def find_protocol(
    options: TrainOptions, dataset: OfflineDataset | None
) -> EvaluationProtocol | None:
    """Make the protocol of a run; None where it has no evaluation.

    Args:
      options: of the command.
      dataset: data of the run; None: not known yet, so that the task alone counts.

    Raises `InputError` where the options describe no evaluation, with the option that
    avoids it.
    """
    evaluation, task = options.evaluation, options.data.task
    env: str | EnvSpec | None = None
    reference = None
    if dataset is not None:
        env, reference = dataset.env_spec, dataset.reference
    elif task is not None:
        env = env_id(task)
    if env is None or not evaluation.episodes:
        return None
    try:
        return make_protocol(
            task,
            env,
            evaluation.horizon,
            reference,
            episodes=evaluation.episodes,
            level=evaluation.eval_level,
            seed=evaluation.eval_seed,
            workers=evaluation.workers,
            acting=acting_options(evaluation, options.hyperparams.risk_level),
        )
    except InputError as error:
        raise without_evaluation(error) from None


def without_evaluation(error: InputError) -> InputError:
    """Return the error with the option that avoids it."""
    return InputError(f"{error} (--episodes 0 trains without an evaluation)")
