"""The record of a policy's checkpoint: how to act, and what its files hold."""

import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ramac_jax.errors import InputError, first_line
from ramac_jax.guard import Guard
from ramac_jax.normalization import Scaling
from ramac_jax.observations import Layout, Part
from ramac_jax.storage import STATE

RECORD = "policy.json"
FORMATS = (2, 3)
"""Of a checkpoint, without and with what observations are reduced by or flattened by;
any other is refused, as is the second by a version that would read past it."""


class CriticSpec(NamedTuple):
    """How to build the critics of a checkpoint, and what they value.

    The defaults are those of `ramac_agent`.
    """

    name: str | None = None
    """A registered name; None: the user's own critic, which `load_policy` is given."""
    options: Mapping[str, Any] = {}
    """Options of the registered critic's builder; JSON must be able to hold them."""
    risk_measure: str = "cvar"
    """A registered name."""
    risk_level: float | None = None
    """Level of the risk measure in training; None: not known, or several."""
    num_quantiles: int = 32
    """N, fractions at which candidate actions are compared."""
    discount: float | None = None
    """gamma of the returns; None: not known, or several."""
    reward_scale: float = 1.0
    """Factor on the rewards that the critics learned from."""


class PolicySpec(NamedTuple):
    """How to build actor and critics of a checkpoint, and the units it acts in."""

    scaling: Scaling
    actor: str | None = None
    """A registered name; None: the user's own actor, which `load_policy` is given."""
    actor_options: Mapping[str, Any] = {}
    """Options of the registered actor's builder; JSON must be able to hold them."""
    critic: CriticSpec | None = None
    """The critics, which rank candidate actions; None: there are none, or unknown."""
    guard: Guard | None = None
    """The observations that the policy was trained on; None: they are not known."""
    layout: Layout | None = None
    """The parts of an observation, which the policy flattens; None: it is a vector."""

    @property
    def observation_dim(self) -> int:
        """O."""
        return len(self.scaling.observation_mean)

    @property
    def action_dim(self) -> int:
        """A."""
        return len(self.scaling.action_low)


class Record(NamedTuple):
    """What `policy.json` says."""

    spec: PolicySpec
    layout: dict[str, str]  # of the states; see `ramac_jax.storage.layout`
    population: int
    files: dict[str, int]  # checksum of each file of the states


def checkpoint_folder(folder: str | Path) -> Path:
    """Return the absolute path of a checkpoint; `InputError` if there is none."""
    folder = Path(folder).absolute()
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}: give that of a checkpoint")
    if not (folder / RECORD).is_file() or not (folder / STATE).is_dir():
        raise InputError(f"{folder} is no checkpoint: it lacks {RECORD} or {STATE}/")
    return folder


def read_record(folder: Path) -> Record:
    """Read `policy.json`; `InputError` where it is damaged or of another version."""
    try:
        fields = json.loads((folder / RECORD).read_bytes())
        version, checksum = fields.get("format"), fields.pop("checksum", None)
        known = version is not None or checksum is not None
        if known and checksum != text_checksum(fields):
            raise InputError(f"its file {RECORD} has changed")
    except Exception as error:  # damage takes as many forms as there are bytes
        raise damaged(folder, error) from error
    if version not in FORMATS:
        raise InputError(
            f"checkpoint {folder} has format {version or 1}, and this version of "
            f"ramac_jax reads {either(FORMATS)}: load it with the version that wrote it"
        )
    spec = PolicySpec(
        scaling=Scaling(**read_arrays(fields["scaling"])),
        actor=fields["actor"],
        actor_options=fields["actor_options"],
        critic=read_critic_spec(fields.get("critic")),
        guard=read_guard(fields.get("guard")),
        layout=read_layout(fields.get("observation_layout")),
    )
    return Record(
        spec=spec,
        layout=fields["layout"],
        population=fields["population"],
        files=fields["files"],
    )


def reads_otherwise(spec: PolicySpec) -> bool:
    """Return whether observations are centred or flattened before the actor reads."""
    return spec.layout is not None or spec.scaling.observation_centre is not None


def either(numbers: Sequence[int]) -> str:
    """Return numbers in words."""
    return " and ".join(map(str, numbers))


def read_critic_spec(fields: Mapping[str, Any] | None) -> CriticSpec | None:
    """Return the spec of the critics; None for a checkpoint that describes none."""
    return None if fields is None else CriticSpec(**fields)


def read_guard(fields: Mapping[str, Any] | None) -> Guard | None:
    """Return the guard; None for a checkpoint that has none."""
    return None if fields is None else Guard(**read_arrays(fields))


def read_arrays(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return float32 arrays by their names; None stays None."""
    return {
        k: None if v is None else jnp.asarray(v, jnp.float32) for k, v in fields.items()
    }


def read_layout(parts: Sequence[Mapping[str, Any]] | None) -> Layout | None:
    """Return the layout of observations; None for vectors."""
    if parts is None:
        return None
    return tuple(Part(**{k: tuple(v) for k, v in part.items()}) for part in parts)


def to_json(record: Record) -> str:
    """Write a record as strict JSON; floats keep every bit."""
    spec, critic = record.spec, record.spec.critic
    fields = {
        "format": FORMATS[reads_otherwise(spec)],
        "actor": spec.actor,
        "actor_options": dict(spec.actor_options),
        "critic": critic and critic._asdict() | {"options": dict(critic.options)},
        "scaling": as_lists(spec.scaling),
        "guard": spec.guard and as_lists(spec.guard),
        **observation_layout(spec),
        "population": record.population,
        "layout": record.layout,
        "files": record.files,
    }
    try:
        whole = fields | {"checksum": text_checksum(fields)}
        return json.dumps(whole, indent=2, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise InputError(f"the policy cannot be written as JSON: {error}") from error


def observation_layout(spec: PolicySpec) -> dict[str, Any]:
    """Return the field of a layout as JSON holds it; {} where there is none."""
    if spec.layout is None:
        return {}
    return {"observation_layout": [part._asdict() for part in spec.layout]}


def as_lists(arrays: Scaling | Guard) -> dict[str, Any]:
    """Return arrays by their names, as JSON holds them; None is left out."""
    known = {name: x for name, x in arrays._asdict().items() if x is not None}
    return {name: np.asarray(x).tolist() for name, x in known.items()}


def text_checksum(fields: Mapping[str, Any]) -> int:
    """Return a checksum of a JSON object, whatever its layout in a file."""
    return zlib.crc32(json.dumps(fields, sort_keys=True).encode())


def damaged(folder: Path, error: Exception) -> InputError:
    """Return the error for a checkpoint that exists and cannot be read."""
    if isinstance(error, PermissionError):
        return InputError(f"cannot read checkpoint {folder}: {error.strerror}")
    return InputError(f"checkpoint {folder} is damaged: {first_line(error)}")
