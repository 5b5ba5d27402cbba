"""The results of `ramac sweep`, end to end on a task's dataset."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ramac_jax import policy as checkpoints
from ramac_jax.cli import evaluate
from tests.cli.sweeps import (
    STUDIED,
    assert_same,
    read_states,
    record_of,
    table,
    visible,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:minari"),
    pytest.mark.usefixtures("sweep_datasets", "toys"),
]


def test_a_member_and_interval_has_a_row(whole):
    """The second rate of both batch sizes goes on to the second rung."""
    expected = [
        (str(step), str(setting), seed)
        for steps, settings in (
            ((2,), (0, 1, 2)),
            ((2,), (3, 4, 5)),
            ((4, 6), (1,)),
            ((4, 6), (4,)),
        )
        for step in steps
        for setting in settings
        for seed in "567"
    ]
    for name, columns in (
        ("metrics.csv", ["loss", "risk_value", "target_clipped"]),
        ("evaluations.csv", ["mean", "cvar", "risky_share", "failed"]),
    ):
        rows = table(whole / name)
        assert list(rows[0]) == ["step", "setting", "seed", *columns]
        assert [(x["step"], x["setting"], x["seed"]) for x in rows] == expected


def test_some_seeds_select_and_the_others_are_reported(whole):
    rows = table(whole / "agents.csv")
    assert [(x["use"], x["setting"], x["seed"], x["num_steps"]) for x in rows] == [
        row
        for setting in range(6)
        for row in (
            [("selection", str(setting), "5", "6" if setting in (1, 4) else "2")]
            + [("score", str(setting), x, "6") for x in "67" if setting in (1, 4)]
        )
    ]


def test_the_ranking_follows_the_selection_and_holds_the_scores(whole):
    rows, record = table(whole / "agents.csv"), record_of(whole)
    assert record["status"] == "finished"
    states = [x["state"] for x in record["trials"]]
    assert states == ["complete" if x in (1, 4) else "pruned" for x in range(6)]

    def worth(use, num_steps):
        """The mean over seeds of each setting's CVaR."""
        found = {}
        for row in rows:
            if (row["use"], row["num_steps"]) == (use, num_steps):
                found.setdefault(int(row["setting"]), []).append(float(row["cvar"]))
        return {setting: np.mean(values) for setting, values in found.items()}

    early, late, scores = (
        worth("selection", "2"),
        worth("selection", "6"),
        worth("score", "6"),
    )
    by_worth = sorted(early, key=early.get, reverse=True)
    found = [
        (x["setting"], x["num_steps"], x["chosen_by"]) for x in record["eliminated"]
    ]
    assert found == [(setting, 2, early[setting]) for setting in by_worth]
    told = {x["number"]: x["scores"] for x in record["trials"]}
    assert told == {k: [x] for k, x in {**early, **late}.items()}
    order = sorted(late, key=late.get, reverse=True)
    assert order == [4, 1]  # the lower number is not first by its number
    assert [x["setting"] for x in record["ranking"]] == order
    for entry in record["ranking"]:
        setting = entry["setting"]
        assert entry["chosen_by"] == late[setting]
        assert entry["score"]["cvar"]["value"] == pytest.approx(scores[setting])
        assert entry["chosen_by"] != pytest.approx(scores[setting])
        assert entry["frozen"] == entry["unscored"] == 0
    assert record["settings"][4]["label"] == "batch_size=8 actor_learning_rate=0.02"
    assert record["settings"][4]["variant"] == 1
    assert record["settings"][4]["hyperparams"]["actor_learning_rate"] == 0.02
    report = (whole / "report.md").read_text()
    assert "| 1 | 4: batch_size=8 actor_learning_rate=0.02 |" in report
    assert "| 2 | 1: batch_size=4 actor_learning_rate=0.02 |" in report
    assert record["selection"] in report
    left_out = report[report.index("Left out on the way") :].splitlines()[4:8]
    assert [row.split(":")[0] for row in left_out] == [f"| {x}" for x in by_worth]
    assert "Study 'sweep' in study.db, sampler grid: 2 complete, 4 pruned." in report
    assert "of seed 5, and reported on 3 other episodes of each" in record["selection"]


def test_the_folder_holds_the_promised_files_and_nothing_else(whole):
    assert visible(whole) == STUDIED
    assert {x.name for x in (whole / "agents").iterdir()} == {"1", "4"}
    assert {x.name for x in (whole / "best").iterdir()} == {"checkpoint", "run.json"}


def test_the_best_is_the_chosen_settings_members(whole):
    of_variant = read_states(whole / "agents" / "4" / "checkpoint")
    assert_same(read_states(whole / "best" / "checkpoint"), of_variant)
    assert of_variant["step"].tolist() == [6, 6, 6]
    record = json.loads((whole / "best" / "run.json").read_text())
    assert record["status"] == "finished"
    assert (record["setting"], record["seeds"]) == (4, [5, 6, 7])
    assert record["label"] == "batch_size=8 actor_learning_rate=0.02"
    assert record["options"]["batch_size"] == 8
    assert record["hyperparams"] == record_of(whole)["settings"][4]["hyperparams"]
    policy = checkpoints.load_policy(whole / "best" / "checkpoint")
    action = policy(jnp.zeros(11), jax.random.key(0), 2)
    assert action.shape == (3,)
    assert (abs(action) <= 1.0).all()


def means(rows, *names):
    return {tuple(x[name] for name in names): float(x["mean"]) for x in rows}


def test_evaluate_plays_the_episodes_of_the_sweep(whole, tmp_path):
    """The best setting's agents meet them by their seeds, and the scored ones again."""
    best = str(whole / "best")
    for out, first, episodes in (("watched", 10**9, "2"), ("scored", 10**6, "3")):
        options = ["--episodes", episodes, "--seed", str(first), "--horizon", "6"]
        evaluate.main([best, *options, "--out", str(tmp_path / out)])

    def played(out):
        rows = table(tmp_path / out / "episodes.csv")
        return [
            np.mean([float(x["return"]) for x in rows if x["seed"] == s]) for s in "567"
        ]

    watched = means(table(whole / "evaluations.csv"), "step", "setting", "seed")
    found = [watched["6", "4", seed] for seed in "567"]
    assert played("watched") == pytest.approx(found)
    found = means(table(whole / "agents.csv"), "use", "num_steps", "setting", "seed")
    assert found["selection", "6", "4", "5"] == pytest.approx(played("watched")[0])
    scores = [found["score", "6", "4", seed] for seed in "67"]
    assert played("scored")[1:] == pytest.approx(scores)
    assert played("watched") != pytest.approx(played("scored"))
