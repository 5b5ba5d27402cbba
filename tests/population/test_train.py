"""A population trains as its members do alone, and bad inputs are refused."""

import jax
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.acting import ActingParams
from ramac_jax.devices.mesh import make_mesh
from ramac_jax.devices.placement import spread
from ramac_jax.population import InitialStates, Schedule, cross, train_population
from ramac_jax.population.programs import Programs, member_keys
from tests.population import toy
from tests.population.toy import Death, Reports, assert_same, die, member

pytestmark = pytest.mark.usefixtures("compiled_once", "waiting")
REAL = Schedule(num_steps=6, batch_size=8, log_every=3)


def test_a_population_equals_a_loop_over_its_members(uninterrupted, close):
    trained = uninterrupted[0]
    init = jax.jit(toy.init)
    pretrain_two, train_two = (
        jax.jit(rj.make_train(agent, num_steps=2, batch_size=4))
        for agent in (toy.PRETRAINING.agent, toy.AGENT)
    )
    for i in range(5):
        hyperparams = member(trained.members.hyperparams, i)
        no_decay = hyperparams._replace(decay_steps=np.float32(np.inf))
        init_key, key = member_keys(i, pretraining=True)
        pretrained = init(init_key, toy.DATASET)
        for _ in range(2):
            pretrained, _ = pretrain_two(pretrained, toy.DATASET, key, no_decay)
        init_key, key = member_keys(i, pretraining=False)
        state = init(init_key, toy.DATASET)._replace(
            actor_params=pretrained.actor_params,
            target_actor_params=pretrained.target_actor_params,
            actor_opt_state=pretrained.actor_opt_state,
        )
        each = []
        for _ in range(5):
            state, metrics = train_two(state, toy.DATASET, key, hyperparams)
            each.append(metrics)
        close(member(trained.states, i), state, 1e-5, 1e-4)
        for name in ("error", "noise"):
            values = [float(x[name]) for x in each]
            rows = [np.mean(values[:2]), np.mean(values[2:4]), values[4]]
            found = trained.history.metrics[name][:, i]
            np.testing.assert_allclose(found, rows, 1e-4, 1e-5)


def test_phases_and_seeds_have_different_keys():
    keys = [
        jax.random.key_data(key).tobytes()
        for seed in (0, 1, 2**31 - 1)
        for pretraining in (True, False)
        for key in member_keys(np.uint32(seed), pretraining)
    ]
    assert len(set(keys)) == 12


def test_rows_are_added_at_their_intervals_and_at_the_end(uninterrupted):
    trained, _, reports = uninterrupted
    metrics, evaluations = trained.history
    np.testing.assert_array_equal(metrics["step"], [4, 8, 10])
    np.testing.assert_array_equal(metrics["member_step"], [[4] * 5, [8] * 5, [10] * 5])
    np.testing.assert_array_equal(evaluations["step"], [5, 10])
    params = ActingParams(trained.states.actor_params)
    last = toy.evaluate(10, params, trained.members, None)
    for name, row in last.items():
        np.testing.assert_array_equal(evaluations[name][1], row)
        assert evaluations[name].dtype == row.dtype
    np.testing.assert_array_equal(evaluations["rate"][0], last["rate"] / 2)
    assert trained.frozen == {}
    phases = [(x.phase, x.num_steps) for x in reports]
    assert phases == sorted(phases)
    assert set(phases) == {("pretraining", 4), ("training", 10)}
    reported = {x.step: x.history.metrics for x in reports if x.phase == "training"}
    assert {0, 4, 8, 10} <= set(reported)
    for step, rows in reported.items():
        known = [x for x in (4, 8, 10) if x <= step]
        np.testing.assert_array_equal(rows.get("step", []), known)
    assert np.isnan(reports[0].updates_per_s) and reports[1].updates_per_s > 0.0
    assert {(x.chunk, x.num_chunks) for x in reports} == {(0, 1)}
    assert_same(reports[-1][4:6], (trained.members, trained.history))


@pytest.fixture(scope="module")
def real(make_actor, make_batch):
    """True agents, and the same population with one diverging member."""
    agent = rj.ramac_agent(
        make_actor("flow", num_steps=1), toy.make_critic(), num_quantiles=4
    )
    dataset = make_batch(16)
    healthy = cross(rj.Hyperparams(actor_learning_rate=1e-2), [5, 6, 7])
    hyperparams = healthy.hyperparams
    rate = hyperparams.actor_learning_rate.copy()
    norm = hyperparams.max_grad_norm.copy()
    rate[1], norm[1] = 1e30, np.inf
    hyperparams = hyperparams._replace(actor_learning_rate=rate, max_grad_norm=norm)
    sick = healthy._replace(hyperparams=hyperparams)
    trained = [train_population(agent, dataset, x, REAL) for x in (healthy, sick)]
    return agent, dataset, *trained


def test_true_agents_train_as_they_do_alone(real, close):
    agent, dataset, trained, _ = real
    members = trained.members
    fresh = Programs(agent, dataset, 3, make_mesh(3), 8).init(
        members.seed.astype(np.uint32), members.hyperparams, dataset
    )

    @jax.jit
    def update(state, key, hyperparams):
        batch_key, update_key = jax.random.split(jax.random.fold_in(key, state.step))
        batch = rj.sample_batch(dataset, batch_key, 8)
        return agent.update(state, batch, update_key, hyperparams)

    for i in range(3):
        key = member_keys(members.seed[i], pretraining=False)[1]
        state, hyperparams = member((fresh.states, members.hyperparams), i)
        each = []
        for _ in range(6):
            state, metrics = update(state, key, hyperparams)
            each.append(metrics)
        close(member(trained.states, i), state, 1e-4, 1e-3)
        for name in metrics:
            rows = np.array([x[name] for x in each]).reshape(2, 3).mean(axis=1)
            found = trained.history.metrics[name][:, i]
            np.testing.assert_allclose(found, rows, 1e-3, 1e-4)


def test_programs_place_their_results_as_a_checkpoint_does(real):
    agent, dataset, trained, _ = real
    programs = Programs(agent, dataset, 3, make_mesh(3), 8)
    members = trained.members
    seeds = members.seed.astype(np.uint32)
    carry = programs.init(seeds, members.hyperparams, dataset)
    expected = [x.sharding for x in jax.tree.leaves(programs.like)]
    # Equal, not only equivalent: else readers of both compile twice.
    assert [x.sharding for x in jax.tree.leaves(carry)] == expected
    data = spread(dataset, programs.mesh, None)
    advanced = jax.tree.leaves(programs.advance(*carry, data, np.int32(1)))
    assert [x.sharding for x in advanced] == expected[: len(advanced)]


def test_a_member_that_diverges_is_frozen_and_does_not_affect_the_others(real):
    _, _, healthy, sick = real
    assert healthy.frozen == {}
    assert sick.frozen == {1: 1}  # one wild update, and none after it
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(sick.states))
    assert np.abs(sick.states.actor_params.vector[1]).max() > 1e9
    for i in (0, 2):
        assert_same(member(sick.states, i), member(healthy.states, i))
    metrics = sick.history.metrics
    np.testing.assert_array_equal(metrics["member_step"], [[3, 1, 3], [6, 1, 6]])
    for name in set(metrics) - {"step", "member_step"}:
        assert np.isfinite(metrics[name][0]).all()
        np.testing.assert_array_equal(np.isnan(metrics[name][1]), [False, True, False])


def test_initial_states_continue_where_their_training_ended(
    train, uninterrupted, tmp_path
):
    first = train(schedule=toy.SCHEDULE._replace(num_steps=6))
    members = toy.make_members()
    order = np.array([3, 1, 4, 0, 2])  # as a search would select them
    picked = jax.tree.map(lambda x: x[order], members)
    states = first.states_of(picked)
    assert_same(states, jax.tree.map(lambda x: x[order], first.states))
    options = {"members": picked, "start": InitialStates(states=states, step=6)}
    with pytest.raises(Death):
        train(tmp_path, report=Reports(("training", 0, 8), die), **options)
    again = Reports()
    second = train(tmp_path, report=again, **options)
    assert again.places[0] == ("training", 0, 6)
    expected_states = uninterrupted[0].states_of(picked)
    assert_same(second.states, expected_states)
    metrics, evaluations = second.history
    np.testing.assert_array_equal(metrics["step"], [8, 10])
    np.testing.assert_array_equal(evaluations["step"], [10])
    expected = uninterrupted[0].history
    assert_same(metrics["error"][1], expected.metrics["error"][2, order])
    assert_same(evaluations["size"][0], expected.evaluations["size"][1, order])


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ({"num_steps": 0}, "num_steps is 0: give 1 or more"),
        ({"batch_size": 0}, "batch_size is 0: give 1 or more"),
        ({"log_every": 0}, "log_every is 0: give 1 or more"),
        ({"save_every": -1}, "save_every is -1: give 1 or more"),
        ({"eval_every": 0}, "eval_every is 0: give 1 or more"),
    ],
)
def test_lengths_below_their_minimum_are_refused(train, tmp_path, lengths, message):
    with pytest.raises(rj.InputError, match=message):
        train(tmp_path / "run", schedule=toy.SCHEDULE._replace(**lengths))
    assert not (tmp_path / "run").exists()


def make_states(size):
    """Zero states of some members."""
    shapes = jax.eval_shape(toy.init, jax.random.key(0), toy.DATASET)
    return jax.tree.map(lambda x: np.zeros((size, *x.shape)), shapes)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (toy.PRETRAINING._replace(num_steps=-1), "pretraining is -1: give 0 or more"),
        (InitialStates(make_states(5), step=-1), "states is -1: give 0 or more"),
        (InitialStates(make_states(5), step=11), "have 11 updates and num_steps is 10"),
        (InitialStates(make_states(4)), r"states are of \[4\] members, not 5"),
    ],
)
def test_a_start_that_does_not_fit_is_refused(train, tmp_path, start, message):
    with pytest.raises(rj.InputError, match=message):
        train(tmp_path / "run", start=start)
    assert not (tmp_path / "run").exists()


def with_rate(members, rate):
    """The members, the third with another learning rate."""
    rates = members.hyperparams.actor_learning_rate.copy()
    rates[2] = rate
    hyperparams = members.hyperparams._replace(actor_learning_rate=rates)
    return members._replace(hyperparams=hyperparams)


MEMBERS = toy.make_members()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (MEMBERS._replace(seed=MEMBERS.seed[:4]), r"has shape \[5\]: .* each of 4"),
        (MEMBERS._replace(seed=MEMBERS.seed + 2**32), "a seed is out of range"),
        (jax.tree.map(lambda x: x[:0], MEMBERS), "the population is empty"),
        (with_rate(MEMBERS, np.nan), "actor_learning_rate is nan"),
    ],
)
def test_members_that_cannot_train_are_refused(train, members, message):
    with pytest.raises(rj.InputError, match=message):
        train(members=members)


def test_a_dataset_or_a_folder_that_cannot_be_used_is_refused(train, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(rj.InputError, match="cannot write to .*file/run"):
        train(tmp_path / "file" / "run")
    with pytest.raises(rj.InputError, match="the dataset is empty"):
        train(dataset=jax.tree.map(lambda x: x[:0], toy.DATASET))
    with pytest.raises(rj.InputError, match=r"reward is NaN or infinite in 12 of 12"):
        train(dataset=toy.DATASET._replace(reward=np.full(12, np.inf)))


def test_a_risk_level_outside_the_measure_of_the_agent_is_refused():
    agent = toy.AGENT._replace(risk_measure=rj.risk.cvar)
    members = cross(rj.Hyperparams(risk_level=2.0), [0])
    with pytest.raises(rj.InputError, match="risk_level is 2: for this risk measure"):
        train_population(agent, toy.DATASET, members, toy.SCHEDULE)
