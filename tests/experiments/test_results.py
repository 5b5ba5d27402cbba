"""What the READMEs of the studies say is what their results hold."""

import csv
import json
import re

import numpy as np
import pytest

from experiments import study
from ramac_jax.cli.agents import AGENTS
from ramac_jax.evaluation.intervals import seeds_interval


def spread(values, factor, digits):
    """Return the mean, the lowest and the highest value as the README writes them."""
    mean = sum(values) / len(values)
    numbers = [f"{factor * x:.{digits}f}" for x in (mean, min(values), max(values))]
    return f"{numbers[0]} [{numbers[1]}, {numbers[2]}]"


def test_the_scores_of_the_bandit_readme_are_those_of_its_results():
    folder = study.FOLDER / "bandit"
    text = (folder / "README.md").read_text()
    record = json.loads((folder / "results" / "bandit.json").read_text())
    columns = [("mean", 1, 2), ("cvar", 1, 2)]
    columns += [(name, 100, 1) for name in ("ring", "centre", "ood")]
    for policy in record["policies"]:
        cells = [
            spread([seed[name] for seed in policy["seeds"]], factor, digits)
            for name, factor, digits in columns
        ]
        assert f"| {AGENTS[policy['name']].title} | {' | '.join(cells)} |" in text


LOCOMOTION = study.FOLDER / "locomotion"
RECORDS = [
    json.loads(path.read_text())
    for path in LOCOMOTION.glob("results/**/comparison.json")
]
LEVEL = "Learning at level .05"
"""Section of the agents that learn at another level than those of the study."""
SCORED = [
    (row, row["task"] if record["options"].get("risk_level") is None else LEVEL)
    for record in RECORDS
    for row in record["rows"]
]


@pytest.mark.parametrize(
    ("row", "section"),
    SCORED,
    ids=[f"{row['task']}-{row['agent']}-{place[-3:]}" for row, place in SCORED],
)
def test_a_row_of_the_locomotion_readme_is_that_of_its_results(row, section):
    """Agent, weight and temperature; then mean, CVaR, risky steps and OOD rates."""
    text = (LOCOMOTION / "README.md").read_text()
    part = re.split(rf"^##+ {section}$", text, maxsplit=1, flags=re.MULTILINE)[1]
    part = re.split(r"^##+ ", part, maxsplit=1, flags=re.MULTILINE)[0]
    of_task = f"{row['task']}: " if section == LEVEL else ""
    (line,) = re.findall(rf"^\| {of_task}`{row['agent']}`.*$", part, re.MULTILINE)
    name, *cells = [x.strip() for x in line.strip("|").split("|")]
    weight, temperature = name.split(", ")[1:]
    first, critics = row["scores"][0], AGENTS[row["agent"]].critic
    penalized = AGENTS[row["agent"]].penalty is not None
    tuned = first["conservative_weight" if penalized else "risk_weight"]
    assert weight == "-" if critics is None else float(weight) == tuned
    assert float(temperature) == first["temperature"]
    figures = row["figures"]
    for cell, figure, factor, digits in zip(
        cells[:3], ("mean", "cvar", "risky_share"), (1, 1, 100), (0, 0, 1), strict=True
    ):
        shown = [float(x) for x in re.findall(r"-?[\d.]+", cell)]
        exact = [factor * figures[figure][x] for x in ("value", "low", "high")]
        assert shown == pytest.approx(exact, abs=0.5001 * 10.0**-digits)
    for cell in cells[3:]:
        shown = [float(x) for x in cell.split(", ")]
        exact = [100 * figures[x]["value"] for x in ("ood_nearest", "ood_density")]
        assert shown == pytest.approx(exact, abs=0.0501)


def test_every_row_of_the_locomotion_readme_has_a_result():
    text = (LOCOMOTION / "README.md").read_text()
    rows = re.findall(r"^\| (?:[\w-]+: )?`[\w-]+`.*$", text, re.MULTILINE)
    assert len(rows) == len(SCORED)


def test_the_least_shares_of_the_best_cvar_are_those_of_the_results():
    """Of five tasks: the README says that walker2d-medium-replay is left out."""
    record = json.loads((LOCOMOTION / "results" / "comparison.json").read_text())
    rows = [x for x in record["rows"] if x["task"] != "walker2d-medium-replay"]
    tails = {(x["task"], x["agent"]): x["figures"]["cvar"]["value"] for x in rows}
    tasks, agents = ({key[place] for key in tails} for place in (0, 1))
    best = {task: max(tails[task, agent] for agent in agents) for task in tasks}
    least = {x: min(tails[task, x] / best[task] for task in tasks) for x in agents}
    assert len(tasks) == 5 and len(agents) == 12
    ranked = sorted(least, key=least.__getitem__, reverse=True)
    assert ranked[:5] == [
        *("radac", "neutral", "rafmac-distilled", "diffusion-ql", "rafmac")
    ]
    shares = [f"{least[x]:.2f}".lstrip("0") for x in ranked]
    text = (LOCOMOTION / "README.md").read_text().partition("## Over the tasks")[2]
    assert {*shares[:6], *shares[9:]} <= {*text.split()}


def test_the_counted_seeds_are_those_of_the_results():
    """Of each agent: how many of its seeds are near the best agent of their task."""
    record = json.loads((LOCOMOTION / "results" / "comparison.json").read_text())
    rows = record["rows"]
    near = {(x["agent"], share): 0 for x in rows for share in (0.6, 0.9)}
    for task in {x["task"] for x in rows}:
        tails = {
            x["agent"]: [y["cvar_0.1"] for y in x["scores"]]
            for x in rows
            if x["task"] == task
        }
        means = [sum(x) / len(x) for x in tails.values()]
        low, span = min(means), max(means) - min(means)
        for agent, share in near:
            near[agent, share] += sum(x > low + share * span for x in tails[agent])
    ours = ("radac", "neutral", "rafmac-distilled")
    assert [near[x, 0.6] for x in ours] == [26, 22, 22]
    assert sorted(near[x, y] for x, y in near if y == 0.6)[-4] == 19
    assert (near["neutral", 0.9], near["radac", 0.9]) == (22, 18)


ABLATIONS = study.FOLDER / "ablations"
PARTS = {
    "risk level": "risk-level",
    "temperature": "temperature",
    "weight of behaviour cloning": "bc-weight",
    "steps of the sampler": "sampler-steps",
    "critic": "paper-critic",
}
"""Sections of the README -> names of their files."""


def rows_of(path):
    with path.open() as file:
        return [*csv.DictReader(file)]


def reported(folder, part):
    """Value of the parameter -> figures of the agents that are reported."""
    if part == "temperature":
        rows = rows_of(folder / "temperature-frontier.csv")
        found = [(x["temperature"], x) for x in rows if x["seed"] != "0"]
    else:
        sweep = json.loads((folder / f"{part}-sweep.json").read_text())
        labels = {str(x["setting"]): x["label"] for x in sweep["ranking"]}
        rows = rows_of(folder / f"{part}-agents.csv")
        values = [(labels[x["setting"]].partition("=")[2], x) for x in rows]
        found = [(value, x) for value, x in values if x["use"] == "score"]
    return {float(v): [x for y, x in found if y == v] for v, _ in found}


@pytest.mark.parametrize("section", PARTS)
def test_a_table_of_the_ablations_is_that_of_its_results(section):
    """Value; then mean, CVaR and risky steps on each task."""
    text = (ABLATIONS / "README.md").read_text()
    part = text.partition(f"### {section}\n")[2].partition("\n### ")[0]
    lines = [x.strip("|").split("|") for x in re.findall(r"^\| [\d.]+ .*$", part, re.M)]
    tasks = ("halfcheetah-medium-replay", "hopper-medium-expert")
    for place, task in enumerate(tasks):
        agents = reported(ABLATIONS / "results" / task, PARTS[section])
        assert agents.keys() == {float(value) for value, *_ in lines}
        for value, *cells in lines:
            shown = cells[3 * place : 3 * place + 3]
            for cell, (name, factor, digits) in zip(
                shown,
                [("mean", 1, 0), ("cvar", 1, 0), ("risky_share", 100, 1)],
                strict=True,
            ):
                figures = [float(x[name]) for x in agents[float(value)]]
                assert len(figures) == 3
                exact = seeds_interval(name, np.array(figures)).scaled(factor)
                found = [float(x) for x in re.findall(r"-?[\d.]+", cell)]
                assert found == pytest.approx([*exact], abs=0.5001 * 10.0**-digits)
