"""What the options of `ramac train` may be, before any work is done."""

import ramac_jax as rj
from ramac_jax.cli.options.train import Arguments
from ramac_jax.cli.runs.sinks import check_sinks
from ramac_jax.errors import check_names
from ramac_jax.hyperparams import POSITIVE
from ramac_jax.registry import (
    ACTORS,
    CRITICS,
    HEADS,
    PENALTIES,
    PRECISIONS,
    RISK_MEASURES,
)

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


def check_options(arguments: Arguments) -> None:
    """Raise `InputError` for options that no run could honour; touches nothing."""
    for name, value in vars(arguments).items():
        counts = value if isinstance(value, tuple) else (value,)
        for count in counts:
            low = 0 if name in MAY_BE_ZERO else 1
            if type(count) is int and count < low:
                raise rj.InputError(
                    f"--{name.replace('_', '-')} is {count}: give {low} or more"
                )
    if arguments.seed > 2**31 - 1 - arguments.num_seeds:
        raise rj.InputError(f"--seed is {arguments.seed}: give one from 0 to about 2e9")
    if not arguments.task and not arguments.dataset:
        raise rj.InputError("nothing to train on: give --task or --dataset")
    if arguments.reward_scale not in POSITIVE:
        raise rj.InputError(
            f"--reward-scale is {arguments.reward_scale:g}: it must be {POSITIVE}"
        )
    if arguments.memory is not None and arguments.memory not in POSITIVE:
        raise rj.InputError(
            f"--memory is {arguments.memory:g}: it must be {POSITIVE}, in GiB"
        )
    check_sinks(arguments.tensorboard, arguments.wandb)
    check_names("actor", [arguments.actor], ACTORS)
    check_names("distortion", [arguments.distortion], RISK_MEASURES)
    if arguments.radius is not None and not 0.0 < arguments.radius <= 2.0:
        raise rj.InputError(
            f"--radius is {arguments.radius:g}: it must be above 0 and at most 2"
        )
    check_names("critic", [arguments.critic], CRITICS)
    if arguments.critic == "value" and arguments.distortion != "neutral":
        raise rj.InputError(
            "--critic value knows no risk, and --distortion is "
            f"{arguments.distortion}: give --distortion neutral, or --critic quantile"
        )
    check_names("head", [arguments.head], HEADS)
    check_precision(arguments)
    if arguments.conservative is not None:
        check_names("penalty", [arguments.conservative], PENALTIES)
    elif arguments.hyperparams.conservative_weight:
        raise rj.InputError(
            "--conservative-weight has nothing to weigh: give --conservative, or 0"
        )
    check_traced(arguments.hyperparams, arguments.distortion)


def check_precision(arguments: Arguments) -> None:
    """Raise `InputError` for a precision that the networks cannot compute in."""
    check_names("precision", [arguments.precision], PRECISIONS)
    if PRECISIONS[arguments.precision].dtype is None:
        return
    alone = None
    if not ACTORS[arguments.actor].takes_dtype:
        alone = f"the {arguments.actor} actor"
    elif arguments.num_critics and arguments.critic != "quantile":
        alone = f"the {arguments.critic} critic"
    if alone is not None:
        raise rj.InputError(
            f"--precision {arguments.precision}: {alone} computes in float32 alone"
        )


def check_traced(hyperparams: rj.Hyperparams, distortion: str) -> None:
    """Raise `InputError` for one setting's values, or a level that is not the risk
    measure's."""
    rj.check_hyperparams(hyperparams)
    level, allowed = hyperparams.risk_level, RISK_MEASURES[distortion].load().levels
    if level not in allowed:
        raise rj.InputError(
            f"risk_level is {level:g}: for {distortion} it must be {allowed}"
        )
