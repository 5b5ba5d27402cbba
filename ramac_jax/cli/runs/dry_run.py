"""Dry runs: every check that needs no training, and what a run would do."""

from collections.abc import Collection, Sequence

import jax
import jax.numpy as jnp
import numpy as np

import ramac_jax as rj
from ramac_jax.acting import AS_TRAINED, describe
from ramac_jax.cli.options.agent import AgentSpec
from ramac_jax.cli.options.sections import values_of
from ramac_jax.cli.options.train import TrainOptions
from ramac_jax.cli.runs.agents import build_agent, fit_to_data, policy_spec
from ramac_jax.cli.runs.csv_tables import EVALUATIONS
from ramac_jax.cli.runs.data import DataPlan, load_data, plan_data
from ramac_jax.cli.runs.evaluator import open_evaluator
from ramac_jax.cli.runs.folder import Layout, RunFolder
from ramac_jax.cli.runs.protocol import EvaluationProtocol, find_protocol
from ramac_jax.cli.runs.recording import LOGS
from ramac_jax.cli.runs.results import CALIBRATION
from ramac_jax.cli.runs.sinks import FOLDERS
from ramac_jax.data.loading import OfflineDataset
from ramac_jax.registry import CRITICS


def rehearse(
    options: TrainOptions,
    agents: Sequence[AgentSpec],
    folder: RunFolder,
    discounts: Collection[float],
) -> None:
    """Check a run without training it, and print what the run would do.

    Data on disk are loaded, environments opened and the shapes of all networks
    computed. Nothing is downloaded or written.

    Args:
      options: of the command.
      agents: every agent that the command would train.
      folder: of the run.
      discounts: of all agents.

    Raises `InputError` as the run would.
    """
    resumes, plan = folder.check(), plan_data(options.data)
    lines = [f"data: {describe_data(plan)}"]
    dataset = None
    if not plan.made_from and not plan.missing():
        dataset = load_data(options.data)
        lines[0] += f", {len(dataset.transitions.reward):,} transitions"
        agents = [fit_to_data(x, dataset.transitions, discounts) for x in agents]
    protocol = find_protocol(options, dataset)
    if dataset is not None:
        check_environment(protocol, agents[0], dataset)
    lines += [f"agent: {describe_agent(agent, dataset)}" for agent in agents]
    evaluation = describe_evaluation(options, protocol)
    left_out = left_out_files(options, folder.layout, protocol)
    if dataset is None and options.data.task is None and options.evaluation.episodes:
        evaluation = "in the environment of the data, which are not here yet"
        left_out -= {*folder.layout.of_evaluations}
    lines += [
        f"training: {describe_training(options)}",
        f"evaluation: {evaluation}",
        f"output: {describe_output(folder, resumes, left_out)}",
    ]
    print("\n".join(["dry run: nothing is trained or written", *lines]))


def describe_data(plan: DataPlan) -> str:
    """Return where the data come from."""
    text = ", ".join(plan.ids)
    if plan.made_from:
        text += f", which would be made from {', '.join(plan.made_from)}"
    if missing := plan.missing():
        text += f" (would be downloaded: {', '.join(missing)})"
    return text


def check_environment(
    protocol: EvaluationProtocol | None, agent: AgentSpec, dataset: OfflineDataset
) -> None:
    """Open and close the environments; `InputError` where there are none."""
    if protocol is not None:
        spec = policy_spec(agent, dataset.scaling)
        with open_evaluator(spec, protocol):
            pass


def describe_agent(agent: AgentSpec, dataset: OfflineDataset | None) -> str:
    """Return the parts of an agent, and the sizes of its networks for known data."""
    parts = [f"{agent.actor} actor"]
    if agent.num_critics:
        parts.append(f"{agent.num_critics} {agent.critic} critics")
        parts.append(f"risk measure {agent.risk_measure}")
    else:
        parts.append("behaviour cloning alone")
    if agent.conservative is not None and agent.num_critics:
        parts.append(f"conservative penalty on {agent.conservative}")
    parts.append(f"precision {agent.precision}")
    if dataset is not None:
        state = shapes_of(agent, dataset)
        parts.append(f"{count_params(state.actor_params):,} parameters of the actor")
        if agent.num_critics:
            parts.append(f"{count_params(state.critic_params):,} of the critics")
    return ", ".join(parts)


def shapes_of(agent: AgentSpec, dataset: OfflineDataset) -> rj.State:
    """Return the shapes of an agent's state; computes nothing."""
    spec = policy_spec(agent, dataset.scaling)
    example = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((1, *np.shape(x)[1:]), jnp.float32),
        dataset.transitions,
    )
    built = build_agent(agent, spec)
    state: rj.State = jax.eval_shape(built.init, jax.random.key(0), example)
    return state


def count_params(params: object) -> int:
    """Return the number of parameters in a tree."""
    return sum(int(np.prod(x.shape)) for x in jax.tree.leaves(params))


def describe_training(options: TrainOptions) -> str:
    """Return seeds and schedule."""
    training = options.training
    seeds = training.seeds
    text = f"{len(seeds)} seeds from {seeds[0]}, {training.num_steps:,} updates"
    if training.bc_steps:
        text += f" after {training.bc_steps:,} of behaviour cloning"
    return f"{text}, each of {training.batch_size:,} transitions"


def describe_evaluation(
    options: TrainOptions, protocol: EvaluationProtocol | None
) -> str:
    """Return environment, horizon and episodes."""
    evaluation = values_of(options.evaluation)
    if protocol is None:
        return "none"
    text = (
        f"{protocol.episodes} episodes per seed of {protocol.horizon} steps in "
        f"{protocol.env.id} at the end"
    )
    if evaluates_during_training(options):
        text += (
            f", {evaluation['eval_episodes']} every {evaluation['eval_every']:,} "
            "updates"
        )
    if acting := describe(protocol.acting):
        text += f", acting with {acting}"
    return text


def evaluates_during_training(options: TrainOptions) -> bool:
    """Whether agents play during their training or right after it, in `EVALUATIONS`."""
    every = options.evaluation.eval_every
    return every is not None and every <= options.training.num_steps


def left_out_files(
    options: TrainOptions, layout: Layout, protocol: EvaluationProtocol | None
) -> set[str]:
    """Return the files and folders of a layout that a run does not write."""
    logging, agent = values_of(options.logging), options.agent
    knows_law = agent.num_critics and not CRITICS[agent.critic].mean_only
    asked = {name for name in FOLDERS if logging[name]}
    left_out = {*FOLDERS, LOGS} - (asked | {LOGS} if asked else set())
    if not evaluates_during_training(options):
        left_out.add(EVALUATIONS)
    if protocol is None:
        return left_out | {*layout.of_evaluations}
    if protocol.acting != AS_TRAINED or not knows_law:
        left_out.add(CALIBRATION)
    return left_out


def describe_output(folder: RunFolder, resumes: bool, left_out: set[str]) -> str:
    """Return what the run would write, without what is left out."""
    names = [name for name in folder.layout.names if name not in left_out]
    text = f"{folder.out}: {', '.join(names)}"
    if resumes:
        return f"{text}; the unfinished run there is resumed"
    return f"{text}; the run there is replaced" if folder.held() else text
