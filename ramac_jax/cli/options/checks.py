"""Checks of the options of `ramac train` and `ramac sweep`, before any work."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import ramac_jax as rj
from ramac_jax.cli.options.agent import DEFAULT_HEAD, AgentSpec
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


ACTOR_OPTIONS = {"sampler_steps": "num_steps", "radius": "radius"}
"""Options that some actors have -> keyword of the actor's builder."""


def check_options(options: TrainOptions) -> None:
    """Raise `InputError` for options that no run can have; changes nothing."""
    from ramac_jax.cli.runs.acting import check_flags  # imports JAX, --help does not

    check_run(options)
    check_agent(options.agent)
    ood_weighted = options.hyperparams.ood_weight > 0.0
    check_effects([options.agent], ood_weighted=ood_weighted)
    check_weights(options.agent, options.hyperparams)
    check_flags(options.evaluation, options.agent)


def check_run(options: TrainOptions) -> None:
    """Raise `InputError` for options that no run can have, whatever its agents."""
    for section in flatten(options).values():
        check_least(section)
    training = options.training
    if training.seed > 2**31 - 1 - training.num_seeds:
        raise InputError(f"--seed is {training.seed}: give one from 0 to about 2e9")
    if training.memory is not None and training.memory not in POSITIVE:
        raise InputError(
            f"--memory is {training.memory:g}: it must be {POSITIVE}, in GiB"
        )
    check_data(options.data)
    check_sinks(options.logging)


def check_least(section: Mapping[str, Any]) -> None:
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
    if CRITICS[agent.critic].mean_only and agent.risk_measure != "neutral":
        raise InputError(
            f"--critic {agent.critic} knows no risk, and --risk-measure is "
            f"{agent.risk_measure}: give --risk-measure neutral, or another critic"
        )
    check_actor_options(agent)
    check_precision(agent)


def check_actor_options(agent: AgentSpec) -> None:
    """Raise `InputError` for an option that the actor does not have."""
    for option, keyword in ACTOR_OPTIONS.items():
        value = getattr(agent, option)
        if value is not None and keyword not in ACTORS[agent.actor].options:
            having = [name for name, x in ACTORS.items() if keyword in x.options]
            raise InputError(
                f"--{option.replace('_', '-')} is {value}, and the {agent.actor} actor "
                f"has no such option: leave it at None, or give --actor, one of "
                f"{', '.join(having)}"
            )


def check_effects(agents: Sequence[AgentSpec], *, ood_weighted: bool) -> None:
    """Raise `InputError` for an option that has no effect on any agent of a command.

    Args:
      agents: of the command.
      ood_weighted: some `ood_weight` is above 0.
    """
    critics = {agent.critic for agent in agents}
    having_class = any(x.num_critics and x.critic == "categorical" for x in agents)
    if ood_weighted and not having_class:
        raise InputError(
            "--ood-weight has no effect: give --critic categorical and --num-critics 1 "
            "or more, or leave it at 0"
        )
    if "categorical" not in critics and any(x.value_range for x in agents):
        raise InputError(
            "--value-range has no effect: give --critic categorical, or leave it at "
            "None"
        )
    if "quantile" not in critics and any(x.head != DEFAULT_HEAD for x in agents):
        raise InputError(
            "--head has no effect: give --critic quantile, or leave it at plain"
        )
    if not any(x.num_critics for x in agents) and any(x.conservative for x in agents):
        raise InputError(
            "--conservative has no effect: give --num-critics 1 or more, or leave it "
            "at None"
        )
    read = any(x.conservative and not CRITICS[x.critic].mean_only for x in agents)
    given = [x.num_penalty_quantiles for x in agents if x.num_penalty_quantiles]
    if given and not read:
        raise InputError(
            f"--num-penalty-quantiles is {given[0]} and has no effect: give "
            "--conservative and a critic of quantiles or categories, or "
            "--num-penalty-quantiles None"
        )


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
