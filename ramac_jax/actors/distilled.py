"""A one-step student of a flow, and its teacher: the actor of FQL."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ramac_jax.actors.flow import flow_actor
from ramac_jax.actors.noise import from_noise
from ramac_jax.compute.flat_params import functional
from ramac_jax.networks.layers import MLP
from ramac_jax.types import Actor, Array, Key, Params
from ramac_jax.validation import InputError


def distilled(
    teacher: Actor, action_dim: int, *, widths: Sequence[int] = (128, 128)
) -> Actor:
    """Build an `Actor` that acts in one step as its teacher does in many.

    Flow Q-learning (Park et al., 2025): the teacher clones the behaviour, the student
    a = clip(mu(s, z)) follows the teacher from the same noise and is what acts and
    receives the gradient of the value. The teacher learns by cloning alone.

    Args:
      teacher: an actor whose noise is [..., A], such as `flow_actor`.
      action_dim: A.
      widths: hidden layers of the student.

    Raises `InputError` for a teacher that is no function of its noise, and in `init`
    for one whose noise has another shape.
    """
    student = functional(MLP(tuple(widths), action_dim))
    draw_noise, teach = teacher.draw_noise, teacher.sample_from_noise
    draw_cloning, clone = teacher.draw_bc_noise, teacher.bc_loss_from_noise
    if draw_noise is None or teach is None or draw_cloning is None or clone is None:
        raise InputError("the teacher keeps its noise to itself: give flow_actor")

    def step(params: Params, observation: Array, noise: Array) -> Array:
        inputs = jnp.concatenate([observation, noise], axis=-1)
        return student.apply(params["student"], inputs)

    def init(key: Key, observation: Array, action: Array) -> Params:
        noise = jax.eval_shape(draw_noise, observation, key)
        if noise.shape != action.shape:
            raise InputError(
                f"the teacher's noise has shape {list(noise.shape)} and its actions "
                f"{list(action.shape)}: give one whose noise is an action's, as "
                "flow_actor's"
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
        """The teacher's, and where both set out from."""
        cloning_key, noise_key = jax.random.split(key)
        return draw_cloning(observation, cloning_key), draw_noise(
            observation, noise_key
        )

    def bc_loss_from_noise(
        params: Params, observation: Array, action: Array, noise: tuple[Any, Array]
    ) -> Array:
        """The teacher's own, and E|mu(s, z) - teacher(s, z)|^2 / A for the student.

        The two share no parameter, so that no weight is needed between them.
        """
        cloning_noise, start = noise
        taught = jax.lax.stop_gradient(teach(params["teacher"], observation, start))
        followed = jnp.mean((step(params, observation, start) - taught) ** 2)
        cloned = clone(params["teacher"], observation, action, cloning_noise)
        return cloned + followed

    return from_noise(
        init, draw_noise, sample_from_noise, draw_bc_noise, bc_loss_from_noise
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
    return distilled(teacher, action_dim, widths=student_widths)
