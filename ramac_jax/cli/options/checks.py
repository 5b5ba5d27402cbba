"""Checks of the options of `ramac train` and `ramac sweep`, before any work."""

import math
from collections.abc import Mapping
from typing import Any

import ramac_jax as rj
from ramac_jax.cli.options.agent import AgentSpec
from ramac_jax.cli.options.dataset import DatasetSpec
from ramac_jax.cli.options.sections import flatten
from ramac_jax.cli.options.train import TrainOptions
from ramac_jax.cli.runs.sinks import check_sinks
from ramac_jax.errors import InputError, check_names
from ramac_jax.hyperparams import POSITIVE, Hyperparams
from ramac_jax.registry import (
    ACTORS,
    CRITICS,
    HEADS,
    PENALTIES,
    PRECISIONS,
    RISK_MEASURES,
)
from ramac_jax.tasks import TASKS

MAY_BE_ZERO = {
    "bc_steps",
    "episodes",
    "seed",
    "data_seed",
    "eval_seed",
    "search_seed",
    "workers",
    "num_critics",
}


def check_options(options: TrainOptions) -> None:
    """Raise `InputError` for options that no run can have; changes nothing."""
    for section in flatten(options).values():
        check_counts(section)
    training = options.training
    if training.seed > 2**31 - 1 - training.num_seeds:
        raise InputError(f"--seed is {training.seed}: give one from 0 to about 2e9")
    if training.memory is not None and training.memory not in POSITIVE:
        raise InputError(
            f"--memory is {training.memory:g}: it must be {POSITIVE}, in GiB"
        )
    check_data(options.data)
    check_sinks(options.logging)
    check_agent(options.agent)
    check_weights(options.agent, options.hyperparams)


def check_counts(section: Mapping[str, Any]) -> None:
    """Raise `InputError` for a number of things that is too small."""
    for name, value in section.items():
        low = 0 if name in MAY_BE_ZERO else 1
        for count in value if isinstance(value, tuple) else (value,):
            if type(count) is int and count < low:
                raise InputError(
                    f"--{name.replace('_', '-')} is {count}: give {low} or more"
                )


def check_data(data: DatasetSpec) -> None:
    """Raise `InputError` where there are no data, or unusable rewards."""
    if not data.task and not data.dataset:
        raise InputError("nothing to train on: give --task or --dataset")
    if data.task is not None:
        check_names("task", [data.task], TASKS)
    if data.reward_scale not in POSITIVE:
        raise InputError(
            f"--reward-scale is {data.reward_scale:g}: it must be {POSITIVE}"
        )


def check_agent(agent: AgentSpec) -> None:
    """Raise `InputError` for unknown names and for parts that do not fit."""
    for kind, name, known in (
        ("actor", agent.actor, ACTORS),
        ("risk measure", agent.risk_measure, RISK_MEASURES),
        ("critic", agent.critic, CRITICS),
        ("head", agent.head, HEADS),
        ("precision", agent.precision, PRECISIONS),
    ):
        check_names(kind, [name], known)
    if agent.conservative is not None:
        check_names("penalty", [agent.conservative], PENALTIES)
    if agent.radius is not None and not 0.0 < agent.radius <= 2.0:
        raise InputError(
            f"--radius is {agent.radius:g}: it must be above 0 and at most 2"
        )
    if agent.value_range is not None:
        low, high = agent.value_range
        if not -math.inf < low < high < math.inf:
            raise InputError(
                f"--value-range is {low:g} {high:g}: give finite returns, the lower "
                "one first"
            )
    if agent.critic == "value" and agent.risk_measure != "neutral":
        raise InputError(
            "--critic value knows no risk, and --risk-measure is "
            f"{agent.risk_measure}: give --risk-measure neutral, or another critic"
        )
    check_precision(agent)


def check_precision(agent: AgentSpec) -> None:
    """Raise `InputError` for a precision that the networks cannot compute in."""
    if PRECISIONS[agent.precision].dtype is None:
        return
    part = None
    if not ACTORS[agent.actor].takes_dtype:
        part = f"the {agent.actor} actor"
    elif agent.num_critics and not CRITICS[agent.critic].takes_dtype:
        part = f"the {agent.critic} critic"
    if part is not None:
        raise InputError(
            f"--precision {agent.precision}: {part} computes in float32 alone"
        )


def check_weights(agent: AgentSpec, hyperparams: Hyperparams) -> None:
    """Raise `InputError` for hyperparameters of one setting that the agent refuses."""
    if agent.conservative is None and hyperparams.conservative_weight:
        raise InputError(
            "--conservative-weight has nothing to weigh: give --conservative, or 0"
        )
    rj.check_hyperparams(hyperparams)
    level = hyperparams.risk_level
    allowed = RISK_MEASURES[agent.risk_measure].load().levels
    if level not in allowed:
        raise InputError(
            f"risk_level is {level:g}: for {agent.risk_measure} it must be {allowed}"
        )
