import json
import os

import chex
import jax
import jax.numpy as jnp
import matplotlib.image
import numpy as np
import pytest

from ramac_jax.cli.agents import AGENTS
from ramac_jax.cli.bandit import agents, command, scoring, settings, stages, training
from ramac_jax.cli.bandit.command import main, rj
from ramac_jax.envs import bandit

pytestmark = pytest.mark.slow

TINY = ["--bc-steps", "40", "--critic-steps", "20", "--risk-steps", "8"]
SOME = ["bc-flow", "oraac-flow", "rafmac"]


def shrink(patch):
    """Shrink the networks and the samples of the command."""
    for name, value in [
        ("WIDTHS", (8,)),
        ("NARROW", (8,)),
        ("DENOISING_STEPS", 2),
        ("EULER_STEPS", 2),
    ]:
        patch.setattr(settings, name, value)
    patch.setattr(scoring, "NUM_SAMPLES", 1600)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bandit")
    words = ["--agents", *SOME, "--num-seeds", "2", "--radii", "0.5", *TINY]
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        patch.chdir(folder.parent)  # for a relative --out
        main(["--out", folder.name, *words])
    return folder


def test_the_command_changes_no_environment_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "elsewhere"))
    before = dict(os.environ)
    arguments = command.Arguments(out=tmp_path / "out")
    data = command.make_dataset(arguments)
    assert len(data.reward) == bandit.CONSTANTS.num_samples
    assert dict(os.environ) == before
    assert not (tmp_path / "elsewhere").exists()


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
    assert record["options"]["precision"] == "tf32"


def test_detectors_are_scored_against_the_truth(record):
    assert record["detection"].keys() == {"nearest", "density"}
    for rates in record["detection"].values():
        assert rates["precision"] > 0.8 and rates["recall"] > 0.95
        assert 0.4 < rates["base_rate"] < 0.7 and rates["false_positive_rate"] < 0.1


def test_every_bound_is_checked(record):
    theory = record["theory"]
    assert list(theory["policies"]) == SOME
    assert list(theory["leakage"]) == ["uniform", "oraac-flow"]
    assert [x["radius"] for x in theory["leakage"]["oraac-flow"]] == [0.25, 0.5]
    assert all(x["holds"] for rows in theory["leakage"].values() for x in rows)
    assert all(x["holds"] for seeds in theory["policies"].values() for x in seeds)


@pytest.mark.parametrize("name", ["rafmac", "oraac-flow", "fql"])
def test_an_agent_starts_from_its_clone_and_its_critics(name, tmp_path, monkeypatch):
    """No stage is trained: each returns states that are marked with its number."""
    shrink(monkeypatch)
    trainer = training.Trainer(dataset(), 2, 0, settings.Lengths(4, 4, 4), tmp_path)

    def marked(stage, states=None):
        if states is None:
            states = trainer.fresh_states(stage.agent, stage.phase)
        mark = {"bc-flow": 1.0, "student-of-flow": 2.0}.get(stage.title, 3.0)
        states = jax.tree.map(lambda x: jnp.full_like(x, mark), states)
        frozen = {1: 7} if stage.title == "bc-flow" else {}
        return training.populations.Trained(None, states, None, frozen)

    monkeypatch.setattr(training.Trainer, "run", staticmethod(marked))
    config = AGENTS[name]
    agent = agents.build_agent(config, agents.build_actor(config))
    states, diverged = trainer.initial_states(agent, config)
    assert diverged == {1}  # the clone of this member diverged
    params = states.actor_params
    part = params if config.role == "policy" else params[config.role]
    expected = 2.0 if config.role == "teacher" else 1.0
    assert all((x == expected).all() for x in jax.tree.leaves(part))
    if config.role == "prior":  # the perturbation is fresh
        fresh = jax.tree.leaves(params["perturbation"])
        assert any((x != expected).any() for x in fresh)
    chex.assert_trees_all_equal(params, states.target_actor_params)
    assert all((x == 3.0).all() for x in jax.tree.leaves(states.critic_params))
    assert not any(x.any() for x in jax.tree.leaves(states.actor_opt_state))
    assert (states.step == 0).all()


# The stages of each agent that compute in bfloat16.
NARROW = {
    "radac": {"bc-diffusion", "quantile-critic", "radac"},
    "fql": {"bc-flow", "student-of-flow", "fql"},
    "oraac": {"quantile-critic", "oraac"},
    "cvae-ql": set(),
    "codac": {"codac"},
}


@pytest.mark.parametrize("name", NARROW)
def test_agents_learn_in_bfloat16_and_act_in_float32(name, tmp_path, monkeypatch):
    """Programs are traced and not compiled."""
    shrink(monkeypatch)
    data, lengths = dataset(), settings.Lengths(4, 4, 4)
    trainer = training.Trainer(data, 1, 0, lengths, tmp_path, "bfloat16")
    narrow = set()

    def written(stage, states=None):
        agent = stage.agent
        state = jax.eval_shape(agent.init, jax.random.key(0), data)
        args = state, data, jax.random.key(0), rj.Hyperparams()
        if "bf16" in str(jax.make_jaxpr(agent.update)(*args)):
            narrow.add(stage.title)
        states = jax.tree.map(lambda x: np.zeros((1, *x.shape), x.dtype), state)
        return training.populations.Trained(None, states, None, {})

    monkeypatch.setattr(training.Trainer, "run", staticmethod(written))
    learned = trainer.train(name)
    assert narrow == NARROW[name]
    state = jax.tree.map(lambda x: x[0], learned.trained.states)
    args = state, data.observation, jax.random.key(0)
    assert "bf16" not in str(jax.make_jaxpr(learned.agent.act)(*args))


def dataset():
    column, row = np.zeros((4, 1)), np.zeros(4)
    return rj.Transition(column, np.zeros((4, 2)), row, column, row + 1.0)


def test_diverged_seeds_and_broken_bounds_end_with_status_1(
    monkeypatch, tmp_path, capsys
):
    policies = [{"name": "radac", "seeds": [{}, {}], "diverged": [1]}]
    theory = {"policies": {"radac": [{"holds": False}]}, "leakage": {}}
    record = {"policies": policies, "theory": theory}
    monkeypatch.setattr(command, "run", lambda arguments: record)
    with pytest.raises(SystemExit) as ended:
        main(["--out", str(tmp_path)])
    assert ended.value.code == 1
    assert capsys.readouterr().err.splitlines() == [
        "radac: 1 of 2 seeds diverged",
        "bound broken: radac, seed 0",
    ]


def test_the_command_leaves_the_figures_and_no_other_file(out):
    figures = {"bandit.png", "cloning.png", "dynamics.png", "theory.png"}
    written = {x.name for x in out.iterdir() if not x.name.startswith(".")}
    assert written == figures | {"bandit.json", "minari"}
    for name in figures:
        image = matplotlib.image.imread(out / name)
        assert image.shape[1] > 900 and image[..., :3].std() > 0.05


def test_an_interrupted_run_is_resumed_without_repeated_stages(
    tmp_path, monkeypatch, capsys
):
    shrink(monkeypatch)
    words = ["--agents", "bc-vae", "cvae-ql", "--num-seeds", "1", *TINY]
    train = stages.populations.train_population
    seen = []

    def interrupt_third(agent, dataset, members, schedule, *, storage, **others):
        folder = storage.folder
        seen.append((folder.name, saved(folder)))
        if len(seen) == 3:
            raise KeyboardInterrupt
        return train(agent, dataset, members, schedule, storage=storage, **others)

    def saved(folder):
        """Return the time of each checkpoint of a stage."""
        made = folder.rglob("carry")
        return {str(x.relative_to(folder)): x.stat().st_mtime_ns for x in made}

    monkeypatch.setattr(stages.populations, "train_population", interrupt_third)
    with pytest.raises(KeyboardInterrupt):
        main(["--out", str(tmp_path), *words])
    logged = [x for x in capsys.readouterr().err.splitlines() if "updates" in x]
    titles = [name for name, _ in seen]
    assert [x.partition(":")[0] for x in logged] == [
        title for title in titles[:2] for _ in ("start", "end")
    ] + titles[2:]  # no terminal: lines
    after = {x.name: saved(x) for x in (tmp_path / "population").iterdir()}
    for more, message in [
        ("--risk-steps 9", "risk_steps 8, not 9"),
        ("--precision bfloat16", 'precision "tf32", not "bfloat16"'),
    ]:
        with pytest.raises(rj.InputError, match=message):
            main(["--out", str(tmp_path), *words, *more.split()])
    main(["--out", str(tmp_path), *words])
    with pytest.raises(rj.InputError, match="already holds a run"):
        main(["--out", str(tmp_path), *words])
    names = ["bc-vae", "value-critic", "cvae-ql"]
    assert [name for name, _ in seen] == names * 2
    for name, checkpoints in seen[3:5]:  # resumed, and kept to the end
        assert checkpoints == after[name] and checkpoints
    assert not seen[5][1]
    assert not (tmp_path / "population").exists()


def test_a_score_equals_one_made_by_hand():
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
        ("--precision bfloat", "unknown precision 'bfloat': did you mean bfloat16"),
        ("--radii 0.1 0", "--radii holds 0: give above 0"),
        ("--seed -1", "--seed is -1: give one from 0"),
        ("--agents", "--agents names none"),
    ],
)
def test_bad_input_is_refused_before_any_work(tmp_path, words, message):
    out = tmp_path / "new"
    with pytest.raises(rj.InputError, match=message):
        main(["--out", str(out), *words.split()])
    assert not out.exists()
