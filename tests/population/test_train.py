"""A population trained to its end: the same numbers, whatever happened on the way."""

import json
import os
import shutil
import signal
import threading
import time

import jax
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.devices import memory
from ramac_jax.devices import mesh as placement
from ramac_jax.population import (
    Interrupted,
    Schedule,
    chunks,
    cross,
    programs,
    train_population,
)
from ramac_jax.population import (
    callbacks as watching,
)
from ramac_jax.population import (
    checkpoints as saving,
)
from ramac_jax.population import (
    train as running,
)

pytestmark = [
    pytest.mark.usefixtures("compiled_once", "waiting"),
    # Orbax drops what else it was reading where a checkpoint is damaged.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

CLONED_BY = ("actor_learning_rate", "max_grad_norm", "ema_rate", "bc_weight")
REAL = Schedule(num_steps=6, batch_size=8, log_every=3)


class Death(Exception):
    """The end of a process, as far as a test that lives on can have it."""


@pytest.fixture(scope="module")
def waiting():
    """Training waits for the watcher: so it is known when there is which checkpoint."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watching, "overlaps", lambda: False)
        yield


@pytest.fixture(autouse=True)
def heeded():
    """Ctrl-C as at a terminal: a shell has its background processes ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def train(toy):
    """Train the toy's population, or another."""

    def call(folder=None, schedule=toy.SCHEDULE, members=None, **options):
        members = toy.make_members() if members is None else members
        given = {"dataset": toy.DATASET, "cloner": toy.CLONER, "watch": toy.watch}
        return train_population(
            toy.AGENT,
            members=members,
            schedule=schedule,
            folder=folder,
            **(given | options),
        )

    return call


@pytest.fixture(scope="module")
def whole(waiting, train, tmp_path_factory):
    """A run that nothing disturbed: what became of it, its folder, its reports."""
    folder, reports = tmp_path_factory.mktemp("whole"), []
    return train(folder, report=reports.append), folder, reports


@pytest.fixture
def finished(whole, tmp_path):
    """A folder of its own with that run in it."""
    return shutil.copytree(whole[1], tmp_path / "run")


class Reports:
    """Where each report stood; something happens at the first from one place."""

    def __init__(self, place=None, action=None):
        self.places, self.place, self.action = [], place, action

    def __call__(self, progress):
        here = (progress.phase, progress.chunk, progress.step)
        first = here not in self.places
        self.places.append(here)
        if first and here == self.place:
            self.action()


def die():
    raise Death


def member(tree, i):
    return jax.tree.map(lambda x: x[i], tree)


def test_a_population_equals_a_loop_over_its_members(whole, toy, close):
    trained = whole[0]
    init = jax.jit(toy.init)
    clone_two, train_two = (
        jax.jit(rj.make_train(agent, num_steps=2, batch_size=4))
        for agent in (toy.CLONER, toy.AGENT)
    )
    for i in range(5):
        knobs = member(trained.members.hyperparams, i)
        steady = knobs._replace(decay_steps=np.float32(np.inf))
        init_key, key = programs.member_keys(i, cloning=True)
        clones = init(init_key, toy.DATASET)
        for _ in range(2):
            clones, _ = clone_two(clones, toy.DATASET, key, steady)
        init_key, key = programs.member_keys(i, cloning=False)
        state = init(init_key, toy.DATASET)._replace(
            actor_params=clones.actor_params,
            target_actor_params=clones.target_actor_params,
            actor_opt_state=clones.actor_opt_state,
        )
        told = []
        for _ in range(5):
            state, metrics = train_two(state, toy.DATASET, key, knobs)
            told.append(metrics)
        close(member(trained.states, i), state, 1e-5, 1e-4)
        for name in ("error", "noise"):
            each = [float(x[name]) for x in told]
            rows = [np.mean(each[:2]), np.mean(each[2:4]), each[4]]
            found = trained.history.metrics[name][:, i]
            np.testing.assert_allclose(found, rows, 1e-4, 1e-5)


def test_members_that_clone_alike_share_a_clone(train, whole, toy, close):
    rows = np.array([3, 1, 3, 0, 1])
    members = jax.tree.map(lambda x: x[rows], toy.make_members())
    level = np.linspace(0.1, 0.5, 5, dtype=np.float32)  # unknown to the toy
    knobs = members.hyperparams._replace(risk_level=level)
    cloned = []

    def report(progress):
        if progress.phase == "cloning":
            cloned.append(sorted(progress.members.seed.tolist()))

    members = members._replace(hyperparams=knobs)
    trained = train(members=members, report=report, cloned_by=CLONED_BY)
    assert cloned and all(seeds == [0, 1, 3] for seeds in cloned)
    states = jax.tree.map(lambda x: x[rows], whole[0].states)
    close(trained.states, states, 1e-5, 1e-4)


@pytest.mark.parametrize("name", rj.Hyperparams._fields)
def test_who_clones_alike(toy, name):
    members = toy.make_members(2)
    alike = jax.tree.map(lambda x: x[[0, 0, 0]], members)
    values = np.array([0.5, 0.25, 0.5], np.float32)
    knobs = alike.hyperparams._replace(**{name: values})
    rows, places = chunks.distinct_clones(alike._replace(hyperparams=knobs), CLONED_BY)
    if name in CLONED_BY:
        assert len(rows) == 2
        np.testing.assert_array_equal(values[rows][places], values)
    else:
        np.testing.assert_array_equal(rows, [0])
        np.testing.assert_array_equal(places, [0, 0, 0])
    rows, places = chunks.distinct_clones(
        alike._replace(seed=np.array([5, 4, 5])), CLONED_BY
    )
    np.testing.assert_array_equal(rows[places], [0, 1, 0])


def test_who_diverges_while_cloning_trains_no_more(train, toy):
    sick = toy.make_members(diverging=[1])
    finite = []

    def report(progress):
        if progress.phase == "cloning" and progress.step == 4:
            finite.append(progress.history.frozen())

    schedule = toy.SCHEDULE._replace(bc_steps=40, log_every=4)
    sick = sick._replace(
        hyperparams=sick.hyperparams._replace(
            actor_learning_rate=np.array([1e-3, 1e10, 2e-3, 3e-3, 4e-3], np.float32)
        )
    )
    trained = train(members=sick, schedule=schedule, report=report)
    assert trained.frozen == {1: 0}
    assert trained.states.step.tolist() == [10, 0, 10, 10, 10]
    for leaf in jax.tree.leaves(trained.states):
        assert np.isfinite(leaf).all()


def test_phases_and_seeds_have_keys_of_their_own():
    keys = [
        jax.random.key_data(key).tobytes()
        for seed in (0, 1, 2**31 - 1)
        for cloning in (True, False)
        for key in programs.member_keys(np.uint32(seed), cloning)
    ]
    assert len(set(keys)) == 12


def test_rows_come_when_they_are_due_and_at_the_end(whole, toy, same):
    trained, _, reports = whole
    metrics, watched = trained.history
    np.testing.assert_array_equal(metrics["step"], [4, 8, 10])
    np.testing.assert_array_equal(metrics["member_step"], [[4] * 5, [8] * 5, [10] * 5])
    np.testing.assert_array_equal(watched["step"], [5, 10])
    last = toy.watch(10, trained.states.actor_params, trained.members)
    for name, row in last.items():
        np.testing.assert_array_equal(watched[name][1], row)
        assert watched[name].dtype == row.dtype
    np.testing.assert_array_equal(watched["rate"][0], last["rate"] / 2)
    assert trained.frozen == {}
    phases = [(x.phase, x.num_steps) for x in reports]
    assert phases == sorted(phases)
    assert set(phases) == {("cloning", 4), ("training", 10)}
    told = {x.step: x.history.metrics for x in reports if x.phase == "training"}
    assert {0, 4, 8, 10} <= set(told)
    for step, rows in told.items():
        known = [x for x in (4, 8, 10) if x <= step]
        np.testing.assert_array_equal(rows.get("step", []), known)
    assert np.isnan(reports[0].updates_per_s) and reports[1].updates_per_s > 0.0
    assert {(x.chunk, x.num_chunks) for x in reports} == {(0, 1)}
    same(reports[-1][4:6], (trained.members, trained.history))


@pytest.fixture(scope="module")
def real(toy, make_actor, make_batch):
    """True agents, and the same with a rate that is none in their midst."""
    agent = rj.ramac_agent(
        make_actor("flow", num_steps=1), toy.make_critic(), num_quantiles=4
    )
    dataset = make_batch(16)
    healthy = cross(rj.Hyperparams(actor_learning_rate=1e-2), [5, 6, 7])
    knobs = healthy.hyperparams
    rate, norm = knobs.actor_learning_rate.copy(), knobs.max_grad_norm.copy()
    rate[1], norm[1] = 1e30, np.inf
    knobs = knobs._replace(actor_learning_rate=rate, max_grad_norm=norm)
    sick = healthy._replace(hyperparams=knobs)
    trained = [train_population(agent, dataset, x, REAL) for x in (healthy, sick)]
    return agent, dataset, *trained


def test_true_agents_train_as_they_do_alone(real, close):
    agent, dataset, trained, _ = real
    members = trained.members
    size = (agent, dataset, 3, placement.make_mesh(3), 8)
    begun = running.Programs(*size).begin(
        members.seed.astype(np.uint32), members.hyperparams, dataset
    )

    @jax.jit
    def update(state, key, knobs):
        batch_key, update_key = jax.random.split(jax.random.fold_in(key, state.step))
        batch = rj.sample_batch(dataset, batch_key, 8)
        return agent.update(state, batch, update_key, knobs)

    for i in range(3):
        key = programs.member_keys(members.seed[i], cloning=False)[1]
        state, knobs = member((begun.states, members.hyperparams), i)
        told = []
        for _ in range(6):
            state, metrics = update(state, key, knobs)
            told.append(metrics)
        close(member(trained.states, i), state, 1e-4, 1e-3)
        for name in metrics:
            rows = np.array([x[name] for x in told]).reshape(2, 3).mean(axis=1)
            found = trained.history.metrics[name][:, i]
            np.testing.assert_allclose(found, rows, 1e-3, 1e-4)


def test_programs_lay_their_results_where_a_checkpoint_does(real):
    agent, dataset, trained, _ = real
    made = running.Programs(agent, dataset, 3, placement.make_mesh(3), 8)
    members = trained.members
    seeds = members.seed.astype(np.uint32)
    begun = made.begin(seeds, members.hyperparams, dataset)
    expected = [x.sharding for x in jax.tree.leaves(made.like)]
    # Not equivalent but equal: else what reads both compiles twice.
    assert [x.sharding for x in jax.tree.leaves(begun)] == expected
    data = placement.spread(dataset, made.mesh, None)
    carried = made.go_on(*begun, data, np.int32(1))  # what reads them compiles once
    assert [x.sharding for x in jax.tree.leaves(carried)] == expected[
        : len(jax.tree.leaves(carried))
    ]


def test_a_member_that_diverges_is_frozen_and_touches_no_other(real, same):
    _, _, healthy, sick = real
    assert healthy.frozen == {}
    assert sick.frozen == {1: 1}  # one wild update, and none after it
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(sick.states))
    assert np.abs(sick.states.actor_params.vector[1]).max() > 1e9
    for i in (0, 2):
        same(member(sick.states, i), member(healthy.states, i))
    metrics = sick.history.metrics
    np.testing.assert_array_equal(metrics["member_step"], [[3, 1, 3], [6, 1, 6]])
    for name in set(metrics) - {"step", "member_step"}:
        assert np.isfinite(metrics[name][0]).all()
        np.testing.assert_array_equal(np.isnan(metrics[name][1]), [False, True, False])


@pytest.mark.parametrize(
    ("phase", "step", "saved"),
    [
        ("cloning", 1, 0),  # before there is any checkpoint
        ("cloning", 4, 3),
        ("training", 0, 4),  # cloned, and not yet begun
        ("training", 5, 3),  # with a row and a look that are told once more
        ("training", 8, 6),  # with updates that no row tells yet
        ("training", 10, 9),
    ],
)
def test_a_run_goes_on_from_its_last_checkpoint(
    train, whole, same, tmp_path, phase, step, saved
):
    with pytest.raises(Death):
        train(tmp_path, report=Reports((phase, 0, step), die))
    again = Reports()
    same(train(tmp_path, report=again), whole[0])
    first = "cloning" if saved == 4 else phase
    assert again.places[0] == (first, 0, saved)


def test_a_finished_run_is_read_and_not_made(train, whole, same, finished, monkeypatch):
    monkeypatch.delattr(chunks, "begin")
    monkeypatch.delattr(chunks, "go_on")
    again = Reports()
    same(train(finished, report=again), whole[0])
    assert again.places == [("training", 0, 10)]


def test_how_often_a_run_is_saved_changes_no_number(train, whole, same, toy, tmp_path):
    with pytest.raises(Death):
        train(tmp_path, report=Reports(("training", 0, 8), die))
    often = toy.SCHEDULE._replace(save_every=1)
    same(train(tmp_path, schedule=often), whole[0])


def test_a_folder_of_other_settings_is_refused(train, toy, tmp_path):
    settings = {"task": {"name": "hopper", "rate": 0.1}}
    with pytest.raises(Death):
        train(tmp_path, settings=settings, report=Reports(("cloning", 0, 0), die))
    members = toy.make_members()
    knobs = members.hyperparams._replace(discount=np.full(5, 0.5, np.float32))
    reward = toy.DATASET.reward.copy()
    reward[3] = np.nextafter(reward[3], np.inf)
    for options, message in [
        ({"schedule": toy.SCHEDULE._replace(num_steps=12)}, "num_steps 10, not 12"),
        ({"schedule": toy.SCHEDULE._replace(bc_steps=5)}, "bc_steps 4, not 5"),
        ({"schedule": toy.SCHEDULE._replace(log_every=5)}, "log_every 4, not 5"),
        (
            {"members": members._replace(seed=members.seed + 1)},
            "seeds.0 0, not 1",
        ),
        ({"members": members._replace(hyperparams=knobs)}, "hyperparams.discount"),
        ({"dataset": toy.DATASET._replace(reward=reward)}, 'dataset "'),
        (
            {"settings": {"task": {"name": "walker"}}},
            'task.name "hopper", not "walker"',
        ),
    ]:
        with pytest.raises(rj.InputError, match=message):
            train(tmp_path, **({"settings": settings} | options))


def test_another_machine_that_goes_on_is_told(
    train, whole, same, finished, tmp_path, monkeypatch
):
    def messages_of(folder, report=None):
        messages = []
        trained = train(folder, say=messages.append, report=report or Reports())
        same(trained, whole[0])
        return messages

    halfway = tmp_path / "halfway"
    with pytest.raises(Death):
        train(halfway, report=Reports(("training", 0, 8), die))
    copy = shutil.copytree(halfway, tmp_path / "copy")
    assert messages_of(copy) == []
    monkeypatch.setattr(jax, "__version__", "0.9")
    assert messages_of(finished) == []  # nothing goes on there
    (told,) = messages_of(halfway)
    before, after = told.split(", and ")
    assert before.startswith(f"{halfway / 'chunk-0' / 'training'} was written by JAX 0")
    assert before.endswith(" on 1 of 1 x cpu") and "JAX 0.9 " not in before
    assert after.startswith("JAX 0.9 on 1 of 1 x cpu goes on: the last bits are not")


def data_files(folder):
    """The files with the numbers of a checkpoint, the largest first."""
    files = [x for x in folder.rglob("d/*") if x.is_file()]
    return sorted(files, key=lambda x: -x.stat().st_size)


def truncate(folder):
    path = data_files(folder / "state")[0]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path, share=0.5):
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 0x10
    path.write_bytes(content)


def flip_largest(folder):
    flip(data_files(folder / "state")[0])


def flip_journal(folder):
    for path in data_files(folder / "history"):
        flip(path)


def remove_largest(folder):
    data_files(folder / "state")[0].unlink()


def remove_record(folder):
    shutil.rmtree(folder / "record")


def change_record(folder):
    path = folder / "record" / "metadata"
    record = json.loads(path.read_text())
    record["fingerprint"] += 1
    path.write_text(json.dumps(record))


HARMS = [
    truncate,
    flip_largest,
    flip_journal,
    remove_largest,
    remove_record,
    change_record,
]


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_checkpoint_is_passed_over(train, whole, same, finished, harm):
    checkpoints = finished / "chunk-0" / "training"
    harm(checkpoints / "10")
    said, again = [], Reports()
    same(train(finished, say=said.append, report=again), whole[0])
    assert again.places[0] == ("training", 0, 9)
    assert len(said) == 1
    assert f"checkpoint {checkpoints / '10'} is damaged" in said[0]
    assert "going on from 9" in said[0]
    said.clear()
    same(train(finished, say=said.append), whole[0])  # it is written anew
    assert said == []


def test_a_run_without_a_whole_checkpoint_is_refused(train, finished):
    checkpoints = finished / "chunk-0" / "training"
    for step in ("9", "10"):
        flip_largest(checkpoints / step)
    with pytest.raises(rj.InputError, match="is damaged") as refused:
        train(finished)
    assert f"every checkpoint in {checkpoints} is damaged" in str(refused.value)


def test_no_flipped_bit_changes_a_number(whole, same, toy, tmp_path):
    size = (toy.AGENT, toy.DATASET, 5, placement.make_mesh(5), 4)
    like = running.Programs(*size).like
    checkpoints = whole[1] / "chunk-0" / "training"
    with saving.open_manager(checkpoints) as manager:
        expected = saving.restore(manager, 10, like)
    messages = []
    paths = [x.relative_to(checkpoints) for x in data_files(checkpoints / "10")[:6]]
    for i, path in enumerate(paths):
        for j, share in enumerate((0.3, 0.8)):
            copy = shutil.copytree(checkpoints, tmp_path / f"{i}-{j}")
            flip(copy / path, share)
            with saving.open_manager(copy) as manager:
                try:
                    found = saving.restore(manager, 10, like)
                except Exception as error:
                    messages.append(str(error))
                else:
                    same(found, expected)
    # Some of them Orbax reads without complaint.
    assert "its numbers are not those that were written" in messages


def test_a_folder_is_held_by_one_run_alone(train, whole, same, tmp_path):
    refused = []

    def intrude():
        with pytest.raises(rj.InputError, match="another run is at work in") as error:
            train(tmp_path)
        refused.append(error)

    trained = train(tmp_path, report=Reports(("training", 0, 4), intrude))
    assert refused
    same(trained, whole[0])
    same(train(tmp_path), whole[0])


HANDLED = (signal.SIGINT, signal.SIGTERM)


@pytest.mark.parametrize(
    ("number", "phase", "step"),
    [
        (signal.SIGTERM, "cloning", 1),
        (signal.SIGINT, "cloning", 4),  # between the phases
        (signal.SIGINT, "training", 4),
        (signal.SIGTERM, "training", 5),
        (signal.SIGTERM, "training", 10),
    ],
)
def test_a_signal_ends_a_run_that_is_saved(
    train, whole, same, tmp_path, number, phase, step
):
    before = [signal.getsignal(x) for x in HANDLED]
    seen = Reports((phase, 0, step), lambda: os.kill(os.getpid(), number))
    with pytest.raises(Interrupted, match="all is saved") as interrupted:
        train(tmp_path, report=seen)
    assert [signal.getsignal(x) for x in HANDLED] == before
    assert interrupted.value.number == number
    assert signal.Signals(number).name in str(interrupted.value)
    assert isinstance(interrupted.value, KeyboardInterrupt)
    last = seen.places[-1]
    assert last[0] == phase  # and no other was begun
    assert last[2] <= step + 4
    again = Reports()
    same(train(tmp_path, report=again), whole[0])
    assert again.places[0] == last


def test_a_signal_without_a_folder_says_that_nothing_is_saved(train):
    terminate = Reports(("training", 0, 4), lambda: os.kill(os.getpid(), HANDLED[1]))
    with pytest.raises(Interrupted, match="nothing is saved"):
        train(report=terminate)


def test_a_second_interrupt_ends_a_run_at_once(train):
    def twice():
        os.kill(os.getpid(), signal.SIGINT)
        while signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10.0)

    before = signal.getsignal(signal.SIGTERM)
    seen = Reports(("training", 0, 4), twice)
    with pytest.raises(KeyboardInterrupt) as interrupted:
        train(report=seen)
    assert type(interrupted.value) is KeyboardInterrupt
    assert seen.places[-1] == ("training", 0, 4)
    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler  # as before


def test_a_run_outside_the_main_thread_leaves_signals_alone(train, whole, same):
    before, inside, trained = signal.getsignal(signal.SIGINT), [], []

    def look():
        inside.append(signal.getsignal(signal.SIGINT))

    def work():
        trained.append(train(report=Reports(("training", 0, 4), look)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == [before]
    same(trained[0], whole[0])


@pytest.fixture(scope="module")
def budget(toy):
    """Memory that two members fit and three do not."""
    mesh = placement.make_mesh(6)
    two, three = (
        memory.bytes_needed(running.Programs(toy.AGENT, toy.DATASET, n, mesh, 4).go_on)
        for n in (2, 3)
    )
    assert three > two
    return (two + three) // 2


def test_members_that_do_not_fit_train_in_chunks(
    train, same, close, toy, tmp_path, budget
):
    members = toy.make_members(5, diverging=[3])
    alike = {"members": members, "cloner": None}
    expected = train(**alike)
    assert expected.frozen == {3: 1}
    said, seen = [], Reports()
    trained = train(memory=budget, say=said.append, report=seen, **alike)
    words = "5 members do not fit the memory at once: they train in 3 chunks of 2"
    assert said == [words]
    ends = [x for x in seen.places if x[0] == "training" and x[2] == 10]
    assert ends == [("training", chunk, 10) for chunk in range(3)]
    close(trained, expected, 1e-5, 1e-4)

    def resume(report, **memory):
        said = []
        try:
            return train(tmp_path, say=said.append, report=report, **alike, **memory)
        finally:
            assert said == [words]

    with pytest.raises(Death):
        resume(Reports(("training", 1, 5), die), memory=budget)
    again = Reports()
    same(resume(again), trained)  # in as many chunks, with all the memory there is
    assert again.places[:2] == [("training", 0, 10), ("training", 1, 3)]
    assert again.places[-1] == ("training", 2, 10)


def test_members_that_do_not_fit_one_by_one_are_refused(train, budget):
    with pytest.raises(rj.InputError, match="one member alone needs"):
        train(memory=budget // 10)


def test_members_that_all_diverge_end_early(train, toy, tmp_path, same, budget):
    members = toy.make_members(2, diverging=[0, 1])
    options = {"members": members, "cloner": None}
    seen, again = Reports(), Reports()
    ended = train(tmp_path, report=seen, **options)
    assert ended.frozen == {0: 1, 1: 1}
    assert seen.places[-1] == ("training", 0, 4)  # the row that showed it
    same(train(tmp_path, report=again, **options), ended)
    assert again.places == [("training", 0, 4)]


def test_a_chunk_that_ended_early_stands_beside_the_others(train, toy, close, budget):
    members = toy.make_members(5, diverging=[0, 1])
    expected = train(members=members, cloner=None)
    assert expected.frozen == {0: 1, 1: 1}
    options = {"members": members, "cloner": None, "say": lambda text: None}
    trained = train(memory=budget, **options)
    assert trained.frozen == expected.frozen
    close(trained.states, expected.states, 1e-5, 1e-4)
    close(trained.history.metrics, expected.history.metrics, 1e-5, 1e-4)
    watched = trained.history.watched
    for name in ("size", "rate"):  # the chunk had none, not even before it froze
        assert np.isnan(watched[name][:, :2]).all()
        rows = expected.history.watched[name][:, 2:]
        np.testing.assert_allclose(watched[name][:, 2:], rows, 1e-4)


def test_states_go_on_where_they_ended(train, whole, same, toy, tmp_path):
    half = toy.SCHEDULE._replace(num_steps=6)
    first = train(schedule=half)
    members = toy.make_members()
    order = np.array([3, 1, 4, 0, 2])  # as a search would pick them
    picked = jax.tree.map(lambda x: x[order], members)
    states = jax.tree.map(lambda x: x[order], first.states)
    rest = toy.SCHEDULE._replace(start=6)
    options = {"schedule": rest, "members": picked, "states": states}
    with pytest.raises(Death):
        train(tmp_path, report=Reports(("training", 0, 8), die), **options)
    again = Reports()
    second = train(tmp_path, report=again, **options)
    assert again.places[0] == ("training", 0, 6)
    same(second.states, jax.tree.map(lambda x: x[order], whole[0].states))
    metrics, watched = second.history
    np.testing.assert_array_equal(metrics["step"], [8, 10])
    np.testing.assert_array_equal(watched["step"], [10])
    expected = whole[0].history
    same(metrics["error"][1], expected.metrics["error"][2, order])
    same(watched["size"][0], expected.watched["size"][1, order])


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ({"num_steps": 0}, "num_steps is 0: give 1 or more"),
        ({"batch_size": 0}, "batch_size is 0: give 1 or more"),
        ({"log_every": 0}, "log_every is 0: give 1 or more"),
        ({"save_every": -1}, "save_every is -1: give 1 or more"),
        ({"watch_every": 0}, "watch_every is 0: give 1 or more"),
        ({"bc_steps": -1}, "bc_steps is -1: give 0 or more"),
        ({"start": -1}, "start is -1: give 0 or more"),
        ({"start": 11}, "start is 11 and num_steps 10: give more"),
    ],
)
def test_lengths_that_no_run_can_have(train, toy, tmp_path, lengths, message):
    with pytest.raises(rj.InputError, match=message):
        train(tmp_path / "run", schedule=toy.SCHEDULE._replace(**lengths))
    assert not (tmp_path / "run").exists()


def test_what_no_population_can_be_made_of(train, toy, tmp_path):
    members = toy.make_members()
    states = jax.eval_shape(toy.init, jax.random.key(0), toy.DATASET)
    states = jax.tree.map(lambda x: np.zeros((4, *x.shape)), states)
    with pytest.raises(rj.InputError, match=r"states are of \[4\] members, not 5"):
        train(states=states)
    with pytest.raises(rj.InputError, match=r"members has shape \[5\]: .* each of 4"):
        train(members=members._replace(seed=members.seed[:4]))
    with pytest.raises(rj.InputError, match="a seed is out of range"):
        train(members=members._replace(seed=members.seed + 2**32))
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(rj.InputError, match="cannot write to .*file/run"):
        train(tmp_path / "file" / "run")
    with pytest.raises(rj.InputError, match="the population is empty"):
        train(members=jax.tree.map(lambda x: x[:0], members))
    rate = np.array([1e-3, 1e-3, np.nan, 1e-3, 1e-3], np.float32)
    knobs = members.hyperparams._replace(actor_learning_rate=rate)
    with pytest.raises(rj.InputError, match="actor_learning_rate is nan"):
        train(members=members._replace(hyperparams=knobs))
    with pytest.raises(rj.InputError, match="the dataset is empty"):
        train(dataset=jax.tree.map(lambda x: x[:0], toy.DATASET))
    with pytest.raises(rj.InputError, match=r"reward is NaN or infinite in 12 of 12"):
        train(dataset=toy.DATASET._replace(reward=np.full(12, np.inf)))
