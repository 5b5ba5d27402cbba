"""The options of `ramac train`."""

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tyro

import ramac_jax as rj
from ramac_jax.cli.agents import ROBOT_AGENTS
from ramac_jax.cli.options.evaluation import FIRST_SEED
from ramac_jax.cli.options.precision import DEFAULT
from ramac_jax.cli.options.presets import PRESETS, preset_name
from ramac_jax.registry import (
    ACTORS,
    CRITICS,
    HEADS,
    PENALTIES,
    PRECISIONS,
    RISK_MEASURES,
)
from ramac_jax.tasks import TASKS

CHANGES_NOTHING = {
    "out",
    "preset",
    "overwrite",
    "save_every",
    "memory",
    "tensorboard",
    "wandb",
    "workers",
}
"""Options that a run may be gone on with otherwise: no number depends on them."""
DESCRIPTION = """Train a population of agents on a task, and score it.

--task NAME does the whole job: it finds or makes the stochastic dataset, trains with
the task's preset, evaluates and draws. Without a task, --dataset names Minari datasets
to train on as they are. A preset supplies defaults, shown by --preset NAME --help;
options override them."""


def choices(names: Sequence[str], text: str) -> Any:
    """An option that takes one of these names, listed in the help."""
    return tyro.conf.arg(help=f"{text}: {', '.join(names)}.")


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line; `ramac_jax.Hyperparams` are plain options of it."""

    out: Path
    """Folder for everything that the run writes."""
    hyperparams: tyro.conf.OmitArgPrefixes[rj.Hyperparams]
    """Traced numbers; lengths are counted in updates, values in returns times
    --reward-scale."""
    task: Annotated[str | None, choices(tuple(TASKS), "Stochastic task")] = None
    dataset: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Minari id, local or to be downloaded; again to join datasets. With a task: what
    to make its stochastic dataset from, where that is not there yet."""
    data_seed: int = 0
    """Seed of the penalties, where the stochastic dataset is made."""
    preset: Annotated[
        str | None,
        tyro.conf.arg(
            help="TASK/AGENT or published/NAME; with --task the AGENT alone, of "
            f"{', '.join(ROBOT_AGENTS)}, published."
        ),
    ] = None
    overwrite: bool = False
    """Replace the run that the folder already holds, finished or not; without it an
    unfinished one is gone on with, if its options are these."""
    normalize: bool = False
    """Give each observation coordinate mean 0 and deviation 1."""
    num_seeds: int = 1
    """Agents trained side by side, with seeds SEED, SEED + 1, ..."""
    seed: int = 0
    """First seed; an agent's run depends on its own seed alone, but for rounding."""
    bc_steps: int = 0
    """Quick updates of behaviour cloning alone, made before all others."""
    num_steps: int = 100_000
    """Updates of each agent, after those of --bc-steps."""
    batch_size: int = 256
    """Transitions per update."""
    reward_scale: float = 1.0
    """Factor on the rewards that the critics see, and so on their values: returns of
    some tens suit them."""
    log_every: int = 500
    """Updates between two rows of metrics, each the mean over them."""
    save_every: int = 1_000
    """Updates between two checkpoints to go on from; the last two are kept."""
    memory: float | None = None
    """GiB of each device to train in, or of all cores together, in several rounds if
    need be; None: what is free. A run that is gone on with keeps its rounds."""
    tensorboard: bool = False
    """Write event files for TensorBoard too."""
    wandb: str | None = None
    """Project of Weights & Biases to log to; WANDB_MODE=offline needs no account."""
    eval_every: int | None = None
    """Updates between two evaluations; None: only at the end."""
    eval_episodes: int = 20
    """Episodes per seed of the evaluations on the way."""
    episodes: int = 100
    """Episodes per seed of the evaluation at the end; 0: no evaluation at all."""
    eval_seed: int = FIRST_SEED
    """Seed of the first evaluation episode; each agent plays its own, the same in
    every run."""
    eval_level: float = 0.1
    """Level of the CVaR that evaluations tell."""
    horizon: str | None = None
    """Steps of an evaluation episode: paper (the task's own), full (1000) or a number;
    None: paper for a task, full otherwise."""
    workers: int = 0
    """Processes that step the simulators of an evaluation; 0: this one."""
    actor: Annotated[str, choices(tuple(ACTORS), "Generative policy")] = "diffusion"
    sampler_steps: int | None = None
    """Denoising or Euler steps; None: 5 for a diffusion, 10 for a flow."""
    actor_widths: tuple[int, ...] | None = None
    """Hidden layers of the actor, of a distilled one those of its teacher; None: those
    of its builder in ramac_jax.actors."""
    radius: float | None = None
    """How far a perturbed actor moves each coordinate of its prior's action; None:
    0.25."""
    distortion: Annotated[
        str, choices(tuple(RISK_MEASURES), "Risk measure, at --risk-level")
    ] = "cvar"
    num_quantiles: int = 32
    """Fractions drawn per update."""
    num_risk_quantiles: int | None = None
    """Fractions that the actor's value is read at, one of each of as many equal strata
    (ORAAC: 8); None: as many as --num-quantiles, drawn freely as in the paper."""
    num_critics: int = 2
    """Critics, of which the lowest is believed; 0: behaviour cloning alone."""
    critic: Annotated[
        str, choices(tuple(CRITICS), "Quantiles of the return, or its mean alone")
    ] = "quantile"
    conservative: Annotated[
        str | None,
        choices(tuple(PENALTIES), "Conservative penalty of the critics, on their"),
    ] = None
    num_candidates: int = 10
    """Actions that the penalty compares with the data's, drawn uniformly, and as many
    of the policy."""
    normalize_value: bool = False
    """Divide the value that the actor seeks by its mean size in the batch."""
    critic_width: int = 256
    """Units of the critics' hidden layers; a plain value has two."""
    embedding_width: int = 128
    """Units of the product of the two embeddings of a critic."""
    num_cosines: int = 32
    """Cosines that describe a fraction to a critic."""
    head: Annotated[
        str,
        choices(
            tuple(HEADS),
            "How the last layers of quantile critics are computed, which changes "
            "memory and speed alone",
        ),
    ] = "plain"
    precision: Annotated[
        str,
        choices(
            tuple(PRECISIONS),
            "What training computes with, weights and losses in float32 all the same; "
            "tf32 is JAX's own default on a GPU and means float32 on a CPU, bfloat16 "
            "is for diffusion and flow actors and quantile critics",
        ),
    ] = DEFAULT

    @property
    def seeds(self) -> range:
        """One seed per agent of the population."""
        return range(self.seed, self.seed + self.num_seeds)


Chosen = TypeVar("Chosen", bound=Arguments)


def parse(
    argv: Sequence[str],
    kind: type[Chosen] = Arguments,  # type: ignore[assignment]
    prog: str = "ramac train",
    description: str = DESCRIPTION,
) -> Chosen:
    """Read the command line over the preset it names; exits where it is malformed."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--preset", default=None, nargs="?")
    first.add_argument("--task", default=None, nargs="?")
    known = first.parse_known_args(argv)[0]
    preset = preset_name(known.task, known.preset)
    values = {} if preset is None else dict(PRESETS[preset])
    traced = {k: values.pop(k) for k in rj.Hyperparams._fields if k in values}
    found = tyro.cli(
        kind,
        prog=prog,
        description=description,
        args=list(argv),
        default=kind(out=tyro.MISSING, hyperparams=rj.Hyperparams(**traced), **values),
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    return dataclasses.replace(found, preset=preset)
