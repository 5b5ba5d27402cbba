"""From options to an agent, and to a trained population of it."""

from pathlib import Path
from typing import Any

import ramac_jax as rj
from ramac_jax import policy as checkpoints
from ramac_jax import population as populations
from ramac_jax.cli import console
from ramac_jax.cli.options.precision import training_actor, training_in
from ramac_jax.cli.options.train import (
    CHANGES_NOTHING,
    Arguments,
)
from ramac_jax.cli.signals import noted_signals
from ramac_jax.compute import whole_batch
from ramac_jax.data.loading import OfflineDataset
from ramac_jax.devices.cache import fit_cache
from ramac_jax.normalization import Scaling
from ramac_jax.registry import ACTORS, HEADS, PENALTIES, PRECISIONS, RISK_MEASURES
from ramac_jax.validation import check_names

CLONED_BY = ("actor_learning_rate", "max_grad_norm", "ema_rate", "bc_weight")
"""All that the agent of `build_cloner` reads of its hyperparameters."""


def policy_spec(arguments: Arguments, scaling: Scaling) -> checkpoints.PolicySpec:
    """The actor asked for, every option of its builder's that JSON holds spelled out.

    Nothing of it is about training: it acts in float32, whatever it was trained in.

    Raises `InputError` for an option that this kind of actor does not know.
    """
    given = {
        "num_steps": arguments.sampler_steps,
        "widths": arguments.actor_widths,
        "radius": arguments.radius,
    }
    given = {name: value for name, value in given.items() if value is not None}
    options = dict(ACTORS[arguments.actor].options)
    check_names(f"option of the {arguments.actor} actor", given, options)
    return checkpoints.PolicySpec(
        scaling=scaling, actor=arguments.actor, actor_options=options | given
    )


def build_cloner(arguments: Arguments, spec: checkpoints.PolicySpec) -> rj.Agent:
    """Behaviour cloning alone, whose update costs a tenth of the others'."""
    actor = training_actor(spec, arguments.precision)
    return rj.ramac_agent(actor, rj.constant_critic(), rj.risk.neutral, num_quantiles=1)


def build_agent(arguments: Arguments, spec: checkpoints.PolicySpec) -> rj.Agent:
    """The agent that the options describe."""
    if not arguments.num_critics:
        return build_cloner(arguments, spec)
    micro_batch: rj.types.MicroBatchFn = whole_batch
    if arguments.critic == "value":
        widths = (arguments.critic_width,) * 2
        critic = rj.value_critic(arguments.num_critics, widths=widths)
    else:
        critic = rj.iqn_critic(
            arguments.num_critics,
            width=arguments.critic_width,
            embedding_width=arguments.embedding_width,
            num_cosines=arguments.num_cosines,
            head=HEADS[arguments.head].load(),
            dtype=PRECISIONS[arguments.precision].dtype,
        )
        micro_batch = fit_cache(arguments.critic_width)
    penalty = arguments.conservative
    return rj.ramac_agent(
        training_actor(spec, arguments.precision),
        critic,
        RISK_MEASURES[arguments.distortion].load(),
        arguments.num_quantiles,
        num_risk_quantiles=arguments.num_risk_quantiles,
        conservative=None if penalty is None else PENALTIES[penalty].load(),
        num_candidates=arguments.num_candidates,
        normalize_value=arguments.normalize_value,
        micro_batch=micro_batch,
    )


def train_members(
    arguments: Arguments,
    dataset: OfflineDataset,
    members: populations.Members,
    folder: Path,
    *,
    num_steps: int | None = None,
    initial: populations.InitialStates | None = None,
    evaluate: populations.EvalCallback | None = None,
    report: Any,
) -> populations.Trained:
    """Train a population as the options say.

    Args:
      arguments: the options.
      dataset: to train on, rewards as they are.
      members: seeds and hyperparameters, which stand above those of the options.
      folder: for its checkpoints; the run there is gone on with.
      num_steps: updates at the end; None: as the options say.
      initial: states to start from; None: fresh ones, pretrained as the options say.
      evaluate: see `ramac_jax.population.Callbacks`.
      report: likewise.
    """
    spec = policy_spec(arguments, dataset.scaling)
    rewards = arguments.reward_scale * dataset.transitions.reward
    schedule = populations.Schedule(
        num_steps=num_steps or arguments.num_steps,
        batch_size=arguments.batch_size,
        log_every=arguments.log_every,
        save_every=arguments.save_every,
        eval_every=arguments.eval_every if evaluate is not None else None,
    )
    pretraining = populations.Pretraining(
        agent=build_cloner(arguments, spec),
        num_steps=arguments.bc_steps,
        hyperparams_read=CLONED_BY,
    )
    with training_in(arguments.precision), noted_signals() as noted_signal:
        return populations.train_population(
            build_agent(arguments, spec),
            dataset.transitions._replace(reward=rewards),
            members,
            schedule,
            start=pretraining if initial is None else initial,
            callbacks=populations.Callbacks(
                evaluate=evaluate,
                report=report,
                warn=console.warn,
                should_stop=noted_signal,
            ),
            storage=populations.Storage(
                folder=folder, settings=lasting_options(arguments)
            ),
            memory=None if arguments.memory is None else int(arguments.memory * 2**30),
        )


def lasting_options(arguments: Arguments) -> dict[str, Any]:
    """The options that a run must be gone on with unchanged, for JSON."""
    options = vars(arguments).items()
    kept = {k: v for k, v in options if k not in CHANGES_NOTHING | {"hyperparams"}}
    return kept | {"hyperparams": arguments.hyperparams._asdict()}
