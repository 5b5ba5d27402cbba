"""Comparisons that are written by hand, for tests that join their rows."""

import json

from ramac_jax.cli import compare
from ramac_jax.cli.options.presets import PRESETS
from ramac_jax.cli.reporting import comparison
from ramac_jax.cli.runs.comparison import Row, figures_over_seeds, kinds_of_score

TASK, AGENTS = "hopper-medium-expert", ("bc-vae", "radac")
SIZES = ["--num-seeds", "2", "--num-steps", "4", "--bc-steps", "20"]
BASE = ["--tasks", TASK, "--agents", *AGENTS, *SIZES, "--episodes", "3"]
LEVEL, RATES = 0.1, {"nearest": 0.06, "density": 0.01}


def score(agent, seed, **changed):
    words = {"task": TASK, "agent": agent, "commit": None, "data_sha256": "abc"}
    numbers = dict.fromkeys(kinds_of_score(LEVEL).keys() - words.keys(), 1)
    preset = PRESETS[f"{TASK}/{agent}"]
    known = {
        "seed": seed,
        "mean": 10.0 + seed,
        "cvar_0.1": 5.0,
        "temperature": preset["acting_temperature"],
        "risk_weight": preset["risk_weight"],
        "conservative_weight": preset["conservative_weight"],
    }
    return words | numbers | known | {"bc_updates": 20, "updates": 4} | changed


def row(agent, factors=(), **changed):
    scores = [score(agent, seed, **changed) for seed in (0, 1)]
    return Row(
        changed.get("task", TASK),
        agent,
        figures_over_seeds(scores, LEVEL),
        num_seeds=2,
        num_episodes=3,
        tune_factors=list(factors),
        scores=scores,
    )


def write(folder, joined, **changed):
    """Write the record of a comparison by `BASE`; return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "command": "ramac compare",
        "options": compare.parse([*BASE, "--out", "any"]).lasting,
        "rows": comparison.to_json(joined),
        "false_positive_rates": {TASK: RATES},
    }
    (folder / "comparison.json").write_text(json.dumps(record | changed))
    return str(folder)


def join(folders, *words, out):
    """Join the folders in a comparison by `BASE` and these words."""
    compare.main([*BASE, *words, "--join", *folders, "--out", str(out)])
