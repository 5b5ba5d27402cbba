"""A population in a process of its own, as the JSON of its one argument says.

Prints where each of its reports stands, and at last what it found out, as JSON.
"""

import json
import os
import re
import signal
import sys
import time

import jax
import numpy as np
import toy

from ramac_jax.devices import hosts
from ramac_jax.devices import mesh as placement
from ramac_jax.population import initialize_hosts, train_population
from ramac_jax.population.programs import Programs
from ramac_jax.validation import InputError

COLLECTIVES = (
    "all-reduce|all-gather|all-to-all|ragged-all-to-all|collective-permute|"
    "collective-broadcast|reduce-scatter|send|recv"
)


def collectives(compiled):
    """The operations of a compiled program that communicate."""
    pattern = rf"\b({COLLECTIVES})(?:-start|-done)?\("
    return sorted(set(re.findall(pattern, compiled.as_text())))


def survey(size):
    """How a population of this size lies on the devices, and what its program does."""
    mesh = placement.make_mesh(size)
    programs = Programs(toy.AGENT, toy.DATASET, size, mesh, 4)
    members = toy.make_members(size)
    seeds, knobs = placement.spread(
        (members.seed.astype(np.uint32), members.hyperparams), mesh
    )
    dataset = placement.spread(toy.DATASET, mesh, None)
    shares = {"spread": share_of((seeds, knobs)), "dataset": share_of(dataset)}
    begun = programs.begin(seeds, knobs, dataset)
    shares["begun"] = share_of(begun)
    shares["advanced"] = share_of(programs.go_on(*begun, dataset, np.int32(2)))

    def mean_of_all(x):
        return jax.lax.pmean(x, placement.AXIS)

    control = jax.jit(placement.per_member(mean_of_all, mesh, [0]))
    return {
        "shares": shares,
        "collectives": collectives(programs.go_on),
        "control": collectives(control.lower(knobs.discount).compile()),
    }


def learn_in_shares():
    """How a true agent whose batches the devices share trains, and where it does."""
    agent, cloner, dataset, schedule = toy.true_agent()
    members = toy.make_members(1)
    trained = train_population(agent, dataset, members, schedule, cloner=cloner)
    mesh = placement.make_mesh(1, schedule.batch_size)
    programs = Programs(agent, dataset, 1, mesh, schedule.batch_size)
    weights = jax.tree.leaves(trained.states.actor_params)
    return {
        "mesh": list(mesh.devices.shape),
        "collectives": collectives(programs.go_on),
        "weights": [leaf.tolist() for leaf in weights],
        "metrics": {k: v.tolist() for k, v in trained.history.metrics.items()},
    }


def share_of(tree):
    """Rows on each device, the same for every leaf or told for each kind of leaf."""
    return sorted(
        {
            tuple(len(x.data) for x in leaf.addressable_shards)
            for leaf in jax.tree.leaves(tree)
        }
    )


def exchange(out):
    """Five things that the hosts share out and join; who came to a file first."""
    rows = hosts.share_of_host(5)
    made = {
        "double": rows[:, None] + np.array([0.1, 1e-300]),
        "whole": rows.astype(np.int64) + 2**40,
        "flag": rows % 2 == 0,
    }
    joined = hosts.join_hosts(made, 5)
    path = f"{out}-arrivals"

    def arrive():
        if hosts.is_first_host():
            time.sleep(0.3)  # the other would be there before, if it did not wait
        with open(path, "a") as file:
            file.write(f"{jax.process_index()} ")

    def refuse():
        raise InputError("no")

    hosts.first_host_first(arrive)
    hosts.agree([0.0])
    refused = None
    try:
        hosts.first_host_first(refuse)
    except InputError as error:
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


def work(out, folder=None, size=5, lengths=None, stop=None, surveyed=None, shared=None):
    """Train the toy's population and write what became of it to a file.

    Args:
      out: the file, an .npz.
      folder: for checkpoints.
      size: members.
      lengths: of the schedule.
      stop: [host, phase, step] at which that host has a SIGTERM.
      surveyed: size of the population to survey.
      shared: where the hosts meet to exchange.
    """
    initialize_hosts()
    found = {"hosts": jax.process_count()}
    if surveyed is not None:
        found |= survey(surveyed) | {"learned": learn_in_shares()}
    if shared is not None:
        found |= exchange(shared)

    def report(progress):
        print(progress.phase, progress.step, flush=True)
        if stop == [jax.process_index(), progress.phase, progress.step]:
            os.kill(os.getpid(), signal.SIGTERM)

    trained = train_population(
        toy.AGENT,
        toy.DATASET,
        toy.make_members(size),
        toy.SCHEDULE._replace(**(lengths or {})),
        cloner=toy.CLONER,
        folder=folder,
        watch=toy.watch,
        report=report,
    )
    leaves = jax.tree.leaves_with_path((trained.states, trained.history))
    np.savez(out, **{jax.tree_util.keystr(path): leaf for path, leaf in leaves})
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    work(**json.loads(sys.argv[1]))
