"""The model card of an exported policy, as the Hugging Face hub reads it."""

import json
from collections.abc import Mapping
from typing import Any

from ramac_jax.acting import ActingOptions, describe, recorded_options

LICENSE = "apache-2.0"
TAGS = ("reinforcement-learning", "offline-reinforcement-learning", "risk", "jax")
FIGURES = {
    "mean": "mean return",
    "pooled_cvar": "CVaR of the return",
    "risky_share": "share of risky steps",
}
"""Figures of an evaluation -> their names on the hub."""

LIMITS = """\
For research on offline reinforcement learning in the simulator that is named above. The
policy is tested nowhere else. It learned from recorded data alone and may act badly
where these hold nothing alike; the guard sees a part of that. Its figures are of its
own training seed. A low risk in simulation says nothing of the safety of a machine."""


def front_matter(record: Mapping[str, Any]) -> str:
    """Return the metadata of a card in YAML, every text quoted as JSON is."""
    acting, run = record["acting"], record["run"]
    lines = [
        "---",
        "library_name: ramac_jax",
        f"license: {LICENSE}",
        "pipeline_tag: reinforcement-learning",
        "tags:",
        *(f"- {tag}" for tag in [*TAGS, acting["actor"]]),
    ]
    evaluation = record["evaluation"]
    if evaluation is not None and acts_alike(record):
        name, env = (
            run.get("preset") or acting["actor"],
            evaluation["settings"]["env_id"],
        )
        lines += [
            "model-index:",
            f"- name: {json.dumps(name)}",
            "  results:",
            "  - task:",
            "      type: reinforcement-learning",
            "      name: reinforcement-learning",
            "    dataset:",
            f"      name: {json.dumps(env)}",
            f"      type: {json.dumps(env)}",
            "    metrics:",
            *metric_lines(evaluation),
        ]
    return "\n".join([*lines, "---"])


def metric_lines(evaluation: Mapping[str, Any]) -> list[str]:
    """Return the figures of an evaluation in YAML, known bounds in their names."""
    lines = []
    for key, name in FIGURES.items():
        figure = evaluation["figures"].get(key)
        if figure is None or figure["value"] is None:
            continue
        if key == "pooled_cvar":
            name = f"{name} at level {evaluation['settings']['level']:g}"
        if figure["low"] is not None:
            name += f" (95 % interval {figure['low']:.4g} to {figure['high']:.4g})"
        lines += [
            f"    - type: {key}",
            f"      value: {figure['value']:.6g}",
            f"      name: {json.dumps(name)}",
        ]
    return lines


def sections(record: Mapping[str, Any]) -> str:
    """Return the sections of a card that a plain README lacks."""
    return "\n\n".join(
        [
            evaluation_section(record),
            data_section(record),
            "## Load\n\nWith ramac_jax, with every option of acting: "
            '`ramac_jax.load_policy("hf://OWNER/NAME")`.',
            "## Intended use and limits\n\n" + LIMITS,
        ]
    )


def evaluation_section(record: Mapping[str, Any]) -> str:
    """Return the figures of an evaluation with their intervals."""
    evaluation, run = record["evaluation"], record["run"]
    if evaluation is None:
        return "## Evaluation\n\nThe run holds no evaluation of this policy."
    settings = evaluation["settings"]
    rows = ["| figure | value | 95 % over episodes |", "|---|---|---|"]
    for key, name in FIGURES.items():
        figure = evaluation["figures"].get(key)
        if figure is not None and figure["value"] is not None:
            limits = [
                f"{x:.4g}" for x in (figure["low"], figure["high"]) if x is not None
            ]
            between = f"[{', '.join(limits)}]" if limits else "-"
            rows.append(f"| {name} | {figure['value']:.4g} | {between} |")
    how = describe(recorded_options(settings)) or "one action drawn as in training"
    text = (
        f"{settings['episodes']} episodes of {settings['horizon']} steps in "
        f"{settings['env_id']}, with {how}; CVaR at level "
        f"{settings['level']:g}."
    )
    if not acts_alike(record):
        text += (
            f" The exported program {describe_program(record)} instead: the figures "
            "are those of another way to act."
        )
    chosen = [x for x in (evaluation.get("selection"), run.get("selection")) if x]
    text += "".join(f" {x if isinstance(x, str) else x['sentence']}" for x in chosen)
    warnings = [f"- {note}" for note in evaluation.get("notes", [])]
    parts = ["## Evaluation", text, "\n".join(rows), "\n".join(warnings)]
    return "\n\n".join(part for part in parts if part)


def acting_of_run(record: Mapping[str, Any]) -> ActingOptions:
    """Return how the agent acted in its evaluation, or else how its run acts."""
    evaluation = record["evaluation"]
    return recorded_options(evaluation["settings"] if evaluation else record["run"])


def acts_alike(record: Mapping[str, Any]) -> bool:
    """Whether the program acts as the agent does in its run."""
    options = acting_of_run(record)
    same_number = options.num_candidates == record["acting"]["num_candidates"]
    same_noise = float(options.temperature) == numbers_of(record)[0]
    return bool(same_number and same_noise and not options.softmax_temperature)


def numbers_of(record: Mapping[str, Any]) -> tuple[float, float | None]:
    """Return the temperature and the level at which the program acts like its run.

    Where the program has candidates and the run acts at temperature 0, at which all of
    them are one action, the temperature is 1.
    """
    options, acting = acting_of_run(record), record["acting"]
    temperature, level = float(options.temperature), options.risk_level
    if acting["num_candidates"] > 1 and not temperature:
        temperature = 1.0
    level = acting["risk_level"] if level is None else level
    return temperature, None if level is None else float(level)


def describe_program(record: Mapping[str, Any]) -> str:
    """Return in a few words how the program acts."""
    temperature, count = numbers_of(record)[0], record["acting"]["num_candidates"]
    if count == 1:
        return f"takes one action at temperature {temperature:g}"
    return f"takes the best typical one of {count} at temperature {temperature:g}"


def data_section(record: Mapping[str, Any]) -> str:
    """Return the datasets with their hashes, and the hash of the checkpoint."""
    hashes = record["hashes"]
    rows = ["| part | SHA-256 |", "|---|---|"]
    rows += [f"| {k} | `{x}` |" for k, x in hashes.get("datasets", {}).items()]
    if "checkpoint" in hashes:
        rows.append(f"| checkpoint of the run | `{hashes['checkpoint']}` |")
    if len(rows) == 2:
        return "## Data\n\nNo hash of the data is known."
    return "\n".join(["## Data", "", *rows])
