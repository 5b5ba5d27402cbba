"""The list of agents: known parts, and settings of the commands that use them."""

import pytest

from ramac_jax.cli.agents import AGENTS, BANDIT_AGENTS, ROBOT_AGENTS
from ramac_jax.cli.bandit import agents
from ramac_jax.cli.options.presets import PRESETS
from ramac_jax.hyperparams import Hyperparams
from ramac_jax.registry import ACTORS, CRITICS, PENALTIES, RISK_MEASURES
from ramac_jax.tasks import TASKS

PREFIXES = {
    None: "gaussian",
    "policy": "",
    "prior": "perturbed-",
    "teacher": "distilled-",
}


@pytest.mark.parametrize("name", AGENTS)
def test_the_parts_of_an_agent_are_registered(name):
    config = AGENTS[name]
    assert config.actor in ACTORS
    assert config.critic is None or config.critic in CRITICS
    assert config.risk_measure in RISK_MEASURES
    assert config.penalty is None or config.penalty in PENALTIES


@pytest.mark.parametrize("name", AGENTS)
def test_the_actor_is_the_behaviour_model_in_its_role(name):
    config = AGENTS[name]
    assert (config.role is None) == (config.behaviour_model is None)
    assert config.actor == PREFIXES[config.role] + (config.behaviour_model or "")


@pytest.mark.parametrize("name", AGENTS)
def test_a_critic_of_means_has_no_risk_measure(name):
    config = AGENTS[name]
    if config.critic not in ("categorical", "quantile"):
        assert config.risk_measure == "neutral"


@pytest.mark.parametrize("name", AGENTS)
def test_every_agent_is_trained_somewhere_under_its_own_title(name):
    assert name in BANDIT_AGENTS or name in ROBOT_AGENTS
    assert [x.title for x in AGENTS.values()].count(AGENTS[name].title) == 1


@pytest.mark.parametrize("name", BANDIT_AGENTS)
def test_the_bandit_sets_hyperparameters_and_builds_the_agent(name):
    config = BANDIT_AGENTS[name]
    assert set(config.bandit) <= set(Hyperparams._fields)
    agent = agents.build_agent(config, agents.build_actor(config))
    assert callable(agent.act)


def test_robots_have_a_preset_of_every_agent_on_every_task():
    names = {name for name in PRESETS if not name.startswith("published/")}
    assert names == {f"{task}/{agent}" for task in TASKS for agent in ROBOT_AGENTS}


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_spells_every_hyperparameter(preset):
    assert set(Hyperparams._fields) <= set(PRESETS[preset])
