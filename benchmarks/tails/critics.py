"""The critics that are compared, each with the settings of its targets."""

from typing import NamedTuple


class Settings(NamedTuple):
    """A critic and its targets; the defaults are those of RADAC and RAFMAC."""

    critic: str = "categorical"  # or "quantile"
    num_critics: int = 2
    num_quantiles: int = 32  # N, draws of a target, and quantiles of a quantile critic
    target_steps: int = 3
    target_lambda: float = 0.1
    independent_targets: bool = True  # each critic's own; no: from the least critic
    num_atoms: int = 101  # of a categorical critic
    critic_learning_rate: float = 3e-3
    ood_weight: float = 0.0  # of a categorical critic
    num_cosines: int = 64  # of a quantile critic
    huber_threshold: float = 1.0  # kappa of a quantile critic, in scaled rewards
    reward_scale: float | None = 1.0  # None: 1 / (3 deviations of the data's returns)


ONE_STEP = Settings(target_steps=1, target_lambda=1.0)
QUANTILE = ONE_STEP._replace(
    critic="quantile",
    independent_targets=False,
    critic_learning_rate=1e-3,
)
CRITICS = {
    "categorical": Settings(),
    "categorical, shared targets": Settings(independent_targets=False),
    "categorical, 5 critics": Settings(num_critics=5),
    "categorical, 1 step": ONE_STEP,
    "categorical, 5 steps": ONE_STEP._replace(target_steps=5),
    "categorical, 10 steps": ONE_STEP._replace(target_steps=10),
    "paper": QUANTILE,
    "quantile, 8 fractions, rewards x 0.1": QUANTILE._replace(
        num_quantiles=8, num_cosines=16, reward_scale=0.1
    ),
    "quantile, kappa 1, 10 steps": QUANTILE._replace(target_steps=10),
    "pure quantile, 10 steps": QUANTILE._replace(
        target_steps=10, huber_threshold=0.003, reward_scale=None
    ),
}
"""The critics by name."""
DEFAULT = "categorical"
"""The one that RADAC and RAFMAC use."""
