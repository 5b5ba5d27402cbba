"""Every script of `examples/` runs; tiny sizes, the same code."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[2] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readme_lists_every_script():
    scripts = {path.name for path in FOLDER.glob("*.py")}
    text = (FOLDER / "README.md").read_text()
    assert scripts == {name for name in scripts if f"`{name}`" in text}
    assert len(scripts) == 5


def test_the_embedded_update_learns_to_avoid_the_penalty():
    assert load("embed_update").main() > 0.9


def test_the_sweep_reports_every_weight():
    module = load("sweep_with_vmap")
    reported = module.main(num_steps=3, batch_size=8)
    assert sorted(reported) == module.WEIGHTS
    assert np.isfinite(list(reported.values())).all()


def test_a_search_tells_the_study_every_score():
    found = load("search_with_optuna").main(num_trials=10, num_steps=3, size=50)
    assert [x.state for x in found.trials] == ["complete"] * 10
    assert found.best[0].scores[0] == max(x.scores[0] for x in found.trials)


def test_acting_and_learning_take_one_program():
    state = load("train_while_acting").main(num_steps=20, batch_size=8)
    assert state.step == 20


def test_a_policy_with_an_actor_of_ones_own_acts_after_loading(tmp_path):
    actions = load("bring_your_own_actor").main(num_steps=500, folder=str(tmp_path))
    assert actions.shape == (4, 1)
    # The data's actions lie within 2 of 5, and cloning finds them.
    assert np.all((actions > 2.5) & (actions < 7.5))
