"""Sinks of the metrics besides the CSV files: TensorBoard and Weights & Biases."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ramac_jax.cli.options.command import LogOptions
from ramac_jax.errors import InputError
from ramac_jax.extras import require
from ramac_jax.files import write_json

FOLDERS = ("tensorboard", "wandb")  # what the sinks make in the folder of a run


class Sink(Protocol):
    """Takes the metrics of a step, with a label for each member; leaves NaN out."""

    def write(
        self, step: int, members: Sequence[str], values: Mapping[str, np.ndarray]
    ) -> None: ...  # values: name -> [P]

    def close(self) -> None: ...


class TensorBoardSink:
    """Event files in a folder; a resumed run hides the points after its first step."""

    def __init__(self, folder: Path, resume_step: int | None = None):
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(
            str(folder),
            purge_step=None if resume_step is None else resume_step + 1,
            flush_secs=10,  # what a killed process may lose
            # Without it the files of one second would have one name.
            filename_suffix="" if resume_step is None else f".resumed-{resume_step}",
        )

    def write(
        self, step: int, members: Sequence[str], values: Mapping[str, np.ndarray]
    ) -> None:
        from tensorboardX.proto.summary_pb2 import Summary

        # One event holds every number: add_scalar takes 0.2 ms each, this 0.01 ms.
        numbers = tagged(members, values).items()
        summary = Summary(
            value=[Summary.Value(tag=tag, simple_value=x) for tag, x in numbers]
        )
        self._writer.file_writer.add_summary(summary, step)

    def close(self) -> None:
        self._writer.close()


class WandbSink:
    """One wandb run for the population, in folder/wandb; a resumed run has the same id.

    A step that an earlier process has logged is left out. wandb collects the writes of
    one step and closes it at the next step, so a step counts as logged once the next
    one is written. Offline, wandb saves every 15 s, and a killed process loses what is
    newer; each process has its own folder, and `wandb sync` takes them in order.
    """

    def __init__(
        self,
        folder: Path,
        project: str,
        name: str,
        config: Mapping[str, Any],
        resume_step: int | None = None,
    ):
        import wandb

        self._record = folder / "wandb" / "population.json"
        earlier: dict[str, Any] = {}
        if resume_step is not None and self._record.exists():
            earlier = json.loads(self._record.read_text())
        self._skipped = self._step = earlier.get("logged", -1)
        self._record.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._run = wandb.init(
                dir=folder,
                project=project,
                name=name,
                config=dict(config),
                id=earlier.get("id"),
                resume="allow" if earlier else None,
                settings=wandb.Settings(console="off", quiet=True),
            )
        except wandb.Error as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"wandb: {reason} (WANDB_MODE=offline needs no account, no network)"
            ) from None
        self._remember()

    def write(
        self, step: int, members: Sequence[str], values: Mapping[str, np.ndarray]
    ) -> None:
        if step <= self._skipped:
            return
        self._run.log(tagged(members, values), step=step)
        if step > self._step:
            self._remember()
            self._step = step

    def close(self) -> None:
        self._run.finish()
        self._remember()

    def _remember(self) -> None:
        write_json(self._record, {"id": self._run.id, "logged": self._step})


def tagged(
    members: Sequence[str], values: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """Return the numbers of a step by tag, such as bc_loss/setting-3-seed-0."""
    return {
        f"{name}/{member}": float(value)
        for name, column in values.items()
        for member, value in zip(members, column, strict=True)
        if not np.isnan(value)
    }


def check_sinks(logs: LogOptions) -> None:
    """Raise `InputError` where the package of a sink is not installed."""
    if logs.tensorboard:
        require("tensorboardX", "--tensorboard")
    if logs.wandb is not None:
        require("wandb", "--wandb")


@contextlib.contextmanager
def open_sinks(
    folder: Path,
    logs: LogOptions,
    name: str,
    config: Mapping[str, Any],
    resume_step: int | None = None,
) -> Iterator[tuple[Sink, ...]]:
    """Open the sinks of the options, and close them at the end.

    Args:
      folder: for their files.
      logs: which sinks.
      name: of the run, in wandb.
      config: of the run, in wandb.
      resume_step: updates that an earlier process has logged; None: none.
    """
    check_sinks(logs)
    with contextlib.ExitStack() as stack:
        sinks: list[Sink] = []
        if logs.tensorboard:
            sinks.append(TensorBoardSink(folder / "tensorboard", resume_step))
            stack.callback(sinks[-1].close)
        if logs.wandb is not None:
            sinks.append(WandbSink(folder, logs.wandb, name, config, resume_step))
            stack.callback(sinks[-1].close)
        yield tuple(sinks)
