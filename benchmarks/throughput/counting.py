"""How many operations an update is, by hand and by XLA."""

import dataclasses
import itertools
from typing import Any, NamedTuple

import jax

import ramac_jax as rj
from benchmarks.throughput.cases import Case
from ramac_jax.networks.vector_field import UNROLLED_STEPS

SHORT, LONG = 2, 4  # steps of the samplers that a long one is extrapolated from


class Count(NamedTuple):
    """What XLA counts of one update."""

    flop: float  # all operations, those of matrix products and others
    num_bytes: float  # read and written by operations after fusion


class Product(NamedTuple):
    """A matrix product [M, K] x [K, N] and how often an update makes one as large."""

    rows: int  # M
    inner: int  # K
    columns: int  # N
    times: int

    @property
    def flop(self) -> int:
        """Of an update."""
        return 2 * self.rows * self.inner * self.columns * self.times


def products(case: Case) -> list[Product]:
    """The matrix products of one update, those of one layer together.

    Each layer of each critic is passed 6 times: forward by the target, forward and
    twice back (to weights and to inputs) by the critics' loss, forward and back to the
    inputs by the actor's. The denoiser is passed forward T times by the target, forward
    T and back 2 T times by the actor, and 3 times to clone; but its first layer sees
    the observation once in each of these five, and the time for a whole batch only to
    clone. Passes back to the inputs of first layers are counted whole, though most of
    these inputs need none. Left out: the embeddings of fractions and times, and all
    that is elementwise.
    """
    batch, width, embedding = case.batch_size, case.width, case.embedding_width
    passes, rows = 6 * case.num_critics, batch * case.num_quantiles
    by_actor = 2 * case.num_critics
    risk_rows = batch * (case.num_risk_quantiles or case.num_quantiles)
    critic = [
        Product(rows, embedding, width, passes - by_actor),
        Product(rows, width, 1, passes - by_actor),
        Product(risk_rows, embedding, width, by_actor),
        Product(risk_rows, width, 1, by_actor),
        Product(batch, case.observation_dim, width, passes),
        Product(batch, case.action_dim, width, passes),
        Product(batch, 2 * width, embedding, passes),
    ]
    action, first = case.action_dim, case.actor_widths[0]
    layers = itertools.pairwise((action, *case.actor_widths, action))
    times = 4 * case.sampler_steps + 3
    return [
        *critic,
        Product(batch, case.observation_dim, first, 5),
        Product(batch, case.time_width, first, 3),
        *(Product(batch, x, y, times) for x, y in layers),
    ]


def update_flop(case: Case) -> int:
    """FLOP of the matrix products of one update, by hand."""
    return sum(product.flop for product in products(case))


def dominating_shape(case: Case) -> tuple[int, int, int]:
    """M, K, N of the matrix product with most FLOP in an update, over all layers."""
    total: dict[tuple[int, int, int], int] = {}
    for product in products(case):
        shape = product[:3]
        total[shape] = total.get(shape, 0) + product.flop
    return max(total, key=lambda shape: total[shape])


def count_by_xla(case: Case) -> Count:
    """XLA's count of one update without a loop, of which it would count one turn.

    The batch is one block. A sampler too long to be unrolled is extrapolated from two
    short ones: every step of it costs the same.
    """
    steps = case.sampler_steps
    if steps <= UNROLLED_STEPS:
        return count_unrolled(case)
    short, long = (
        count_unrolled(dataclasses.replace(case, sampler_steps=count))
        for count in (SHORT, LONG)
    )
    beyond = (steps - SHORT) / (LONG - SHORT)
    pairs = zip(short, long, strict=True)
    return Count(*(few + beyond * (more - few) for few, more in pairs))


def count_unrolled(case: Case) -> Count:
    """XLA's count of one update whose sampler is short enough to be unrolled."""
    agent = case.agent(whole=True)
    key = jax.eval_shape(lambda: jax.random.key(0))
    batch = jax.eval_shape(
        lambda key: rj.sample_batch(case.dataset(), key, case.batch_size), key
    )
    state = jax.eval_shape(agent.init, key, batch)
    arguments = (state, batch, key, rj.Hyperparams())
    compiled = jax.jit(agent.update).lower(*arguments).compile()
    counted: Any = compiled.cost_analysis()
    return Count(counted["flops"], counted["bytes accessed"])
