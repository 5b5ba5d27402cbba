"""The agents that the benchmarks train, by name, and random data of their sizes."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Self

import jax
import jax.numpy as jnp
from jax.nn.initializers import Initializer, he_normal

import ramac_jax as rj
from ramac_jax.actors.diffusion import cosine_betas
from ramac_jax.cli.bandit import settings as bandit
from ramac_jax.compute import whole_batch
from ramac_jax.devices.cache import fit_cache
from ramac_jax.envs.bandit import CONSTANTS
from ramac_jax.networks.heads import HeadFn, plain_head
from ramac_jax.networks.quantile_network import CRITIC_NORMAL
from ramac_jax.registry import HEADS, PRECISIONS
from ramac_jax.types import MicroBatchFn


@dataclasses.dataclass(frozen=True)
class Case:
    """An agent and its batch, by the sizes that determine the cost of an update."""

    actor: Callable[..., rj.Actor] = rj.diffusion_actor
    sampler_steps: int = 5  # T
    actor_widths: tuple[int, ...] = (256, 256, 256)
    time_width: int = 16
    student_widths: tuple[int, ...] | None = None  # of a one-step student of the actor
    critic: str = "quantile"  # or "categorical" or "value"
    num_critics: int = 2
    width: int = 256  # W, of the critics
    critic_layers: int = 2  # hidden, of categorical and of value critics
    normalize_value: bool = False
    embedding_width: int = 128  # E
    num_cosines: int = 32
    num_atoms: int = 101  # K, of categorical critics
    value_range: tuple[float, float] = (-10.0, 10.0)
    kernel_init: Initializer = CRITIC_NORMAL
    num_quantiles: int = 32  # N
    num_risk_quantiles: int | None = None  # fractions of the actor's value; None: N
    target_steps: int = 1  # of the data, that a target sums at most
    independent_targets: bool = False
    single_step: bool = False  # every transition ends its episode
    batch_size: int = 256  # B
    observation_dim: int = 17
    action_dim: int = 6
    dataset_size: int = 65_536
    head: HeadFn = plain_head
    dtype: str | None = None  # compute dtype of the networks; None: their weights'

    def computed(self, head: str, precision: str) -> Self:
        """Return the case with another critic head and precision, by their names."""
        dtype = PRECISIONS[precision].dtype
        return dataclasses.replace(self, head=HEADS[head].load(), dtype=dtype)

    def build_actor(self) -> rj.Actor:
        """Return the actor."""
        actor = self.actor(
            self.action_dim,
            self.sampler_steps,
            widths=self.actor_widths,
            time_width=self.time_width,
            dtype=self.dtype,
        )
        if self.student_widths is None:
            return actor
        return rj.distilled_actor(actor, self.action_dim, widths=self.student_widths)

    def agent(self, micro_batch: MicroBatchFn | None = None) -> rj.Agent:
        """Return the agent.

        Args:
          micro_batch: sizes of micro-batches; None: those that fit this CPU's cache.
        """
        whole = self.critic != "quantile"
        return rj.ramac_agent(
            self.build_actor(),
            self.build_critic(),
            num_quantiles=self.num_quantiles,
            num_risk_quantiles=self.num_risk_quantiles,
            normalize_value=self.normalize_value,
            target_steps=self.target_steps,
            independent_targets=self.independent_targets,
            single_step=self.single_step,
            micro_batch=micro_batch
            or (whole_batch if whole else fit_cache(self.width)),
        )

    def build_critic(self) -> rj.Critic:
        """Return the critics."""
        widths = (self.width,) * self.critic_layers
        if self.critic == "value":
            return rj.value_critic(self.num_critics, widths=widths)
        if self.critic == "categorical":
            return rj.categorical_critic(
                *self.value_range,
                self.num_critics,
                widths=widths,
                num_atoms=self.num_atoms,
                dtype=self.dtype,
            )
        return rj.iqn_critic(
            self.num_critics,
            width=self.width,
            embedding_width=self.embedding_width,
            num_cosines=self.num_cosines,
            kernel_init=self.kernel_init,
            head=self.head,
            dtype=self.dtype,
        )

    def dataset(self) -> rj.Transition:
        """Return random transitions."""
        keys = jax.random.split(jax.random.key(0), 4)
        size = self.dataset_size
        shape, actions = (size, self.observation_dim), (size, self.action_dim)
        return rj.Transition(
            observation=jax.random.normal(keys[0], shape),
            action=jax.random.uniform(keys[1], actions, minval=-1.0),
            reward=jax.random.normal(keys[2], (size,)),
            next_observation=jax.random.normal(keys[3], shape),
            terminated=jnp.full(size, float(self.single_step)),
            steps=jnp.ones(size) if self.single_step else jnp.arange(size, 0.0, -1.0),
        )


def with_flow(case: Case) -> Case:
    """Return the case with `ramac_jax.flow_actor` at its default sizes."""
    return dataclasses.replace(
        case,
        actor=rj.flow_actor,
        sampler_steps=10,
        actor_widths=(128, 128, 128),
        time_width=4,
    )


PRESET = Case()
SMALL = Case(
    actor_widths=(64, 64),
    width=64,
    embedding_width=32,
    num_cosines=16,
    num_quantiles=8,
)
BANDIT = Case(
    partial(rj.diffusion_actor, betas=cosine_betas),
    sampler_steps=bandit.DENOISING_STEPS,
    actor_widths=bandit.WIDTHS,
    width=bandit.NARROW[0],
    embedding_width=bandit.EMBEDDING_WIDTH,
    num_cosines=bandit.NUM_COSINES,
    kernel_init=he_normal(),
    num_quantiles=bandit.NUM_QUANTILES,
    single_step=True,
    batch_size=128,
    observation_dim=1,
    action_dim=bandit.ACTION_DIM,
    dataset_size=CONSTANTS.num_samples,
)
CASES = {
    "preset": PRESET,
    "preset-8": dataclasses.replace(PRESET, num_risk_quantiles=8),
    "preset-categorical": dataclasses.replace(
        PRESET, critic="categorical", num_risk_quantiles=32
    ),
    "preset-flow": with_flow(PRESET),
    "small": SMALL,
    "small-flow": dataclasses.replace(
        with_flow(SMALL), actor_widths=SMALL.actor_widths
    ),
    "small-16": dataclasses.replace(
        SMALL,
        actor_widths=(128, 128),
        width=128,
        embedding_width=64,
        num_quantiles=16,
    ),
    "bandit-diffusion": BANDIT,
    "bandit-flow": dataclasses.replace(
        with_flow(BANDIT),
        sampler_steps=bandit.EULER_STEPS,
        actor_widths=bandit.WIDTHS,
    ),
}
"""Cases by name.

`preset` has the networks of the preset published/halfcheetah-medium-expert; in
`preset-8` the actor reads its value at 8 fractions, and in `preset-categorical` the
critics are categorical. The cases `small` have far fewer operations. The cases `bandit`
are RADAC and RAFMAC of `ramac bandit`, whose samplers are long.
"""
