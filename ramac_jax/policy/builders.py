"""The registered parts that the spec of a policy names."""

from ramac_jax.errors import InputError, check_names
from ramac_jax.policy_record import CriticSpec, PolicySpec
from ramac_jax.registry import ACTORS, CRITICS, RISK_MEASURES
from ramac_jax.types import Actor, Critic, RiskMeasureFn


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
