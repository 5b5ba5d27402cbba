"""Samplers on the risky bandit: `python -m benchmarks.search.bandit`.

A trial trains one policy of RAFMAC as `ramac bandit` does, from a clone and a critic
that all trials of a search share; the searches of a repetition have the same ones. The
search varies risk weight, actor learning rate and risk level. Its score is the CVaR_0.1
of few rewards; the expected score is the exact CVaR_0.1 of many actions of the policy.
A policy that diverged acts in neither mode of the bandit, where the reward is 0.
"""

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optuna
from optuna.storages import RDBStorage

import ramac_jax as rj
from benchmarks import records
from benchmarks.options import check_at_least
from benchmarks.search import command
from benchmarks.search.curves import best_so_far
from ramac_jax.cli import process
from ramac_jax.cli.agents import AGENTS
from ramac_jax.cli.bandit import agents, settings
from ramac_jax.cli.bandit.training import Trainer
from ramac_jax.cli.folders import writable_folder
from ramac_jax.cli.options.bandit import Arguments as BanditOptions
from ramac_jax.cli.options.words import read_words
from ramac_jax.data.bandit import DATASET_ID, write_bandit_dataset
from ramac_jax.data.loading import load_datasets
from ramac_jax.envs import bandit
from ramac_jax.evaluation import cvar
from ramac_jax.search import Range, Round, make_sampler, open_storage, open_study

AGENT = AGENTS["rafmac"]
SPACE = {
    "risk_weight": Range(1e-3, 1e3),
    "actor_learning_rate": Range(1e-6, 1e-1),
    "risk_level": Range(0.05, 1.0, log=False),
}
"""What a search varies; `ramac bandit` has 1.5, 3e-3 and 0.1."""
SCORED, EXPECTED = 1000, 4000
"""Actions of the score, and of the expected score."""
BATCH_SIZE = 64


@dataclasses.dataclass(frozen=True)
class Arguments(command.SearchOptions):
    """The command line."""

    samplers: tuple[str, ...] = ("random", "tpe")
    """Samplers to compare; random is always measured."""
    repetitions: int = 5
    """Searches of each kind, with other seeds, clones and critics."""
    folder: Path | None = None
    """Folder of clones, critics and studies, from which the same command resumes; None:
    a temporary one."""
    bc_steps: int = BanditOptions.bc_steps
    """Updates of behaviour cloning."""
    critic_steps: int = BanditOptions.critic_steps
    """Updates of the critics before any policy."""
    risk_steps: int = 160
    """Updates of a policy; `ramac bandit` makes more, of larger batches."""


@dataclasses.dataclass(frozen=True)
class Searches:
    """Searches whose policies start from the clones of one folder."""

    arguments: Arguments
    folder: Path

    @cached_property
    def agent(self) -> rj.Agent:
        """RAFMAC of `ramac bandit`."""
        return agents.build_agent(AGENT, agents.build_actor(AGENT))

    @cached_property
    def dataset(self) -> rj.Transition:
        """The pulls from which all policies learn."""
        write_bandit_dataset(self.arguments.seed, root=self.folder)
        return load_datasets([DATASET_ID], root=self.folder).transitions

    @cached_property
    def states(self) -> rj.State:
        """A cloned policy with a trained critic for each seed of a search [R]."""
        options = self.arguments
        trainer = Trainer(
            self.dataset,
            options.repetitions,
            options.seed,
            settings.Lengths(
                options.bc_steps, options.critic_steps, options.risk_steps
            ),
            self.folder,
        )
        states, diverged = trainer.initial_states(self.agent, AGENT)
        if diverged:
            raise rj.InputError(f"clones or critics {sorted(diverged)} diverged")
        return states

    @cached_property
    def act(self) -> Callable[..., jax.Array]:
        """(state, dataset, key, hyperparameters [B]) -> actions [B, M, 2]."""
        train = rj.make_train(
            self.agent, num_steps=self.arguments.risk_steps, batch_size=BATCH_SIZE
        )

        def one(
            state: rj.State, dataset: rj.Transition, key: jax.Array, x: rj.Hyperparams
        ) -> jax.Array:
            learn, act = jax.random.split(key)
            state, _ = train(state, dataset, learn, x)
            return self.agent.act(state, jnp.zeros((SCORED + EXPECTED, 1)), act)

        return jax.jit(jax.vmap(one, in_axes=(None, None, None, 0)))

    def score(self, seed: int, round_: Round) -> tuple[np.ndarray, np.ndarray]:
        """Train a round; return the CVaR of few rewards and the exact one, [B] each."""
        steps = float(self.arguments.risk_steps)
        base = settings.POLICIES._replace(decay_steps=steps, risk_ramp=steps / 4.0)
        place = self.arguments.seeds.index(seed)
        actions = np.asarray(
            self.act(
                jax.tree.map(lambda x: x[place], self.states),
                self.dataset,
                jax.random.key(seed),
                dataclasses.replace(round_, base=base).hyperparams,
            )
        )
        rng = np.random.default_rng([seed, *round_.numbers])
        rewards = bandit.draw_rewards(actions[:, :SCORED], rng)
        return cvar(rewards, settings.RISK_LEVEL), exact_cvar(actions[:, SCORED:])

    @cached_property
    def storage(self) -> RDBStorage:
        """The storage of all studies."""
        return open_storage(f"sqlite:///{self.folder / 'study.db'}")

    def study(self, sampler: str, batch: int, seed: int) -> optuna.Study:
        """Open the study of a search."""
        left_out = {"out", "folder", "samplers", "repetitions"}
        options = {k: v for k, v in vars(self.arguments).items() if k not in left_out}
        return open_study(
            self.storage,
            f"{sampler} {batch} {seed}",
            sampler=make_sampler(sampler, SPACE, seed=seed),
            record=options
            | {"space": {k: dataclasses.astuple(v) for k, v in SPACE.items()}},
        )

    def curves(self, sampler: str, batch: int) -> np.ndarray:
        """Return the best expected score so far, for each search [R, trials]."""
        if sampler == "random":  # whose draws do not depend on the batch
            batch = self.arguments.batch
        rows = []
        for seed in self.arguments.seeds:
            rows.append(
                best_so_far(
                    self.study(sampler, batch, seed),
                    SPACE,
                    partial(self.score, seed),
                    trials=self.arguments.trials,
                    batch=batch,
                )
            )
        return np.array(rows)


def exact_cvar(actions: np.ndarray) -> np.ndarray:
    """Return the exact CVaR of policies by their actions [B, M, 2], [B]."""
    ring = bandit.on_ring(actions).mean(axis=-1)
    centre = bandit.in_centre(actions).mean(axis=-1)
    shares = zip(ring, centre, strict=True)
    return np.array(
        [bandit.cvar_of_shares(x, y, settings.RISK_LEVEL) for x, y in shares]
    )


def check(arguments: Arguments) -> None:
    """Raise `InputError` for bad options."""
    command.check_searches(arguments)
    names = ("bc_steps", "critic_steps", "risk_steps")
    check_at_least(arguments, dict.fromkeys(names, 1))


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    arguments: Arguments = read_words(
        Arguments, argv, prog="python -m benchmarks.search.bandit", description=__doc__
    )
    check(arguments)
    records.check_out(arguments.out)
    with tempfile.TemporaryDirectory() as name:
        folder = writable_folder(arguments.folder or Path(name)).resolve()
        rows = command.compare(Searches(arguments, folder).curves, arguments)
    rows = [{"surface": "bandit"} | row for row in rows]
    command.print_table(arguments, rows)
    left_out = {"out", "folder"}
    options = {name: x for name, x in vars(arguments).items() if name not in left_out}
    records.write_record(arguments.out, "search.bandit", options | {"rows": rows})


if __name__ == "__main__":
    process.run_command(main, "benchmarks.search.bandit")
