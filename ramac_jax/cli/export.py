"""Export a trained policy: `ramac export RUN --out DIR`.

Writes policy.stablehlo, policy.onnx, policy.json and README.md, once both programs have
acted as the policy does. Exit status 2: bad input, and nothing is written.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ramac_jax.cli import folders
from ramac_jax.cli.evaluate import read_run
from ramac_jax.cli.options.export import Arguments, parse
from ramac_jax.cli.runs.exports import describe_evaluation, describe_run, hashes
from ramac_jax.cli.runs.stored import seeds_of
from ramac_jax.errors import InputError
from ramac_jax.export import ExportOptions, export_policy
from ramac_jax.export.card import acts_alike, describe_program
from ramac_jax.export.folder import FORMATS, check_request
from ramac_jax.policy import load_policy


def check_finished(run: Path, record: Mapping[str, Any]) -> None:
    """Raise `InputError` for a run that is not finished."""
    status = record.get("status", "finished")
    if status not in ("finished", "diverged"):
        raise InputError(
            f"{run} holds a run that is not finished (status {status}): resume it with "
            "the command in its run.json"
        )


def check_member(record: Mapping[str, Any], member: int) -> None:
    """Raise `InputError` for an agent that diverged."""
    seeds = record.get("seeds", [])
    diverged = {x["seed"]: x["step"] for x in record.get("diverged", [])}
    if 0 <= member < len(seeds) and seeds[member] in diverged:
        raise InputError(
            f"--member {member} has seed {seeds[member]}, which diverged at step "
            f"{diverged[seeds[member]]}: give another member"
        )


def execute(arguments: Arguments, argv: Sequence[str]) -> None:
    """Run the command."""
    run, member = arguments.run, arguments.member
    options = ExportOptions(
        member=member,
        num_candidates=arguments.num_candidates,
        formats=FORMATS if arguments.format == "all" else (arguments.format,),
        platforms=arguments.platforms,
        opset=arguments.opset,
        card=arguments.card,
    )
    check_request(arguments.out.absolute(), options)
    folders.check_writable(arguments.out)
    record = read_run(run)
    check_finished(run, record)
    policy = load_policy(run / "checkpoint")
    policy.check_member(member)
    check_member(record, member)
    seeds = seeds_of(record, policy.population)
    about = {
        "hashes": hashes(run, record),
        "evaluation": describe_evaluation(run, member),
        "run": describe_run(record, seeds[member], run / "run.json"),
    }
    written = export_policy(policy, arguments.out, options, about)
    print_export(arguments.out, written)


def print_export(out: Path, record: Mapping[str, Any]) -> None:
    """Print the parity and the size of each program, and where the files are."""
    for name, difference in record["parity"].items():
        ties = record["parity_ties"][name]
        noted = f", another candidate of equal value in {ties}" if ties else ""
        size = (out / name).stat().st_size
        print(
            f"{name}: largest difference {difference:.2g} on {record['parity_inputs']} "
            f"random inputs{noted}; {size / 1024:.0f} KiB"
        )
    if not acts_alike(record):
        print(f"note: the program {describe_program(record)}, unlike the run's agent")
    if record["ood_threshold"] is None:
        print(
            "note: the run recorded no scale of its observations, so that ood_score "
            "says only whether an observation is finite"
        )
    print(f"{out}: {', '.join(sorted(x.name for x in out.iterdir()))}")


def main(argv: Sequence[str]) -> None:
    """Run the command with these words."""
    execute(parse(argv), argv)
