"""A one-step student of a flow, and its teacher: the actor of FQL."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ramac_jax.actors.flow import flow_actor
from ramac_jax.compute.flat_params import functional
from ramac_jax.errors import InputError, check_counts, check_kind
from ramac_jax.networks.layers import MLP
from ramac_jax.pickling import picklable
from ramac_jax.types import Actor, Array, Key, Params


@picklable
def distilled_actor(
    teacher: Actor, action_dim: int, *, widths: Sequence[int] = (128, 128)
) -> Actor:
    """Build an `Actor` that acts in one step as its teacher does in many.

    Flow Q-learning (Park et al., 2025): the teacher clones the behaviour. The student
    a = clip(mu(s, z)) follows the teacher from the same noise; it acts, and receives
    the gradient of the value. The teacher learns by cloning alone.

    Args:
      teacher: an actor whose noise is [..., A], such as `flow_actor`.
      action_dim: A.
      widths: hidden layers of the student.

    Raises `InputError` for a teacher that is no actor and for a number below 1. `init`
    raises it for a teacher whose noise has another shape.
    """
    check_kind("teacher", teacher, Actor)
    check_counts(action_dim=action_dim, widths=widths)
    student = functional(MLP(tuple(widths), action_dim))

    def step(params: Params, observation: Array, noise: Array) -> Array:
        inputs = jnp.concatenate([observation, noise], axis=-1)
        return student.apply(params["student"], inputs)

    def init(key: Key, observation: Array, action: Array) -> Params:
        noise = jax.eval_shape(teacher.draw_noise, observation, key)
        shapes = [list(leaf.shape) for leaf in jax.tree.leaves(noise)]
        if shapes != [list(action.shape)]:
            raise InputError(
                f"the teacher's noise has shapes {shapes} and its actions "
                f"{list(action.shape)}: give a teacher whose noise has the shape of an "
                "action, such as flow_actor"
            )
        teacher_key, student_key = jax.random.split(key)
        pair = jnp.concatenate([observation, action], axis=-1)
        return {
            "teacher": teacher.init(teacher_key, observation, action),
            "student": student.init(student_key, pair),
        }

    def sample_from_noise(params: Params, observation: Array, noise: Array) -> Array:
        return jnp.clip(step(params, observation, noise), -1.0, 1.0)

    def draw_bc_noise(observation: Array, key: Key) -> tuple[Any, Array]:
        """Draw the teacher's cloning noise, and the start of both samplers."""
        cloning_key, noise_key = jax.random.split(key)
        return (
            teacher.draw_bc_noise(observation, cloning_key),
            teacher.draw_noise(observation, noise_key),
        )

    def bc_loss_from_noise(
        params: Params, observation: Array, action: Array, noise: tuple[Any, Array]
    ) -> Array:
        """Return the teacher's own loss + E|mu(s, z) - teacher(s, z)|^2 / A.

        The two terms share no parameter, so they need no weight between them.
        """
        cloning_noise, start = noise
        teaching = teacher.sample_from_noise(params["teacher"], observation, start)
        error = step(params, observation, start) - jax.lax.stop_gradient(teaching)
        cloned = teacher.bc_loss_from_noise(
            params["teacher"], observation, action, cloning_noise
        )
        return cloned + jnp.mean(error**2)

    return Actor(
        init=init,
        draw_noise=teacher.draw_noise,
        sample_from_noise=sample_from_noise,
        draw_bc_noise=draw_bc_noise,
        bc_loss_from_noise=bc_loss_from_noise,
    )


def distilled_flow_actor(
    action_dim: int,
    num_steps: int = 10,
    *,
    widths: Sequence[int] = (128, 128, 128),
    time_width: int = 4,
    student_widths: Sequence[int] = (128, 128),
) -> Actor:
    """Build FQL's `Actor`: a student of `flow_actor`, whose options the others are."""
    teacher = flow_actor(action_dim, num_steps, widths=widths, time_width=time_width)
    return distilled_actor(teacher, action_dim, widths=student_widths)
