"""How much each parameter of a study matters, by Optuna's PED-ANOVA.

Watanabe, Bansal and Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter
Importance in Arbitrary Subspaces" (2023).
"""

import optuna
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import TrialState

from ramac_jax.search.storage import quiet_optuna

TOP = 0.25
"""Share of the trials that count as good."""
FEWEST = 20
"""Trials with a score; with fewer, not even five of them are good."""


def importances(study: optuna.Study) -> dict[str, float]:
    """Return the share of each parameter in what tells good trials from the others.

    Of several objectives, the trials nearest to the Pareto front are the good ones. The
    shares add up to 1, the largest first. Empty with fewer than two parameters that
    vary, with fewer than 20 trials that have a score, and where all of them score the
    same.
    """
    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    names = [
        name
        for name in (ended[0].distributions if ended else ())
        if len({trial.params.get(name) for trial in ended}) > 1
    ]
    scores = {tuple(trial.values) for trial in ended}
    if len(ended) < FEWEST or len(names) < 2 or len(scores) < 2:
        return {}
    evaluator = PedAnovaImportanceEvaluator(target_quantile=TOP)
    with quiet_optuna():
        found = optuna.importance.get_param_importances(
            study, evaluator=evaluator, params=names
        )
    return {name: float(share) for name, share in found.items()}
