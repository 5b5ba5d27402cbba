"""Repeatable episodes of environments that draw from NumPy's global generator."""

import contextlib
from collections.abc import Iterator
from typing import Any, SupportsFloat

import gymnasium
import numpy as np
from gymnasium.envs.registration import WrapperSpec
from gymnasium.utils import RecordConstructorArgs


class OwnRandomness(gymnasium.Wrapper, RecordConstructorArgs):  # type: ignore[misc]
    """Give an environment a state of NumPy's global generator of its own.

    OGBench draws the starts of its mazes, and where a teleport leads, by `np.random`,
    which no `reset(seed=...)` seeds. Here the seed of `reset` seeds these draws and
    those of the action space, so that a seed and actions repeat an episode, whatever
    other environments do in between. The state of the global generator is put back
    after each call.
    """

    def __init__(self, env: gymnasium.Env) -> None:
        RecordConstructorArgs.__init__(self)
        gymnasium.Wrapper.__init__(self, env)
        self.state = np.random.RandomState().get_state()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode; a seed also seeds what NumPy's global generator draws."""
        if seed is not None:
            self.state = np.random.RandomState(seed).get_state()
            self.unwrapped.action_space.seed(seed)
        with self.own_state():
            return self.env.reset(seed=seed, options=options)

    def step(
        self, action: Any
    ) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step the environment."""
        with self.own_state():
            return self.env.step(action)

    @contextlib.contextmanager
    def own_state(self) -> Iterator[None]:
        """Exchange the state of the global generator for the environment's own."""
        outside = np.random.get_state()
        np.random.set_state(self.state)
        try:
            yield
        finally:
            self.state = np.random.get_state()
            np.random.set_state(outside)


OWN_RANDOMNESS = WrapperSpec(
    name=OwnRandomness.__name__,
    entry_point=f"{__name__}:{OwnRandomness.__name__}",
    kwargs={},
)
"""The wrapper in the spec of an environment."""
