"""The folder of an exported policy: programs, their description and a README."""

import dataclasses
import hashlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ramac_jax.errors import InputError, check_names, first_line
from ramac_jax.export import onnx, parity, readme, stablehlo
from ramac_jax.export.program import Program, make_program
from ramac_jax.export.reader import KIND, RECORD, VERSIONS, checksum, is_exported
from ramac_jax.files import disk_fault, replaced_folder, write_json, write_text
from ramac_jax.guard import SHARE_ABOVE
from ramac_jax.policy import Policy, save_acting
from ramac_jax.policy.loading import CHECKPOINT
from ramac_jax.policy_record import observation_layout, reads_otherwise
from ramac_jax.version import __version__

FORMATS = ("stablehlo", "onnx")
OWN_FILES = {stablehlo.FILE, onnx.FILE, readme.FILE, RECORD, CHECKPOINT}
"""What an export consists of, and replaces."""
PACKAGES = ("jax", "jaxlib", "numpy", "jax2onnx", "onnx", "onnxruntime")


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """What is exported of a policy, and for what."""

    member: int = 0
    """Number of the agent."""
    num_candidates: int = 1
    """Actions drawn for each observation, of which the critics take a typical one."""
    formats: Sequence[str] = FORMATS
    platforms: Sequence[str] = stablehlo.PLATFORMS
    """Of the StableHLO program."""
    opset: int = onnx.OPSET
    """Version of the operators of the ONNX program."""
    card: bool = False
    """Whether README.md is a model card of the Hugging Face hub, next to a checkpoint
    for `load_policy`."""


def export_policy(
    policy: Policy,
    out: str | Path,
    options: ExportOptions,
    about: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write the policy of one agent to a folder that acts without this library.

    Every program is compared with the policy on random inputs before anything is
    written. An earlier export in the folder is replaced, in one move.

    Args:
      policy: of a registered actor.
      out: made where it does not exist.
      options: what is exported.
      about: further fields of `policy.json`: "hashes", "evaluation" and "run".

    Returns what `policy.json` holds.

    Raises `InputError` for a folder that holds anything but an export or cannot be
    written, options that cannot be had, and a program that does not act as the policy
    does.
    """
    out = Path(out).absolute()
    check_request(out, options)
    program = make_program(policy, options.member, options.num_candidates)
    own = policy.pick(options.member).of_centred()
    contents = serialize(program, options)
    samples = parity.draw_samples(own, program, options.num_candidates)
    found = {name: compare(own, samples, name, x) for name, x in contents.items()}
    record = describe(policy, program, options) | {
        "files": {k: hashlib.sha256(x).hexdigest() for k, x in contents.items()},
        "parity": {name: x.largest for name, x in found.items()},
        "parity_ties": {name: x.num_ties for name, x in found.items()},
        "parity_inputs": parity.NUM_INPUTS,
        **({"hashes": {}, "evaluation": None, "run": {}} | dict(about or {})),
    }
    text = readme.write(record, card=options.card)
    try:
        with replaced_folder(out) as new:
            for name, content in contents.items():
                (new / name).write_bytes(content)
            write_json(new / RECORD, record | {"checksum": checksum(record)})
            write_text(new / readme.FILE, text)
            if options.card:
                save_acting(new / CHECKPOINT, policy, options.member)
    except InputError:
        raise
    except (OSError, ValueError) as error:  # Orbax raises the latter on a full disk
        fault = disk_fault(error)
        if fault is None and not isinstance(error, OSError):
            raise
        reason = first_line(error) if fault is None else fault.reason
        first = "" if fault is None else f"{fault.advice}, or "
        raise InputError(
            f"cannot write {out} ({reason}): {first}give another folder"
        ) from error
    return record


def check_request(out: Path, options: ExportOptions) -> None:
    """Raise `InputError` for an occupied folder and what no export is made with."""
    if jax.config.jax_disable_jit:  # type: ignore[attr-defined]
        raise InputError(
            "JAX_DISABLE_JIT is set, and an export is compared with the policy as "
            "compiled: unset it"
        )
    check_replaceable(out)
    check_names("format", options.formats, FORMATS)
    if not options.formats:
        raise InputError(f"no format is named: give {' or '.join(FORMATS)}")
    if "stablehlo" in options.formats:
        stablehlo.check_platforms(options.platforms)
    if "onnx" in options.formats:
        onnx.check_opset(options.opset)


def check_replaceable(out: Path) -> None:
    """Raise `InputError` for a folder that holds anything but an export."""
    if out.is_symlink() or Path.cwd().is_relative_to(out):
        kind = "a link" if out.is_symlink() else "the current folder or around it"
        raise InputError(f"{out} is {kind}, which no export replaces: give another one")
    names = {x.name for x in out.iterdir()} if out.is_dir() else set()
    if out.is_file() or (names and not is_exported(out)):
        raise InputError(f"{out} exists and is no export: give another folder")
    if others := sorted(names - OWN_FILES):
        raise InputError(
            f"{out} holds {others[0]} next to an export, which would be lost: give "
            "another folder"
        )


def serialize(program: Program, options: ExportOptions) -> dict[str, bytes]:
    """Return the programs by the names of their files."""
    contents = {}
    if "stablehlo" in options.formats:
        contents[stablehlo.FILE] = stablehlo.serialize(program, options.platforms)
    if "onnx" in options.formats:
        contents[onnx.FILE] = onnx.serialize(program, options.opset)
    return contents


def compare(
    policy: Policy, samples: Sequence[parity.Sample], name: str, content: bytes
) -> parity.Parity:
    """Return how far a program is from the policy; `InputError` where it is too far."""
    is_onnx = name == onnx.FILE
    run = onnx.Runner(content) if is_onnx else stablehlo.Runner(content)
    found = parity.measure(policy, samples, run)
    parity.check(name, found, parity.TOLERANCE if is_onnx else 0.0)
    return found


def describe(
    policy: Policy, program: Program, options: ExportOptions
) -> dict[str, Any]:
    """Return what `policy.json` says of the program of one agent."""
    critic, guard = policy.spec.critic, policy.spec.guard
    return {
        "kind": KIND,
        "version": VERSIONS[reads_otherwise(policy.spec)],
        "inputs": [port.to_json() for port in program.inputs],
        "outputs": [port.to_json() for port in program.outputs],
        "acting": {
            "actor": policy.spec.actor,
            "num_candidates": options.num_candidates,
            "risk_measure": critic.risk_measure if critic else None,
            "risk_level": critic.risk_level if critic else None,
        },
        **centre_of(policy),
        **observation_layout(policy.spec),
        "action_low": np.asarray(policy.spec.scaling.action_low).tolist(),
        "action_high": np.asarray(policy.spec.scaling.action_high).tolist(),
        "ood_threshold": None if guard is None else float(guard.threshold),
        "ood_share_above": None if guard is None else SHARE_ABOVE,
        "platforms": list(options.platforms) if "stablehlo" in options.formats else [],
        "opset": options.opset if "onnx" in options.formats else None,
        "versions": versions(),
    }


def centre_of(policy: Policy) -> dict[str, Any]:
    """Return what observations are reduced by, as JSON holds it; {} for nothing."""
    centre = policy.observation_centre
    return {} if centre is None else {"observation_centre": np.asarray(centre).tolist()}


def versions() -> dict[str, str]:
    """Return the version of each package that made the programs."""
    found = {"ramac_jax": __version__}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
