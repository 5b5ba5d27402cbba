"""A population that compiles in a second, and a process that trains it.

As a program, `python -m tests.population.toy JSON`, the module trains the population in
a process of its own; see `work`. It prints the place of each report and, last, what it
found, as JSON.
"""

import json
import os
import re
import signal
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

import ramac_jax as rj
from ramac_jax import losses
from ramac_jax.cli.signals import noted_signals
from ramac_jax.devices import first_host_first, hosts, initialize_hosts
from ramac_jax.devices.mesh import AXIS, make_mesh
from ramac_jax.devices.placement import per_member, spread
from ramac_jax.population import (
    Callbacks,
    Pretraining,
    Schedule,
    Storage,
    cross,
    train_population,
)
from ramac_jax.population.programs import Programs
from tests.helpers import keyed_agent

SCHEDULE = Schedule(num_steps=10, batch_size=4, log_every=4, save_every=3, eval_every=5)
PRETRAINING_STEPS = 4


class Death(Exception):
    """Stands for the end of a process in a test that continues."""


class Reports:
    """The place of each report; an action happens at the first report of one place."""

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
    """The leaves of one member."""
    return jax.tree.map(lambda x: x[i], tree)


def init(key, example):
    """Random weights [O, A] without momentum."""
    shape = (example.observation.shape[1], example.action.shape[1])
    weights = jax.random.uniform(key, shape)
    return rj.State(
        actor_params={"weights": weights},
        target_actor_params={"weights": jnp.copy(weights)},
        critic_params=jnp.zeros(2),
        target_critic_params=jnp.ones(2),
        actor_opt_state=jnp.zeros(shape),
        critic_opt_state=(),
        step=jnp.int32(0),
    )


def update(state, batch, key, hyperparams):
    """Least squares with momentum and noise: every input changes every number."""
    weights = state.actor_params["weights"]
    target = state.target_actor_params["weights"]
    noise = jax.random.uniform(key, batch.action.shape)
    error = batch.observation @ weights - batch.action + noise
    momentum = 0.9 * state.actor_opt_state + batch.observation.T @ error
    decay = losses.cosine_decay(state.step, hyperparams.decay_steps)
    weights = weights - hyperparams.actor_learning_rate * decay * momentum
    critic = 0.9 * state.critic_params + jnp.mean(batch.reward)
    state = rj.State(
        actor_params={"weights": weights},
        target_actor_params={"weights": 0.5 * (target + weights)},
        critic_params=critic,
        target_critic_params=0.5 * (state.target_critic_params + critic),
        actor_opt_state=momentum,
        critic_opt_state=(),
        step=state.step + 1,
    )
    return state, {"error": jnp.mean(error**2), "noise": jnp.mean(noise)}


def act(state, observation, key):
    """The action without noise."""
    return observation @ state.actor_params["weights"]


def update_slowly(state, batch, key, hyperparams):
    """Half as fast, with a critic that the agent must not take over."""
    rate = 0.5 * hyperparams.actor_learning_rate
    slow = hyperparams._replace(actor_learning_rate=rate)
    return update(state, batch._replace(reward=1.0 + batch.reward), key, slow)


AGENT = keyed_agent(init, update, act)
PRETRAINING = Pretraining(
    agent=keyed_agent(init, update_slowly, act), num_steps=PRETRAINING_STEPS
)


def make_dataset(size=12, observation_dim=100):
    """Random transitions, so wide that any two members fill a file of their own."""
    rng = np.random.default_rng(0)
    numbers = rj.Transition(
        rng.normal(size=(size, observation_dim)),
        rng.uniform(-1.0, 1.0, size=(size, 2)),
        rng.normal(size=size),
        rng.normal(size=(size, observation_dim)),
        np.zeros(size),
    )
    return jax.tree.map(lambda x: x.astype(np.float32), numbers)


DATASET = make_dataset()


def make_critic():
    """Two critics, linear in the observation, the action and the fraction."""

    def init(key, observation, action):
        width = observation.shape[-1] + action.shape[-1]
        return jax.random.uniform(key, (2, width))

    def quantiles(params, observation, action, tau):
        both = jnp.concatenate([observation, action], axis=-1)
        return jnp.einsum("ef,bf->eb", params, both)[..., None] * (1.0 + tau)

    return rj.Critic(init=init, quantiles=quantiles, loss=rj.quantile_loss(quantiles))


def true_agent():
    """A small flow, its pretraining, and a dataset and batches that can be sharded."""
    actor = rj.flow_actor(2, 2, widths=(8,), time_width=4)
    critic = rj.iqn_critic(width=8, embedding_width=8, num_cosines=4)
    agent = rj.ramac_agent(actor, critic, num_quantiles=4)
    schedule = SCHEDULE._replace(
        num_steps=6, batch_size=64, log_every=3, eval_every=None
    )
    pretraining = Pretraining(
        agent=rj.ramac_agent(actor, rj.constant_critic()), num_steps=2
    )
    return agent, pretraining, make_dataset(128, 3), schedule


def make_members(size=5, diverging=()):
    """Members that differ in seed and rate; the rate of some makes them diverge."""
    rate = np.linspace(1e-3, 5e-3, size, dtype=np.float32)
    rate[list(diverging)] = 1e30
    members = cross(rj.Hyperparams(decay_steps=30.0), range(size))
    hyperparams = members.hyperparams._replace(actor_learning_rate=rate)
    return members._replace(hyperparams=hyperparams)


def evaluate(step, params, members, cancelled):
    """Two results of each member."""
    weights = params.actor["weights"]
    return {
        "size": np.abs(weights).sum(axis=(1, 2), dtype=np.float64),
        "rate": step * members.hyperparams.actor_learning_rate,
    }


def assert_same(left, right):
    """Compare two trees bit by bit."""
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for pair in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        a, b = map(np.asarray, pair)
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert a.tobytes() == b.tobytes()


COLLECTIVES = (
    "all-reduce|all-gather|all-to-all|ragged-all-to-all|collective-permute|"
    "collective-broadcast|reduce-scatter|send|recv"
)


def collectives(compiled):
    """The operations of a compiled program that communicate."""
    pattern = rf"\b({COLLECTIVES})(?:-start|-done)?\("
    return sorted(set(re.findall(pattern, compiled.as_text())))


def survey(size):
    """The placement of a population of this size, and what its program communicates."""
    mesh = make_mesh(size)
    programs = Programs(AGENT, DATASET, size, mesh, 4)
    members = make_members(size)
    seeds, hyperparams = spread(
        (members.seed.astype(np.uint32), members.hyperparams), mesh
    )
    dataset = spread(DATASET, mesh, None)
    shards = {
        "spread": rows_on_devices((seeds, hyperparams)),
        "dataset": rows_on_devices(dataset),
    }
    carry = programs.init(seeds, hyperparams, dataset)
    shards["init"] = rows_on_devices(carry)
    shards["advance"] = rows_on_devices(programs.advance(*carry, dataset, np.int32(2)))

    def mean_of_all(x):
        return jax.lax.pmean(x, AXIS)

    control = jax.jit(per_member(mean_of_all, mesh, [0]))
    return {
        "shards": shards,
        "collectives": collectives(programs.advance),
        "control": collectives(control.lower(hyperparams.discount).compile()),
    }


def train_true_agent():
    """Train a true agent whose batches the devices share; its placement and numbers."""
    agent, pretraining, dataset, schedule = true_agent()
    members = make_members(1)
    trained = train_population(agent, dataset, members, schedule, start=pretraining)
    mesh = make_mesh(1, schedule.batch_size)
    programs = Programs(agent, dataset, 1, mesh, schedule.batch_size)
    weights = jax.tree.leaves(trained.states.actor_params)
    return {
        "mesh": list(mesh.devices.shape),
        "collectives": collectives(programs.advance),
        "weights": [leaf.tolist() for leaf in weights],
        "metrics": {k: v.tolist() for k, v in trained.history.metrics.items()},
    }


def rows_on_devices(tree):
    """Rows on each device; leaves with the same numbers count once."""
    return sorted(
        {
            tuple(len(x.data) for x in leaf.addressable_shards)
            for leaf in jax.tree.leaves(tree)
        }
    )


def exchange(out):
    """Five rows that the hosts divide and join, and the order of their arrival."""
    rows = hosts.rows_of_host(5)
    made = {
        "double": rows[:, None] + np.array([0.1, 1e-300]),
        "whole": rows.astype(np.int64) + 2**40,
        "flag": rows % 2 == 0,
    }
    joined = hosts.join_hosts(made, 5)
    path = f"{out}-arrivals"

    def arrive():
        if hosts.is_first_host():
            time.sleep(0.3)  # the other host would arrive before, if it did not wait
        with open(path, "a") as file:
            file.write(f"{jax.process_index()} ")

    def refuse():
        raise rj.InputError("no")

    first_host_first(arrive)
    hosts.agree([0.0])
    refused = None
    try:
        first_host_first(refuse)
    except rj.InputError as error:
        refused = str(error)
    with open(path) as file:
        arrivals = file.read().split()
    return {
        "rows": rows.tolist(),
        "joined": {k: [str(x.dtype), x.tolist()] for k, x in joined.items()},
        "arrivals": arrivals,
        "refused": refused,
        "least": hosts.agree([jax.process_index() + 1.5, -2.0]),
    }


def work(
    out,
    folder=None,
    size=5,
    lengths=None,
    pretraining_steps=PRETRAINING_STEPS,
    stop=None,
    surveyed=None,
    shared=None,
):
    """Train the population and write its states and history to a file.

    Args:
      out: the file, an .npz.
      folder: for checkpoints.
      size: members.
      lengths: fields of the schedule.
      pretraining_steps: updates of the pretraining.
      stop: [host, phase, step] at which that host receives SIGTERM.
      surveyed: size of the population to survey.
      shared: path near which the hosts exchange files.
    """
    initialize_hosts()
    found = {"hosts": jax.process_count()}
    if surveyed is not None:
        found |= survey(surveyed) | {"true_agent": train_true_agent()}
    if shared is not None:
        found |= exchange(shared)

    def report(progress):
        print(progress.phase, progress.step, flush=True)
        if stop == [jax.process_index(), progress.phase, progress.step]:
            os.kill(os.getpid(), signal.SIGTERM)

    with noted_signals() as noted_signal:
        trained = train_population(
            AGENT,
            DATASET,
            make_members(size),
            SCHEDULE._replace(**(lengths or {})),
            start=PRETRAINING._replace(num_steps=pretraining_steps),
            callbacks=Callbacks(
                evaluate=evaluate, report=report, should_stop=noted_signal
            ),
            storage=None if folder is None else Storage(folder=folder),
        )
    leaves = jax.tree.leaves_with_path((trained.states, trained.history))
    np.savez(out, **{jax.tree_util.keystr(path): leaf for path, leaf in leaves})
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    work(**json.loads(sys.argv[1]))
