"""From options to an agent."""

import inspect

import ramac_jax as rj
from experiments.options import DISTORTIONS, Arguments
from ramac_jax import checkpoints
from ramac_jax.actors import BUILDERS
from ramac_jax.scaling import Scaling
from ramac_jax.validation import check_names


def policy_spec(arguments: Arguments, scaling: Scaling) -> checkpoints.PolicySpec:
    """The actor asked for, every option of its builder's that JSON holds spelled out.

    Raises `InputError` for an option that this kind of actor does not know.
    """
    given = {"num_steps": arguments.sampler_steps, "widths": arguments.actor_widths}
    given = {name: value for name, value in given.items() if value is not None}
    options = {
        name: parameter.default
        for name, parameter in inspect.signature(
            BUILDERS[arguments.actor]
        ).parameters.items()
        if isinstance(parameter.default, int | float | tuple)
    }
    check_names(f"option of the {arguments.actor} actor", given, options)
    return checkpoints.PolicySpec(arguments.actor, options | given, scaling)


def build_cloner(spec: checkpoints.PolicySpec) -> rj.Agent:
    """Behaviour cloning alone, whose update costs a tenth of the others'."""
    actor = checkpoints.build_actor(spec)
    return rj.ramac(actor, rj.constant_critic(), rj.risk.neutral, num_quantiles=1)


def build_agent(arguments: Arguments, spec: checkpoints.PolicySpec) -> rj.Agent:
    """The agent that the options describe."""
    if not arguments.num_critics:
        return build_cloner(spec)
    critic = rj.iqn_critic(
        arguments.num_critics,
        width=arguments.critic_width,
        embedding_width=arguments.embedding_width,
        num_cosines=arguments.num_cosines,
    )
    distortion = DISTORTIONS[arguments.distortion][0]
    actor = checkpoints.build_actor(spec)
    return rj.ramac(actor, critic, distortion, arguments.num_quantiles)
