"""The registered parts that the spec of a policy names, and the shapes they have."""

import jax
import jax.numpy as jnp

from ramac_jax.errors import InputError, check_names, first_line
from ramac_jax.policy_record import CriticSpec, PolicySpec, Record
from ramac_jax.registry import ACTORS, CRITICS, RISK_MEASURES
from ramac_jax.storage import check_layout, layout
from ramac_jax.types import Actor, Critic, InitFn, Params, RiskMeasureFn

PARAMS = "actor_params"  # the field of `State` that acts
CRITIC_PARAMS = "critic_params"


def build_actor(spec: PolicySpec) -> Actor:
    """Build the registered actor of a spec.

    Raises `InputError` for the user's own actor, and for a name that is not registered.
    """
    if spec.actor is None:
        raise InputError("the policy has an actor of your own: give actor=...")
    check_names("actor", [spec.actor], ACTORS)
    return ACTORS[spec.actor].load()(spec.action_dim, **spec.actor_options)


def build_critic(spec: CriticSpec) -> Critic:
    """Build the registered critic of a spec.

    Raises `InputError` for the user's own critic, and for a name that is not
    registered.
    """
    if spec.name is None:
        raise InputError("the policy has critics of your own: give critic=...")
    check_names("critic", [spec.name], CRITICS)
    return CRITICS[spec.name].load()(**spec.options)


def find_risk_measure(spec: CriticSpec) -> RiskMeasureFn:
    """Return the registered risk measure of a spec; `InputError` for another name."""
    check_names("risk measure", [spec.risk_measure], RISK_MEASURES)
    return RISK_MEASURES[spec.risk_measure].load()


def stored_shapes(field: str, init: InitFn, record: Record, states: str) -> Params:
    """Return the shapes of a population's parameters in a field of `State`.

    Raises `InputError` where the states, named in words, have other ones.
    """
    example = [
        jax.ShapeDtypeStruct((1, size), jnp.float32)
        for size in (record.spec.observation_dim, record.spec.action_dim)
    ]
    stored = {k: v for k, v in record.layout.items() if k.split("/")[0] == field}
    try:
        one = jax.eval_shape(init, jax.random.key(0), *example)
        everyone = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct((record.population, *x.shape), x.dtype), one
        )
        check_layout(stored, layout({field: everyone}))
    except Exception as error:  # a user's own actor may raise anything
        part = field.partition("_")[0]
        raise InputError(
            f"{states} and the {part} do not fit: {first_line(error)}"
        ) from error
    return everyone
