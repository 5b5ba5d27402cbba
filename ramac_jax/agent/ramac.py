"""RAMAC: a generative actor and a distributional critic under one update."""

from functools import partial

import flax
import jax
import jax.numpy as jnp
import optax

from ramac_jax import acting, risk
from ramac_jax.agent import noise, update
from ramac_jax.agent.config import AgentConfig
from ramac_jax.agent.optimizer import ADAM
from ramac_jax.compute import whole_batch
from ramac_jax.errors import InputError, check_counts, check_kind
from ramac_jax.pickling import picklable
from ramac_jax.types import (
    Actor,
    Agent,
    Array,
    ConservativeFn,
    Critic,
    Key,
    MicroBatchFn,
    Params,
    RiskMeasureFn,
    Scalar,
    State,
    Transition,
)


@picklable
def ramac_agent(
    actor: Actor,
    critic: Critic,
    risk_measure: RiskMeasureFn = risk.cvar,
    num_quantiles: int = 32,
    *,
    num_risk_quantiles: int | None = None,
    conservative: ConservativeFn | None = None,
    num_candidates: int = 10,
    num_penalty_quantiles: int | None = None,
    normalize_value: bool = False,
    target_steps: int = 1,
    independent_targets: bool = False,
    ood_actions: bool = False,
    single_step: bool = False,
    optimizer: optax.GradientTransformation = ADAM,
    micro_batch: MicroBatchFn = whole_batch,
) -> Agent:
    """Build an `Agent` from an actor, a critic and a risk measure.

    With `diffusion_actor` this is RADAC, with `flow_actor` RAFMAC.

    Args:
      actor: the policy that learns and acts.
      critic: the value of its actions, and the loss by which the critic learns.
      risk_measure: one of `ramac_jax.risk`, or a function `(tau, level) -> tau`.
      num_quantiles: N, fractions drawn per update, shared by the batch. A critic of
        means alone is read at one, whatever this and the next numbers of fractions say.
      num_risk_quantiles: fractions of the actor's value, one from each of as many equal
        strata (`random_numbers.stratified`); None: N free draws, as in the paper.
      conservative: penalty on critics that value candidate actions above the data's,
        times `conservative_weight`; None: none.
      num_candidates: C, drawn uniformly, and C more from the policy, for each row.
      num_penalty_quantiles: fractions of the penalty, one from each of as many equal
        strata; None: those of the critics' loss.
      normalize_value: divide the actor's objective by its mean absolute value in the
        batch (Fujimoto and Gu, 2021), so that one weight suits any scale of returns.
      target_steps: n, rewards of the data that a target of the critics sums before it
        asks the critics for the rest, gamma^n Z(s_n, a'); where
        `Hyperparams.target_lambda` is below 1, up to as many. More steps carry rare
        penalties further in one update and lean towards the data's own policy; 1: the
        paper. `make_train` and `train_population` join the steps, and above 1 need
        `Transition.steps`; in a loop of your own, `sample_batch` does.
      independent_targets: each critic learns from its own target network
        (Ghasemipour et al., 2022). The least of all, the paper's, lies below every one,
        and each backup lowers it further where the critics disagree.
      ood_actions: sample actions out of distribution in each update, and teach a
        categorical critic their class with the weight `Hyperparams.ood_weight`. Without
        them an update has one pass of the critics less, and the weight no effect:
        `train_population` refuses one above 0 where the critics have the class.
      single_step: take every transition for the end of its episode, as in a contextual
        bandit: a target is the reward, and no update samples next actions.
        `train_population` refuses other data; `update` and `make_train`, whose data may
        be traced, do not look.
      optimizer: an `optax.GradientTransformation` that needs no more than gradients,
        state and parameters, with a learning rate of 1, of the actor and of each
        critic; the hyperparameters' learning rates multiply its updates. Of
        `optax.MultiSteps`, give its `gradient_transformation()`. The parameters of a
        network are one vector, so that a transformation which treats each layer
        separately sees a single layer.
      micro_batch: how many rows the critics compute at a time
        (`devices.cache.fit_cache` suits a CPU); the results are the same but for
        rounding.

    Raises `InputError` for a part of another type, such as an optimizer that was not
    called, for OOD actions and a critic without a class of them, for a number below 1,
    and for single steps of which a target joins several. `init` raises it for an actor
    whose actions have another shape than the data's.
    """
    check_kind("actor", actor, Actor)
    check_kind("critic", critic, Critic)
    check_kind("optimizer", optimizer, optax.GradientTransformation)
    check_kind("risk_measure", risk_measure)
    check_kind("micro_batch", micro_batch)
    if conservative is not None:
        check_kind("conservative", conservative)
    for name, flag in (
        ("normalize_value", normalize_value),
        ("independent_targets", independent_targets),
        ("ood_actions", ood_actions),
        ("single_step", single_step),
    ):
        check_kind(name, flag, bool)
    check_counts(
        num_quantiles=num_quantiles,
        num_risk_quantiles=num_risk_quantiles,
        num_candidates=num_candidates,
        num_penalty_quantiles=num_penalty_quantiles,
        target_steps=target_steps,
    )
    if critic.mean_only:
        num_quantiles, num_risk_quantiles, num_penalty_quantiles = 1, None, None
    if single_step and target_steps > 1:
        raise InputError(
            f"single_step is True and target_steps is {target_steps}: give 1"
        )
    ignores_ood_weight = not ood_actions and critic.ood_loss is not None
    if not ood_actions:
        critic = critic._replace(ood_loss=None)
    elif critic.ood_loss is None:
        raise InputError(
            "ood_actions is True and the critic has no class of OOD actions: give a "
            "categorical_critic, or leave ood_actions out"
        )
    config = AgentConfig(
        actor=actor,
        critic=critic,
        risk_measure=risk_measure,
        num_quantiles=num_quantiles,
        num_risk_quantiles=num_risk_quantiles,
        conservative=conservative,
        num_candidates=num_candidates,
        num_penalty_quantiles=num_penalty_quantiles,
        normalize_value=normalize_value,
        independent_targets=independent_targets,
        single_step=single_step,
        optimizer=optimizer,
        micro_batch=micro_batch,
    )
    return Agent(
        init=partial(init, config),
        draw_noise=partial(noise.draw_noise, config),
        update_from_noise=partial(update.update_from_noise, config),
        act=partial(act, config),
        risk_measure=risk_measure,
        target_steps=target_steps,
        single_step=single_step,
        ignores_ood_weight=ignores_ood_weight,
    )


def init(config: AgentConfig, key: Key, example: Transition) -> State:
    """Draw the first parameters."""
    actor_key, critic_key = jax.random.split(key)
    actor_params = config.actor.init(actor_key, example.observation, example.action)
    check_actions(config.actor, actor_params, example)
    critic_params = config.critic.init(critic_key, example.observation, example.action)
    copy = partial(jax.tree.map, jnp.copy)  # donation needs separate buffers
    return State(
        actor_params=actor_params,
        target_actor_params=copy(actor_params),
        critic_params=critic_params,
        target_critic_params=copy(critic_params),
        actor_opt_state=config.optimizer.init(actor_params),
        critic_opt_state=jax.vmap(config.optimizer.init)(critic_params),
        step=jnp.zeros((), jnp.int32),
    )


def check_actions(actor: Actor, params: Params, example: Transition) -> None:
    """Raise `InputError` for an actor of another number of action dimensions."""
    try:
        key = jax.eval_shape(lambda: jax.random.key(0))
        found = jax.eval_shape(actor.sample, params, example.observation, key).shape
    except flax.errors.ScopeParamShapeError:  # a network of another width
        found = None
    wanted = jnp.shape(example.action)
    if found != wanted:
        given = "others" if found is None else f"actions of shape {list(found)}"
        raise InputError(
            f"the data's actions have shape {list(wanted)} and the actor makes "
            f"{given}: build it with action_dim={wanted[-1]}"
        )


def act(
    config: AgentConfig,
    state: State,
    observation: Array,
    key: Key,
    *,
    temperature: Scalar = 1.0,
    num_candidates: int = 1,
    risk_level: Scalar | None = None,
    softmax_temperature: Scalar = 0.0,
) -> Array:
    """Draw one action per observation from the policy in training; see `ActFn`."""
    rule = acting.ActingRule(
        actor=config.actor,
        critic=config.critic,
        risk_measure=config.risk_measure,
        num_quantiles=config.num_quantiles,
        num_candidates=num_candidates,
    )
    params = acting.ActingParams(actor=state.actor_params, critic=state.critic_params)
    numbers = acting.ActingNumbers(temperature, risk_level, softmax_temperature)
    return acting.act(rule, params, observation, key, numbers)
