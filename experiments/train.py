"""Train a population of agents on Minari datasets: `python -m experiments.train`.

Writes metrics.csv (one row per seed and log interval), checkpoint/ and run.json, which
holds everything needed to do it again. Exit status 1: a seed diverged; 2: bad input.
"""

import argparse
import csv
import dataclasses
import datetime
import inspect
import shlex
import shutil
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

import ramac_jax as rj
from experiments import console
from ramac_jax import checkpoints
from ramac_jax.actors import BUILDERS
from ramac_jax.tasks.datasets import OfflineDataset, load_datasets
from ramac_jax.validation import POSITIVE, Range, check_names

PRESETS = tomllib.loads(
    (Path(__file__).parent / "configs" / "published.toml").read_text()
)
DESCRIPTION = (
    "Train a population of agents on Minari datasets. A preset supplies defaults, "
    "shown by --preset NAME --help; options override them."
)
PRESET_HELP = f"Published settings: {', '.join(PRESETS)}."
FILES = ("run.json", "metrics.csv", "checkpoint")
DISTORTIONS = {
    "neutral": (rj.risk.neutral, Range()),
    "cvar": (rj.risk.cvar, Range(0.0, 1.0, open_low=True)),
    "wang": (rj.risk.wang, Range()),
    "cpw": (rj.risk.cpw, POSITIVE),
    "power": (rj.risk.power, Range()),
}
"""Risk measures by name, and the levels at which each makes sense."""


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line; `ramac_jax.Hyperparams` are plain options of it."""

    dataset: tyro.conf.UseAppendAction[tuple[str, ...]]
    """Minari id, local or to be downloaded; give the option again to join datasets."""
    out: Path
    """Folder for metrics.csv, checkpoint/ and run.json."""
    hyperparams: tyro.conf.OmitArgPrefixes[rj.Hyperparams]
    """Traced numbers; lengths are counted in updates, values in returns."""
    overwrite: bool = False
    """Replace the run that the folder already holds."""
    preset: Annotated[str | None, tyro.conf.arg(help=PRESET_HELP)] = None
    normalize: bool = False
    """Give each observation coordinate mean 0 and deviation 1."""
    num_seeds: int = 1
    """Agents trained side by side, with seeds SEED, SEED + 1, ..."""
    seed: int = 0
    """First seed; an agent's run depends on its own seed alone."""
    num_steps: int = 100_000
    """Updates of each agent."""
    batch_size: int = 256
    """Transitions per update."""
    log_every: int = 500
    """Updates between two rows of metrics, each the mean over them."""
    save_every: int = 100_000
    """Updates between two checkpoints, rounded up to a row; one is kept."""
    actor: Literal["diffusion", "flow"] = "diffusion"
    """Generative policy: diffusion is RADAC, flow is RAFMAC."""
    sampler_steps: int | None = None
    """Denoising or Euler steps; None: 5 for diffusion, 10 for flow."""
    actor_widths: tuple[int, ...] | None = None
    """Hidden layers of the actor; None: 256 256 256 for diffusion, 128 128 128."""
    distortion: Literal["neutral", "cvar", "wang", "cpw", "power"] = "cvar"
    """Risk measure, at --risk-level."""
    num_quantiles: int = 32
    """Fractions drawn per update."""
    num_critics: int = 2
    """Critics, of which the lowest is believed."""
    critic_width: int = 256
    """Units of the critics' hidden layers."""
    embedding_width: int = 128
    """Units of the product of the two embeddings of a critic."""
    num_cosines: int = 32
    """Cosines that describe a fraction to a critic."""


def parse(argv: Sequence[str]) -> Arguments:
    """Read the command line over the preset it names; exits where it is malformed."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--preset", default=None, nargs="?")
    preset = first.parse_known_args(argv)[0].preset
    values: dict[str, Any] = {}
    if preset is not None:
        check_names("preset", [preset], PRESETS)
        values = dict(PRESETS[preset])
    traced = {k: values.pop(k) for k in rj.Hyperparams._fields if k in values}
    return tyro.cli(
        Arguments,
        prog="python -m experiments.train",
        description=DESCRIPTION,
        args=list(argv),
        default=Arguments(
            dataset=tyro.MISSING,
            out=tyro.MISSING,
            preset=preset,
            hyperparams=rj.Hyperparams(**traced),
            **values,
        ),
        config=(tyro.conf.FlagCreatePairsOff,),
    )


def check(arguments: Arguments) -> None:
    """Raise `InputError` for options that no run could honour; touches nothing."""
    for name, value in vars(arguments).items():
        counts = value if isinstance(value, tuple) else (value,)
        for count in counts:
            if type(count) is int and count < 1 and name != "seed":
                raise rj.InputError(
                    f"--{name.replace('_', '-')} is {count}: give 1 or more"
                )
    if not 0 <= arguments.seed <= 2**31 - 1 - arguments.num_seeds:
        raise rj.InputError(f"--seed is {arguments.seed}: give one from 0 to about 2e9")
    rj.check_hyperparams(arguments.hyperparams)
    level, allowed = (
        arguments.hyperparams.risk_level,
        DISTORTIONS[arguments.distortion][1],
    )
    if level not in allowed:
        raise rj.InputError(
            f"risk_level is {level:g}: for {arguments.distortion} it must be {allowed}"
        )
    try:
        held = [name for name in FILES if (arguments.out / name).exists()]
    except OSError as error:
        raise rj.InputError(
            f"cannot use {arguments.out}: {error.strerror}; give another --out"
        ) from None
    checkpoint = arguments.out / "checkpoint"
    if (
        (checkpoint.exists() and not (checkpoint / checkpoints.SPEC).is_file())
        or (arguments.out / "run.json").is_dir()
        or (arguments.out / "metrics.csv").is_dir()
    ):
        raise rj.InputError(
            f"{arguments.out} holds something else by the name of a run's files "
            f"({', '.join(held)}): give another --out"
        )
    if held and not arguments.overwrite:
        raise rj.InputError(
            f"{arguments.out} already holds a run ({', '.join(held)}): give another "
            "--out, or --overwrite"
        )


def policy_spec(
    arguments: Arguments, dataset: OfflineDataset
) -> checkpoints.PolicySpec:
    """The actor asked for, every option of its builder's spelled out."""
    given = {
        "num_steps": arguments.sampler_steps,
        "widths": arguments.actor_widths,
        "time_width": None,
    }
    builder = inspect.signature(BUILDERS[arguments.actor]).parameters
    options = {k: builder[k].default if v is None else v for k, v in given.items()}
    return checkpoints.PolicySpec(arguments.actor, options, dataset.scaling)


def build_agent(arguments: Arguments, spec: checkpoints.PolicySpec) -> rj.Agent:
    """The agent that the options describe."""
    critic = rj.iqn_critic(
        arguments.num_critics,
        width=arguments.critic_width,
        embedding_width=arguments.embedding_width,
        num_cosines=arguments.num_cosines,
    )
    distortion = DISTORTIONS[arguments.distortion][0]
    actor = checkpoints.build_actor(spec)
    return rj.ramac(actor, critic, distortion, arguments.num_quantiles)


def describe(
    arguments: Arguments,
    argv: Sequence[str],
    dataset: OfflineDataset,
    spec: checkpoints.PolicySpec,
) -> dict[str, Any]:
    """Everything needed to repeat the run, as run.json holds it."""
    options = vars(arguments).copy()
    hyperparams = options.pop("hyperparams")
    return {
        "command": shlex.join(["python", "-m", "experiments.train", *argv]),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "status": "running",
        "seeds": list(seeds(arguments)),
        "options": options,
        "hyperparams": hyperparams._asdict(),
        "actor_options": spec.actor_options,
        "datasets": [source._asdict() for source in dataset.sources],
        "env_id": dataset.env_spec.id if dataset.env_spec else None,
        "scaling": {
            k: np.asarray(x).tolist() for k, x in spec.scaling._asdict().items()
        },
        "versions": console.versions(),
        "git_commit": console.git_commit(),
        "device": jax.devices()[0].device_kind,
        "num_devices": jax.device_count(),
    }


def seeds(arguments: Arguments) -> range:
    """One seed per agent of the population."""
    return range(arguments.seed, arguments.seed + arguments.num_seeds)


class Outcome(NamedTuple):
    """What the training of a population came to."""

    first: dict[str, np.ndarray]  # metrics [population] of the first row
    last: dict[str, np.ndarray]  # and of the last
    num_steps: int  # updates made; fewer than asked for where every seed diverged
    diverged: list[dict[str, Any]]  # seed, step and metrics of each that did


def fit(
    arguments: Arguments, dataset: OfflineDataset, spec: checkpoints.PolicySpec
) -> Outcome:
    """Train the population, writing metrics and checkpoints as it goes."""
    agent = build_agent(arguments, spec)
    keys = jax.vmap(jax.random.key)(jnp.asarray(seeds(arguments)))
    example = jax.tree.map(lambda x: x[:1], dataset.transitions)
    states, keys = console.init_population(agent, example, keys)
    hyperparams = jax.tree.map(
        lambda x: jnp.full(len(keys), x, jnp.float32), arguments.hyperparams
    )
    calls = console.train_population(
        agent,
        states,
        dataset.transitions,
        keys,
        hyperparams,
        num_steps=arguments.num_steps,
        batch_size=arguments.batch_size,
        title="training",
        updates_per_call=arguments.log_every,
    )
    first: dict[str, np.ndarray] = {}
    diverged: list[dict[str, Any]] = []
    step = saved = 0
    with open(arguments.out / "metrics.csv", "w", newline="") as file:
        writer = csv.writer(file)
        for states, metrics in calls:
            step = min(step + arguments.log_every, arguments.num_steps)
            if not first:
                first = metrics
                writer.writerow(["step", "seed", *metrics])
            columns = zip(seeds(arguments), *metrics.values(), strict=True)
            writer.writerows([step, *row] for row in columns)
            file.flush()
            warn_of_divergence(diverged, metrics, seeds(arguments), step)
            ends = step == arguments.num_steps or len(diverged) == len(keys)
            if ends or step - saved >= arguments.save_every:
                checkpoints.save(arguments.out / "checkpoint", states, spec)
                saved = step
            if ends:
                break
    return Outcome(first, metrics, step, diverged)


def warn_of_divergence(
    diverged: list[dict[str, Any]],
    metrics: dict[str, np.ndarray],
    seeds: Sequence[int],
    step: int,
) -> None:
    """Add each seed whose metrics [population] are newly not finite, and say so."""
    known = {entry["seed"] for entry in diverged}
    for index, seed in enumerate(seeds):
        names = [name for name, x in metrics.items() if not np.isfinite(x[index])]
        if names and seed not in known:
            diverged.append({"seed": seed, "step": step, "metrics": names})
            console.CONSOLE.print(
                f"warning: seed {seed} diverged by step {step}: "
                f"{', '.join(names)} not finite",
                soft_wrap=True,
            )


def print_summary(arguments: Arguments, outcome: Outcome) -> None:
    """Print how the losses of each seed went, and where the files are."""
    table = Table(title=f"{outcome.num_steps} updates: first -> last row")
    for name in ("seed", "bc_loss", "critic_loss"):
        table.add_column(name, justify="right")
    for index, seed in enumerate(seeds(arguments)):
        changes = [
            f"{outcome.first[name][index]:.4g} -> {outcome.last[name][index]:.4g}"
            for name in ("bc_loss", "critic_loss")
        ]
        table.add_row(str(seed), *changes)
    output = Console()
    output.print(table)
    output.print(f"{arguments.out}: {', '.join(FILES)}", soft_wrap=True)


def main(argv: Sequence[str]) -> None:
    """Run the command; exits with status 1 where a seed diverged."""
    arguments = parse(argv)
    check(arguments)
    dataset = load_datasets(arguments.dataset, normalize=arguments.normalize)
    console.writable_folder(arguments.out)
    shutil.rmtree(arguments.out / "checkpoint", ignore_errors=True)  # of an earlier run
    spec = policy_spec(arguments, dataset)
    record = describe(arguments, argv, dataset, spec)
    console.write_json(arguments.out / "run.json", record)
    start = time.perf_counter()
    outcome = fit(arguments, dataset, spec)
    record |= {
        "status": "diverged" if outcome.diverged else "finished",
        "num_steps": outcome.num_steps,
        "diverged": outcome.diverged,
        "wall_time_s": round(time.perf_counter() - start, 3),
    }
    console.write_json(arguments.out / "run.json", record)
    print_summary(arguments, outcome)
    if outcome.diverged:
        sys.exit(1)


if __name__ == "__main__":
    console.exit_on_bad_input(lambda: main(sys.argv[1:]))()
