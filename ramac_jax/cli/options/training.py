"""Options of the population and of its schedule."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """The population and its schedule; lengths are counted in updates."""

    num_seeds: int = 1
    """Agents trained together, with seeds SEED, SEED + 1, ..."""
    seed: int = 0
    """First seed. The run of an agent depends on its own seed alone, but for
    rounding."""
    bc_steps: int = 0
    """Cheap updates of behaviour cloning alone, before all others."""
    num_steps: int = 100_000
    """Updates of each agent, after those of --bc-steps."""
    batch_size: int = 256
    """Transitions per update."""
    log_every: int = 500
    """Updates between two rows of metrics, each row the mean over them."""
    save_every: int = 1_000
    """Updates between two checkpoints of an unfinished run; the last two are kept."""
    memory: float | None = None
    """GiB of each device to train in, of all cores of a CPU together, in several rounds
    if need be; None: what is free. A resumed run keeps its rounds."""

    @property
    def seeds(self) -> range:
        """One seed for each agent of the population."""
        return range(self.seed, self.seed + self.num_seeds)
