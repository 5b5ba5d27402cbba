"""The record of a run: what it takes to repeat the run."""

import datetime
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import jax

from ramac_jax.cli.provenance import provenance
from ramac_jax.cli.runs.protocol import EvaluationProtocol
from ramac_jax.data.loading import OfflineDataset
from ramac_jax.data.relabel import read_record
from ramac_jax.policy import PolicySpec
from ramac_jax.policy_record import as_lists


def describe_run(
    command: Sequence[str],
    options: Mapping[str, Any],
    seeds: Sequence[int],
    dataset: OfflineDataset,
    spec: PolicySpec,
    protocol: EvaluationProtocol | None,
) -> dict[str, Any]:
    """Return the record of a run that begins, as run.json holds it.

    Args:
      command: words that repeat the run.
      options: all of them, as `recorded_options` returns them.
      seeds: of the agents.
      dataset: data to train on.
      spec: of the policy.
      protocol: of the evaluation at the end, if there is one.
    """
    env = dataset.env_spec
    return {
        "command": shlex.join(command),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "status": "running",
        "task": protocol.task if protocol else options["task"],
        "preset": options["preset"],
        "seeds": list(seeds),
        "options": options,
        "hyperparams": options["hyperparams"],
        "actor_options": spec.actor_options,
        "datasets": [source._asdict() for source in dataset.sources],
        "dataset_records": [read_record(source.id) for source in dataset.sources],
        "env_id": env.id if env else None,
        "env": env.to_json() if env else None,
        "reference": dataset.reference,
        "evaluation": protocol.record() if protocol else None,
        "scaling": as_lists(spec.scaling),
        **provenance(),
        "num_devices": jax.device_count(),
    }
