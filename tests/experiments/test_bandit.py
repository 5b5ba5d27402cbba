import json

import matplotlib.image
import numpy as np
import pytest

from experiments.bandit import agents, learning, scoring
from experiments.bandit.command import main, rj

TINY = ["--bc-steps", "40", "--critic-steps", "20", "--risk-steps", "8"]
SOME = ["bc-flow", "oraac-flow", "rafmac"]


def shrink(patch):
    """The command with networks and samples that take no time."""
    for name, value in [
        ("WIDTHS", (8,)),
        ("NARROW", (8,)),
        ("DENOISING_STEPS", 2),
        ("EULER_STEPS", 2),
    ]:
        patch.setattr(agents, name, value)
    patch.setattr(scoring, "NUM_SAMPLES", 1000)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bandit")
    words = ["--agents", *SOME, "--num-seeds", "2", "--radii", "0.5", *TINY]
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        patch.chdir(folder.parent)  # a relative --out, as most people give
        main(["--out", folder.name, *words])
    return folder


@pytest.fixture
def record(out):
    return json.loads((out / "bandit.json").read_text())


def test_the_record_has_every_agent_and_seed(record):
    assert [policy["name"] for policy in record["policies"]] == SOME
    for policy in record["policies"]:
        assert len(policy["seeds"]) == 2
        for seed in policy["seeds"]:
            names = {"mean", "cvar", "ring", "centre", "ood"}
            assert seed.keys() == names | {"ood_nearest", "ood_density"}
            assert seed["ring"] + seed["centre"] + seed["ood"] == pytest.approx(1.0)
    assert record["constants"]["penalty_probability"] == 0.05
    assert record["versions"]["jax"]
    assert record["options"]["agents"] == SOME


def test_detectors_are_judged_where_the_truth_is_known(record):
    assert record["detection"].keys() == {"nearest", "density"}
    for rates in record["detection"].values():
        assert rates["precision"] > 0.8 and rates["recall"] > 0.95
        assert rates["false_positive_rate"] < 0.1


def test_every_bound_is_checked(record):
    theory = record["theory"]
    assert list(theory["policies"]) == SOME
    assert list(theory["leakage"]) == ["uniform", "oraac-flow"]
    assert [x["radius"] for x in theory["leakage"]["oraac-flow"]] == [0.25, 0.5]
    assert all(x["holds"] for rows in theory["leakage"].values() for x in rows)
    assert all(x["holds"] for seeds in theory["policies"].values() for x in seeds)


def test_who_minds_a_value_goes_on_from_the_clone(record):
    scores = {policy["name"]: policy["seeds"][0] for policy in record["policies"]}
    assert len({scores[name]["mean"] for name in SOME}) == len(SOME)


def test_the_figures_are_drawn_and_nothing_else_is_left(out):
    figures = {"bandit.png", "cloning.png", "dynamics.png", "theory.png"}
    assert {x.name for x in out.iterdir()} == figures | {"bandit.json", "minari"}
    for name in figures:
        image = matplotlib.image.imread(out / name)
        assert image.shape[1] > 900 and image[..., :3].std() > 0.05


def test_a_run_that_was_broken_off_trains_nothing_twice(tmp_path, monkeypatch):
    shrink(monkeypatch)
    words = ["--agents", "bc-vae", "cvae-ql", "--num-seeds", "1", *TINY]
    train = learning.populations.train_population
    stages = []

    def broken_off(agent, dataset, members, schedule, *, folder, **others):
        stages.append((folder.name, saved(folder)))
        if len(stages) == 3:
            raise KeyboardInterrupt
        return train(agent, dataset, members, schedule, folder=folder, **others)

    def saved(folder):
        """When each checkpoint of a stage was made."""
        made = folder.rglob("carry")
        return {str(x.relative_to(folder)): x.stat().st_mtime_ns for x in made}

    monkeypatch.setattr(learning.populations, "train_population", broken_off)
    with pytest.raises(KeyboardInterrupt):
        main(["--out", str(tmp_path), *words])
    after = {x.name: saved(x) for x in (tmp_path / "population").iterdir()}
    main(["--out", str(tmp_path), *words])
    names = ["bc-vae", "value-critic", "cvae-ql"]
    assert [name for name, _ in stages] == names * 2
    for name, checkpoints in stages[3:5]:  # gone on with, and there at its end
        assert checkpoints == after[name] and checkpoints
    assert not stages[5][1]
    assert not (tmp_path / "population").exists()


def test_a_score_by_hand():
    actions = np.array([[0.8, 0.0]] * 5 + [[0.0, 0.0]] * 4 + [[0.5, 0.0]])
    rewards = np.array([2.0, 2, 2, 2, -10, 1, 1, 1, 1, 0])
    score = scoring.score(actions, rewards)
    shares = [score[name] for name in ("ring", "centre", "ood")]
    np.testing.assert_allclose(shares, [0.5, 0.4, 0.1])
    assert (score["mean"], score["cvar"]) == pytest.approx((0.2, -10.0))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--num-seeds 0", "--num-seeds is 0: give 1 or more"),
        ("--risk-steps 0", "--risk-steps is 0: give 1 or more"),
        ("--agents radacc", "unknown agent 'radacc': did you mean radac"),
        ("--radii 0.1 0", "--radii holds 0: give above 0"),
        ("--seed -1", "--seed is -1: give one from 0"),
    ],
)
def test_what_makes_no_run_is_refused(tmp_path, words, message):
    out = tmp_path / "new"
    with pytest.raises(rj.InputError, match=message):
        main(["--out", str(out), *words.split()])
    assert not out.exists()
