"""Small options, toys that train and readers, for the tests of `ramac sweep`."""

import contextlib
import csv
import json

import gymnasium as gym
import jax
import jax.numpy as jnp
import minari
import numpy as np
import orbax.checkpoint as ocp
import pytest

import ramac_jax as rj
from ramac_jax import policy as checkpoints
from ramac_jax.cli import process
from ramac_jax.cli.runs import agents, evaluator, training
from ramac_jax.population import train as running
from tests.helpers import keyed_agent

TASK, SOURCE, PLAIN = "hopper-medium-replay", "made/hopper/mixed-v0", "made/plain-v0"
TINY = (
    "--bc-steps 0 --num-critics 0 --actor-widths 8 --sampler-steps 2 --batch-size 8 "
    "--log-every 2 --save-every 2 --eval-every 2 --episodes 3 --eval-episodes 2 "
    "--selection-episodes 2 --horizon 6"
).split()
SEEDS = "--num-seeds 3 --seed 5 --num-steps 6".split()
ON_TASK = ["--task", TASK, "--dataset", SOURCE, "--preset", "bc-flow", *TINY, *SEEDS]
ON_PLAIN = ["--dataset", PLAIN, "--preset", f"{TASK}/bc-flow", *TINY]
RATES = "actor_learning_rate=0.5,0.02,0.3"
HALVING = [
    *ON_TASK,
    *"--batch-size 2 --sampler grid --batch 6 --pruner halving".split(),
]
GRID = ["--grid", "risk_weight=1,2"]
SEARCH = [*HALVING, "--grid", RATES, "batch_size=4,8"]
FILES = {"sweep.json", "metrics.csv", "evaluations.csv", "agents.csv", "report.md"}
FILES |= {"frontier.png", "agents", "best"}
STUDIED = FILES | {"study.db", "slices.png"}


def make_datasets(folder, episodes):
    """Write the leaning hopper, and the same without an environment."""
    hopper = gym.make("Hopper-v5", disable_env_checker=True)
    spaces = {
        "observation_space": hopper.observation_space,
        "action_space": hopper.action_space,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(folder))
        minari.create_dataset_from_buffers(SOURCE, episodes, env=hopper)
        minari.create_dataset_from_buffers(PLAIN, episodes, **spaces)


def build_toy(agent, spec, *, ood_weighted):
    """An agent that acts as a true one does, and compiles in a tenth of the time.

    Its actor drifts at its learning rate, on the rewards of the batches.
    """
    actor = checkpoints.build_actor(spec)
    one_each = (jnp.zeros((1, 11)), jnp.zeros((1, 3)))
    shapes = jax.eval_shape(actor.init, jax.random.key(0), *one_each)
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape), shapes)
    start, shaped = jax.flatten_util.ravel_pytree(zeros)

    def init(key, example):
        params = shaped(0.3 * jax.random.normal(key, start.shape))
        return rj.State(params, {}, {}, {}, {}, {}, jnp.int32(0))

    def update(state, batch, key, hyperparams):
        flat = jax.flatten_util.ravel_pytree(state.actor_params)[0]
        drift = jax.random.normal(key, start.shape) + jnp.mean(batch.reward)
        flat = flat + hyperparams.actor_learning_rate * drift
        metrics = {"loss": jnp.mean(flat**2), "risk_value": jnp.mean(batch.reward)}
        metrics["target_clipped"] = jnp.zeros(())
        return state._replace(actor_params=shaped(flat), step=state.step + 1), metrics

    return keyed_agent(init, update, None)


@contextlib.contextmanager
def toys():
    """Let toys train; those of the same options and sizes share their programs."""

    def kept(make, key_of):
        known = {}

        def get(*args, **options):
            if (key := key_of(*args, **options)) not in known:
                known[key] = make(*args, **options)
            return known[key]

        return get

    def programs_key(agent, dataset, *sizes, **options):
        return agent, tuple(x.shape for x in dataset), *sizes, *options.items()

    def actor_key(spec):
        return spec.actor, str(spec.actor_options)

    build_actor = kept(checkpoints.build_actor, actor_key)
    with pytest.MonkeyPatch.context() as patch:
        for module in (checkpoints, agents, evaluator):
            patch.setattr(module, "build_actor", build_actor)
        toy = kept(build_toy, lambda agent, spec, **options: actor_key(spec))
        patch.setattr(training, "build_agent", toy)
        programs = kept(running.Programs, programs_key)
        patch.setattr(running, "Programs", programs)
        yield


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def record_of(out):
    return json.loads((out / "sweep.json").read_text())


def exit_status(main, *argv):
    with pytest.raises(SystemExit) as ended, process.exit_status("ramac"):
        main(argv)
    return ended.value.code


def visible(out):
    return {x.name for x in out.iterdir() if x.name != ".lock"}


def contents(out):
    """Every byte below a folder."""
    return {x: x.read_bytes() for x in out.rglob("*") if x.is_file()}


def read_states(checkpoint):
    """Every array of a checkpoint, in NumPy."""
    with ocp.PyTreeCheckpointer() as checkpointer:
        tree = checkpointer.restore(checkpoint.absolute() / "state")
    return jax.tree.map(np.asarray, tree)


def assert_same(left, right):
    assert jax.tree.structure(left) == jax.tree.structure(right)
    jax.tree.map(np.testing.assert_array_equal, left, right)
