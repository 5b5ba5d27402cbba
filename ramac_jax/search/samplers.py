"""Samplers of Optuna by name, each of which asks the same again from the same history.

What a trial is asked depends on the seed of the search, the number of the trial and the
trials in the storage alone. So a search that was killed resumes as if nothing happened.
"""

import importlib.util
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from ramac_jax.errors import InputError, check_names
from ramac_jax.extras import require
from ramac_jax.registry import SAMPLERS
from ramac_jax.search.lineage import first_number, roots
from ramac_jax.search.space import Choice, Range, Space, distributions, encode
from ramac_jax.search.storage import quiet_optuna


def make_sampler(name: str, space: Space, *, seed: int = 0) -> BaseSampler:
    """Make the sampler of a name, for a study of this space.

    Args:
      name: "grid" (every combination of choices, in order), "random", "qmc" (a
        scrambled Sobol sequence), "tpe", "cmaes" or "gp".
      space: what the search varies.
      seed: of the search.

    Raises `InputError` for an unknown name, a space that the sampler cannot search, and
    a package that is not installed.
    """
    check_names("sampler", [name], SAMPLERS)
    if seed < 0:
        raise InputError(f"the seed of the search is {seed}: give 0 or more")
    if name == "grid":
        return GridSampler(space)
    relative = {k: x for k, x in distributions(space).items() if not x.single()}
    if name == "cmaes":
        require("cmaes", "the sampler cmaes")
        relative = {
            k: x
            for k, x in relative.items()
            if not isinstance(x, CategoricalDistribution)
        }
        if len(relative) < 2:
            raise InputError("the sampler cmaes needs two ranges or more: give another")
    if name == "gp" and importlib.util.find_spec("torch") is None:
        raise InputError("the sampler gp needs torch: pip install torch")
    if name == "random":
        relative = {}
    makers: dict[str, Callable[[int], BaseSampler]] = {
        "random": lambda x: optuna.samplers.RandomSampler(seed=x),
        "qmc": lambda x: optuna.samplers.QMCSampler(
            scramble=True, seed=seed, warn_independent_sampling=False
        ),
        # benchmarks/README.md compares these settings with others.
        "tpe": lambda x: optuna.samplers.TPESampler(
            seed=x, multivariate=True, constant_liar=True
        ),
        "cmaes": lambda x: optuna.samplers.CmaEsSampler(
            seed=x, warn_independent_sampling=False
        ),
        "gp": lambda x: optuna.samplers.GPSampler(
            seed=x, deterministic_objective=False
        ),
    }
    return SeededSampler(makers[name], relative, list(space), seed)


class SeededSampler(BaseSampler):
    """A sampler of Optuna, made anew for each trial from the trial's own seed."""

    def __init__(
        self,
        make: Callable[[int], BaseSampler],
        relative: dict[str, BaseDistribution],
        names: Sequence[str],
        seed: int,
    ):
        """Wrap a sampler.

        Args:
          make: (seed) -> sampler.
          relative: parameters that it samples together; the others one by one.
          names: of all parameters.
          seed: of the search.
        """
        self.make, self.relative, self.names, self.seed = make, relative, names, seed

    def made_for(self, trial: FrozenTrial, part: int) -> BaseSampler:
        """Return the sampler for a part of a trial."""
        seeds = np.random.SeedSequence([self.seed, first_number(trial), part])
        with quiet_optuna():
            return self.make(int(seeds.generate_state(1)[0]))

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the known space; none for a trial that has its parameters."""
        known = all(name in trial.params for name in self.names)
        return {} if known else self.relative

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """Sample the parameters that the sampler knows together."""
        return self.made_for(trial, 0).sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Sample one parameter."""
        sampler = self.made_for(trial, 1 + self.names.index(param_name))
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Let the sampler see the result of a trial."""
        self.made_for(trial, 0).after_trial(study, trial, state, values)


class GridSampler(BaseSampler):
    """Every combination of the choices once; the last parameter varies fastest.

    The sampler of Optuna draws the points at random, and processes draw the same one.
    """

    def __init__(self, space: Space):
        """List the grid; `InputError` where a parameter has a range."""
        for name, parameter in space.items():
            if isinstance(parameter, Range):
                raise InputError(
                    f"the sampler grid takes no range, and {name} has one: list its "
                    "values, or give another sampler"
                )
        distributions(space)
        values = [x.values for x in space.values() if isinstance(x, Choice)]
        self.points = [
            dict(zip(space, map(encode, point), strict=True))
            for point in itertools.product(*values)
        ]

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return no space: each parameter is looked up."""
        return {}

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """Sample nothing together."""
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return the value of the trial's point of the grid."""
        # A study that a pruner filters does not list all of its trials.
        everyone = study._storage.get_all_trials(study._study_id, deepcopy=False)
        place = sum(number < first_number(trial) for number in roots(everyone))
        return self.points[place % len(self.points)][param_name]
