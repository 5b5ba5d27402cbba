"""The acting options of a command: what they mean, and in a few words."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ramac_jax.acting import (
    AS_TRAINED,
    ActingOptions,
    check_number,
    describe,
)
from ramac_jax.cli.options.agent import AgentSpec
from ramac_jax.cli.options.evaluation import ActingFlags
from ramac_jax.cli.runs.stored import fits
from ramac_jax.errors import InputError, show
from ramac_jax.hyperparams import WEIGHT
from ramac_jax.registry import RISK_MEASURES

OF_CANDIDATES = ("risk_level", "softmax_temperature")
"""Options that need several candidates."""
NUMBER = int | float
RECORDED = {
    "temperature": NUMBER,
    "num_candidates": int,
    "risk_level": NUMBER | None,
    "softmax_temperature": NUMBER,
}
"""What the settings of an evaluation hold of acting."""


def acting_options(flags: ActingFlags, risk_level: float) -> ActingOptions:
    """Return how the agents of a command act.

    Args:
      flags: of the command.
      risk_level: of the training, which ranks candidates where no level is given.
    """
    names = ActingOptions._fields
    acting = ActingOptions(**{x: getattr(flags, f"acting_{x}") for x in names})
    if acting.num_candidates > 1 and acting.risk_level is None:
        acting = acting._replace(risk_level=risk_level)
    return acting


def acting_of(record: Mapping[str, Any], path: Path) -> ActingOptions | None:
    """Return how the agents of a run acted in its evaluations.

    Of a run without evaluations, how its options let them act; None where the record
    says neither.

    Args:
      record: of the run.
      path: of the file that holds it.

    Raises `InputError` where the record is damaged.
    """
    if (evaluation := record.get("evaluation")) is not None:
        acting = evaluation.get("acting", AS_TRAINED._asdict())
    elif "acting_temperature" in (options := record.get("options", {})):
        acting = {
            name: options.get(f"acting_{name}", value)
            for name, value in AS_TRAINED._asdict().items()
        }
    else:
        return None
    whole = fits(acting, RECORDED) and acting.keys() == RECORDED.keys()
    if not (whole and is_sound(ActingOptions(**acting))):
        raise InputError(
            f"{path} is damaged: acting is {show(acting)}; restore the file, or give "
            "another run"
        )
    return ActingOptions(**acting)


def is_sound(acting: ActingOptions) -> bool:
    """Whether the numbers of recorded options are in their ranges."""
    factors = acting.temperature, acting.softmax_temperature
    largest = sys.float_info.max
    return acting.num_candidates >= 1 and all(0.0 <= x <= largest for x in factors)


def check_flags(flags: ActingFlags, agent: AgentSpec) -> None:
    """Raise `InputError` for acting options by which an agent cannot act."""
    count = flags.acting_num_candidates
    if count == 1:
        for name in OF_CANDIDATES:
            if getattr(flags, f"acting_{name}") != getattr(AS_TRAINED, name):
                raise InputError(
                    f"--acting-{name.replace('_', '-')} chooses among candidates: give "
                    "--acting-num-candidates 2 or more"
                )
    elif not agent.num_critics:
        raise InputError(
            f"--acting-num-candidates is {count}, and behaviour cloning has no critics "
            "to rank the candidates: give 1"
        )
    elif flags.acting_temperature == 0.0:
        raise InputError(
            f"--acting-num-candidates is {count}, and at temperature 0 all candidates "
            "are one action: give --acting-temperature 1"
        )
    check_number("--acting-temperature", flags.acting_temperature, WEIGHT)
    softmax_temperature = flags.acting_softmax_temperature
    check_number("--acting-softmax-temperature", softmax_temperature, WEIGHT)
    if flags.acting_risk_level is not None:
        levels = RISK_MEASURES[agent.risk_measure].load().levels
        check_number("--acting-risk-level", flags.acting_risk_level, levels)


def words_of(acting: ActingOptions) -> list[str]:
    """Return the words of `ramac evaluate` for these options."""
    words = ["--temperatures", str(acting.temperature)]
    if acting.num_candidates > 1:
        words += ["--num-candidates", str(acting.num_candidates)]
        words += ["--risk-levels", str(acting.risk_level)]
        words += ["--softmax-temperatures", str(acting.softmax_temperature)]
    return words


def with_acting(name: str, acting: ActingOptions) -> str:
    """Return a name with the acting options after it, unless they are of training."""
    return ", ".join(filter(None, (name, describe(acting))))
