"""An exported policy, read from its folder: it acts in episodes as any policy."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ramac_jax.acting import ActingOptions, check_number
from ramac_jax.compute import random_numbers
from ramac_jax.errors import InputError
from ramac_jax.export.program import BATCH
from ramac_jax.hyperparams import ANY, WEIGHT
from ramac_jax.observations import Layout, flatten, is_structured
from ramac_jax.policy.distance import warn_of_distance
from ramac_jax.policy_record import read_layout
from ramac_jax.registry import RISK_MEASURES
from ramac_jax.types import Array, Key


class ExportedPolicy:
    """The policy of one agent as a program, without its parameters.

    It acts in the environment's units, on NumPy arrays, outside of compiled functions.
    """

    population = 1

    def __init__(self, record: Mapping[str, Any], run: Any, file: str) -> None:
        self.record = record
        self.run = run  # (observation, noise, temperature, risk_level) -> its outputs
        self.file = file
        self.num_candidates: int = record["acting"]["num_candidates"]
        shapes = {
            x["name"]: x["shape"] for x in [*record["inputs"], *record["outputs"]]
        }
        self.observation_dim: int = shapes["observation"][-1]
        self.action_dim: int = shapes["action"][-1]
        self.noise_shape = tuple(shapes["noise"])

    @property
    def observation_centre(self) -> np.ndarray | None:
        """What an observation is reduced by before it is rounded: [O], or None."""
        centre = self.record.get("observation_centre")
        return None if centre is None else np.asarray(centre, np.float64)

    @property
    def layout(self) -> Layout | None:
        """The parts of an observation, which are flattened; None: it is a vector."""
        return read_layout(self.record.get("observation_layout"))

    def resolve(self, options: ActingOptions) -> ActingOptions:
        """Return the options with the level that ranks, by default that of training.

        Raises `InputError` for options by which the program cannot act.
        """
        check_number("temperature", options.temperature, WEIGHT)
        if options.softmax_temperature != 0.0:
            raise InputError(
                f"softmax_temperature is {options.softmax_temperature:g}, and an "
                "exported policy takes the best of its candidates: give 0"
            )
        if options.num_candidates != self.num_candidates:
            raise InputError(
                f"num_candidates is {options.num_candidates}, and this policy was "
                f"exported with {self.num_candidates}: give {self.num_candidates}, or "
                "export it again"
            )
        level, acting = options.risk_level, self.record["acting"]
        if self.num_candidates == 1:
            return options
        level = acting["risk_level"] if level is None else level
        if level is None:
            raise InputError("no level of risk ranks the candidates: give risk_level")
        name = acting["risk_measure"]
        allowed = RISK_MEASURES[name].load().levels if name in RISK_MEASURES else ANY
        check_number("risk_level", level, allowed)
        return options._replace(risk_level=level)

    def act_from_noise(
        self, observation: Any, noise: Any, options: ActingOptions
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return actions [B, A] and scores [B] of centred observations [B, O].

        The noise has the shape that `policy.json` gives. Nothing is refused.
        """
        level = 1.0 if options.risk_level is None else options.risk_level
        numbers = np.float32(options.temperature), np.float32(level)
        action, score = self.run(
            np.asarray(observation, np.float32), np.asarray(noise), *numbers
        )
        return action, score

    def act_fn(self, options: ActingOptions) -> Callable[..., Array]:
        """Return the function that plays episodes, as `ramac_jax.evaluation` calls it.

        The noise of an action is that of the policy that was exported, drawn from the
        same keys.
        """
        options = self.resolve(options)
        of_one = tuple(size for size in self.noise_shape if size != BATCH)
        axis = self.noise_shape.index(BATCH)

        @jax.jit
        @partial(jax.vmap, in_axes=(0, None), out_axes=axis)
        def draw(seed: Array, step: Array) -> Array:
            key = jax.random.fold_in(jax.random.key(seed), step)
            return random_numbers.normal(key, of_one, jnp.float32)

        def act(observation: Any, seeds: Any, step: Any) -> Array:
            noise = draw(seeds[0], step)
            action, _ = self.act_from_noise(observation[0], noise, options)
            return jnp.asarray(action[None])

        return act

    def __call__(
        self, observation: Any, key: Key, options: ActingOptions | None = None
    ) -> np.ndarray:
        """Draw one action [B, A] for each observation [B, O].

        Args:
          observation: [B, O], in the environment's units. Where the policy was trained
            on observations with parts, also dictionaries or tuples of [B, ...].
          key: for the noise of all actions.
          options: how to act; None: as trained, with the candidates of the export.

        Warns with `OODWarning` of observations far from the training data. Raises
        `InputError` for observations of another shape or that are not finite, and for
        options by which the program cannot act.
        """
        if self.layout is not None and is_structured(observation):
            observation = flatten(self.layout, observation)
        given = np.asarray(observation)
        if given.ndim != 2 or given.shape[1] != self.observation_dim:
            raise InputError(
                f"observation has shape {list(given.shape)}: this policy reads "
                f"[B, {self.observation_dim}]"
            )
        centre = self.observation_centre
        observation = given if centre is None else given.astype(np.float64) - centre
        observation = observation.astype(np.float32)
        as_exported = ActingOptions(num_candidates=self.num_candidates)
        options = self.resolve(options or as_exported)
        shape = tuple(len(observation) if x == BATCH else x for x in self.noise_shape)
        noise = random_numbers.normal(key, shape, jnp.float32)
        action, score = self.act_from_noise(observation, noise, options)
        warn_of_distance(self.record["ood_threshold"], score, stacklevel=3)
        return action
