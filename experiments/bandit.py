"""Learn the risky bandit with every policy: `python -m experiments.bandit --out DIR`.

Writes the dataset, trains, prints a table, and leaves bandit.png and bandit.json. Each
policy that minds its value goes on from behaviour cloning: warming up without the risk
term is done first, in a program that needs no sampler, and once for all of them.
"""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

import ramac_jax as rj
from experiments import console
from experiments.figures.bandit import TITLES, save_bandit_figure
from ramac_jax import populations
from ramac_jax.actors.diffusion import cosine_betas
from ramac_jax.evaluation import cvar
from ramac_jax.tasks import bandit
from ramac_jax.tasks.datasets import load_datasets

NUM_SAMPLES = 4000  # actions per seed behind every figure of the table
RISK_LEVEL = 0.1
NUM_QUANTILES = 16
APART = 10**6  # between the seeds of one phase and of the next
CLONING = rj.Hyperparams(actor_learning_rate=1e-2, max_grad_norm=0.3)
READING = rj.Hyperparams(actor_learning_rate=0.0, critic_learning_rate=1e-2)
MINDING = rj.Hyperparams(
    actor_learning_rate=3e-3,
    critic_learning_rate=1e-3,
    max_grad_norm=1.0,
    risk_ramp=100.0,
)
# The mean is CVaR at level 1, so that one program trains policies of either mind.
MINDS: dict[str, dict[str, dict[str, float]]] = {
    "diffusion": {
        "neutral": {"risk_level": 1.0, "risk_weight": 0.1},
        "radac": {"risk_level": RISK_LEVEL, "risk_weight": 3.0},
    },
    "flow": {"rafmac": {"risk_level": RISK_LEVEL, "risk_weight": 1.5}},
}
METRICS = ("mean", "cvar", "ring", "centre", "ood")


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The command line."""

    out: Path
    """Folder for bandit.png, bandit.json and the Minari dataset."""
    num_seeds: int = 2
    """Agents per policy, trained side by side."""
    seed: int = 0
    """First seed of the agents, and the seed of the dataset."""
    bc_steps: int = 12_000
    """Updates of behaviour cloning, from which every policy starts."""
    critic_steps: int = 2_000
    """Updates of the critics before any policy listens to them."""
    risk_steps: int = 400
    """Updates with the risk term."""


def actors() -> dict[str, rj.Actor]:
    """The two generative policies, with enough steps to keep the gap empty."""
    widths = (64, 64, 64, 64)
    return {
        "diffusion": rj.diffusion_actor(2, 40, cosine_betas, widths=widths),
        "flow": rj.flow_actor(2, 30, widths=widths),
    }


def small_critic() -> rj.Critic:
    """A small critic whose initial weights bend it inside so small an action space."""
    he_normal = jax.nn.initializers.he_normal()
    return rj.iqn_critic(
        width=64, embedding_width=32, num_cosines=16, kernel_init=he_normal
    )


def without_sampler(actor: rj.Actor) -> rj.Actor:
    """An actor that costs no sampling: its actions are 0.

    Critics can be trained beside it where every step is terminated: no target asks for
    the action that comes next.
    """

    def sample(params, observation, key):
        del params, key
        return jnp.zeros((*observation.shape[:-1], 2))

    return actor._replace(sample=sample)


def train(
    title: str,
    agent: rj.Agent,
    dataset: rj.Transition,
    settings: Sequence[rj.Hyperparams],
    seeds: Sequence[int],
    num_steps: int,
    states: rj.State | None = None,
    batch_size: int = 256,
) -> rj.State:
    """Train every setting with every seed, on a cosine schedule; setting by setting."""
    stacked = jax.tree.map(lambda *x: np.array(x, np.float32), *settings)
    decay: Any = np.full(len(settings), num_steps, np.float32)
    members = populations.cross(stacked._replace(decay_steps=decay), seeds)
    schedule = populations.Schedule(num_steps, batch_size, log_every=num_steps)
    with console.LiveProgress() as bar:
        task = bar.add_task(title, total=num_steps)
        trained = populations.train_population(
            agent,
            dataset,
            members,
            schedule,
            states=states,
            report=lambda progress: bar.update(task, completed=progress.step),
        )
    return trained.states


def learn_kind(
    kind: str, arguments: Arguments, dataset: rj.Transition, critics: rj.State | None
) -> tuple[dict[str, tuple[rj.Agent, rj.State]], rj.State]:
    """Every policy of one kind of actor, and the critics they listened to.

    The first kind trains the critics; here they depend on no policy, so that the
    second takes them as they are.
    """
    actor, size = actors()[kind], arguments.num_seeds
    # Each phase has keys of its own.
    reading, cloning, minding = (
        range(first, first + size)
        for first in range(arguments.seed, arguments.seed + 3 * APART, APART)
    )
    if critics is None:
        reader = rj.ramac(
            without_sampler(actor), small_critic(), rj.risk.cvar, NUM_QUANTILES
        )
        critics = train(
            "critics", reader, dataset, [READING], reading, arguments.critic_steps
        )
    cloner = rj.ramac(actor, rj.constant_critic())
    name = f"bc-{kind}"
    clones = train(name, cloner, dataset, [CLONING], cloning, arguments.bc_steps)

    warm = critics._replace(
        actor_params=clones.actor_params,
        target_actor_params=clones.target_actor_params,
        actor_opt_state=jax.tree.map(np.zeros_like, clones.actor_opt_state),
        step=jnp.zeros(size, jnp.int32),
    )
    minds = MINDS[kind]
    agent = rj.ramac(actor, small_critic(), rj.risk.cvar, NUM_QUANTILES)
    states = train(
        " and ".join(minds),
        agent,
        dataset,
        [MINDING._replace(**mind) for mind in minds.values()],
        minding,
        arguments.risk_steps,
        jax.tree.map(lambda x: np.concatenate([x] * len(minds)), warm),
        batch_size=128,
    )
    policies = {name: (cloner, clones)}
    for index, name in enumerate(minds):
        members = slice(index * size, (index + 1) * size)
        policies[name] = (agent, jax.tree.map(lambda x, m=members: x[m], states))
    return policies, critics


def train_policies(
    arguments: Arguments, dataset: rj.Transition
) -> dict[str, tuple[rj.Agent, rj.State]]:
    """Every policy by name: the agent and the states [num_seeds, ...] that act."""
    diffusions, critics = learn_kind("diffusion", arguments, dataset, None)
    flows, _ = learn_kind("flow", arguments, dataset, critics)
    policies = diffusions | flows
    return {name: policies[name] for name in TITLES}


def draw_actions(agent: rj.Agent, states: rj.State, seed: int) -> np.ndarray:
    """Actions [num_seeds, NUM_SAMPLES, 2] of every member."""
    keys = jax.random.split(jax.random.key(seed), len(states.step))
    observation = jnp.zeros((NUM_SAMPLES, 1))
    act = jax.jit(jax.vmap(agent.act, in_axes=(0, None, 0)))
    return np.asarray(act(states, observation, keys))


def score(actions: np.ndarray, rewards: np.ndarray) -> dict[str, float]:
    """What actions [M, 2] with rewards [M] earned, and which shares went where."""
    ring, centre = bandit.on_ring(actions), bandit.in_centre(actions)
    return {
        "mean": float(rewards.mean()),
        "cvar": float(cvar(rewards, RISK_LEVEL)),
        "ring": float(ring.mean()),
        "centre": float(centre.mean()),
        "ood": float((~ring & ~centre).mean()),
    }


def print_table(data: dict[str, float], results: list[dict[str, Any]]) -> None:
    """Print each policy's figures: mean over seeds, and lowest to highest seed."""
    table = Table(title=f"The risky bandit: {NUM_SAMPLES} samples per seed")
    table.add_column("policy")
    for name in ("mean reward", f"CVaR_{RISK_LEVEL:g}", "ring", "centre", "ood"):
        table.add_column(name, justify="right")
    table.add_row("data", *(f"{data[name]:.3f}" for name in METRICS))
    for result in results:
        cells = []
        for name in METRICS:
            values = [seed[name] for seed in result["seeds"]]
            spread = f"[{min(values):.3f}, {max(values):.3f}]"
            cells.append(f"{np.mean(values):.3f}\n{spread}")
        table.add_row(result["name"], *cells)
    Console(width=104).print(table)


def check(arguments: Arguments) -> None:
    """Raise `InputError` for counts that make no run."""
    for name in ("bandit.png", "bandit.json"):
        if (arguments.out / name).is_dir():
            raise rj.InputError(
                f"{arguments.out / name} is a folder: give another --out"
            )
    for name in ("num_seeds", "bc_steps", "critic_steps", "risk_steps"):
        if getattr(arguments, name) < 1:
            option, value = name.replace("_", "-"), getattr(arguments, name)
            raise rj.InputError(f"--{option} is {value}: give 1 or more")
    if not 0 <= arguments.seed < 2**31 - 3 * APART - arguments.num_seeds:
        raise rj.InputError(f"--seed is {arguments.seed}: give one from 0 to about 2e9")


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments = tyro.cli(
        Arguments,
        prog="python -m experiments.bandit",
        description="Learn the risky bandit by behaviour cloning, risk-neutral "
        "diffusion, RADAC and RAFMAC; show what each of them chooses.",
        args=list(argv),
    )
    check(arguments)
    out = console.writable_folder(arguments.out)
    minari_folder = console.writable_folder(out / "minari").resolve()
    os.environ["MINARI_DATASETS_PATH"] = str(minari_folder)
    bandit.write_dataset(arguments.seed)
    dataset = load_datasets([bandit.DATASET_ID]).transitions
    policies = train_policies(arguments, dataset)

    rng = np.random.default_rng([arguments.seed, 1])  # not the stream of the dataset
    recorded = np.asarray(dataset.action)
    data = score(recorded, np.asarray(dataset.reward))
    panels = {"Data": (recorded[:NUM_SAMPLES], data)}
    results = []
    for name, (agent, states) in policies.items():
        actions = draw_actions(agent, states, arguments.seed)
        seeds = [score(each, bandit.draw_rewards(each, rng)) for each in actions]
        results.append({"name": name, "seeds": seeds})
        panels[TITLES[name]] = (actions[0], seeds[0])
    save_bandit_figure(out / "bandit.png", panels, RISK_LEVEL)
    record = {
        "policies": results,
        "data": data,
        "constants": bandit.CONSTANTS._asdict(),
        "options": {k: v for k, v in vars(arguments).items() if k != "out"},
        "versions": console.versions(),
        "device": jax.devices()[0].device_kind,
    }
    console.write_json(out / "bandit.json", record)
    print_table(data, results)
    Console().print(f"{out}: bandit.png, bandit.json", soft_wrap=True)


if __name__ == "__main__":
    console.run_command(main)
