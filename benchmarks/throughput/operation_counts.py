"""Numbers of operations of an update, counted by hand and by XLA."""

import dataclasses
import itertools
from typing import Any, NamedTuple

import jax

import ramac_jax as rj
from benchmarks.throughput.cases import Case
from ramac_jax.compute import whole_batch
from ramac_jax.networks.vector_field import UNROLLED_STEPS

SHORT, LONG = 2, 4  # sampler steps from which a long sampler is extrapolated


class Count(NamedTuple):
    """XLA's counts for one update."""

    flop: float  # of all operations, matrix products and others
    num_bytes: float  # read and written by operations after fusion


class Product(NamedTuple):
    """A matrix product [M, K] x [K, N], and the number of them in an update."""

    rows: int  # M
    inner: int  # K
    columns: int  # N
    times: int

    @property
    def flop(self) -> int:
        """FLOP of an update in such products."""
        return 2 * self.rows * self.inner * self.columns * self.times


def products(case: Case) -> list[Product]:
    """Return the matrix products of one update, one entry for each layer.

    An update passes each layer of each critic 6 times: forward for the target; forward
    and twice backward (to weights and to inputs) for the critics' loss; forward and
    backward to the inputs for the actor's loss. It passes the denoiser T times forward
    for the target, T times forward and 2 T times backward for the actor's value, and 3
    times for behaviour cloning. The denoiser's first layer embeds the observation once
    in each of these five passes, and the times of a whole batch for behaviour cloning
    only. Of an actor with a student, the actor samples once and clones; the student
    has one pass for the target, 3 for the value and 3 for its distance from the actor.
    Single steps have no pass for the target.
    The count includes all passes backward to the inputs of first layers, although
    most of these inputs need no gradient. It leaves out the embeddings of fractions and
    times, and elementwise operations.
    """
    batch = case.batch_size
    action, first = case.action_dim, case.actor_widths[0]
    layers = itertools.pairwise((action, *case.actor_widths, action))
    targets = 0 if case.single_step else 1
    observed, times = 4 + targets, (3 + targets) * case.sampler_steps + 3
    student: list[tuple[int, int]] = []
    if case.student_widths is not None:
        observed, times = 4, case.sampler_steps + 3
        pair = case.observation_dim + action
        student += itertools.pairwise((pair, *case.student_widths, action))
    return [
        *critic_products(case),
        Product(rows=batch, inner=case.observation_dim, columns=first, times=observed),
        Product(rows=batch, inner=case.time_width, columns=first, times=3),
        *(Product(rows=batch, inner=x, columns=y, times=times) for x, y in layers),
        *(
            Product(rows=batch, inner=x, columns=y, times=6 + targets)
            for x, y in student
        ),
    ]


def critic_products(case: Case) -> list[Product]:
    """Return the matrix products of the critics."""
    batch, width, embedding = case.batch_size, case.width, case.embedding_width
    passes = (5 if case.single_step else 6) * case.num_critics
    rows = batch * case.num_quantiles
    if case.critic != "quantile":
        pair = case.observation_dim + case.action_dim
        outputs = case.num_atoms if case.critic == "categorical" else 1
        layers = (width,) * case.critic_layers
        sizes = itertools.pairwise((pair, *layers, outputs))
        return [Product(rows=batch, inner=x, columns=y, times=passes) for x, y in sizes]
    by_actor = 2 * case.num_critics
    risk_rows = batch * (case.num_risk_quantiles or case.num_quantiles)
    return [
        Product(rows=rows, inner=embedding, columns=width, times=passes - by_actor),
        Product(rows=rows, inner=width, columns=1, times=passes - by_actor),
        Product(rows=risk_rows, inner=embedding, columns=width, times=by_actor),
        Product(rows=risk_rows, inner=width, columns=1, times=by_actor),
        Product(rows=batch, inner=case.observation_dim, columns=width, times=passes),
        Product(rows=batch, inner=case.action_dim, columns=width, times=passes),
        Product(rows=batch, inner=2 * width, columns=embedding, times=passes),
    ]


def update_flop(case: Case) -> int:
    """Return the FLOP of the matrix products of one update, counted by hand."""
    return sum(product.flop for product in products(case))


def dominating_shape(case: Case) -> tuple[int, int, int]:
    """Return M, K, N of the matrix product with most FLOP over all layers."""
    total: dict[tuple[int, int, int], int] = {}
    for product in products(case):
        shape = product[:3]
        total[shape] = total.get(shape, 0) + product.flop
    return max(total, key=lambda shape: total[shape])


def count_by_xla(case: Case) -> Count:
    """Return XLA's counts for one update.

    XLA counts the body of a loop once, so that the counted update has no loops: its
    batch is not divided into micro-batches, and its sampler is unrolled. The counts of
    a longer sampler are extrapolated from two short ones, as all steps cost the same.
    """
    steps = case.sampler_steps
    if steps <= UNROLLED_STEPS:
        return count_unrolled(case)
    short, long = (
        count_unrolled(dataclasses.replace(case, sampler_steps=count))
        for count in (SHORT, LONG)
    )
    beyond = (steps - SHORT) / (LONG - SHORT)
    return Count(
        flop=short.flop + beyond * (long.flop - short.flop),
        num_bytes=short.num_bytes + beyond * (long.num_bytes - short.num_bytes),
    )


def count_unrolled(case: Case) -> Count:
    """Return XLA's counts for one update with an unrolled sampler."""
    agent = case.agent(whole_batch)
    key = jax.eval_shape(lambda: jax.random.key(0))
    batch = jax.eval_shape(
        lambda key: rj.sample_batch(case.dataset(), key, case.batch_size),
        key,
    )
    state = jax.eval_shape(agent.init, key, batch)
    arguments = (state, batch, key, rj.Hyperparams())
    compiled = jax.jit(agent.update).lower(*arguments).compile()
    counted: Any = compiled.cost_analysis()
    return Count(flop=counted["flops"], num_bytes=counted["bytes accessed"])
