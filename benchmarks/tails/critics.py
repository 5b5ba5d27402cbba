"""The critics that are compared, each with the settings of its targets."""

from typing import NamedTuple


class Settings(NamedTuple):
    """A critic and its targets."""

    num_critics: int = 2
    num_quantiles: int = 16  # N, of the prediction and of the target
    num_cosines: int = 32
    huber_threshold: float = 0.05  # kappa, in scaled rewards
    window: int = 10  # steps of a target
    reward_scale: float | None = None  # None: 1 / (3 deviations of the data's returns)


CRITICS = {
    "paper": Settings(
        num_quantiles=32,
        num_cosines=64,
        huber_threshold=1.0,
        window=1,
        reward_scale=1.0,
    ),
    "presets": Settings(
        num_quantiles=8, num_cosines=16, huber_threshold=1.0, window=1, reward_scale=0.1
    ),
    "multi-step": Settings(
        num_quantiles=8, num_cosines=16, huber_threshold=1.0, reward_scale=1.0
    ),
    "small kappa": Settings(window=1),
    "scaled multi-step": Settings(),
    "scaled multi-step, one critic": Settings(num_critics=1),
    "scaled multi-step, 20 steps": Settings(
        num_quantiles=32, num_cosines=64, huber_threshold=0.02, window=20
    ),
}
"""The critics by name."""
DEFAULT = "presets"
"""The one that RADAC and RAFMAC of the tuned presets use."""
