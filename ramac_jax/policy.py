"""Trained policies: act, save to a checkpoint and load from it.

A checkpoint is a folder: `state/` holds every array of the agents' states, and
`policy.json` says how to build the actor and the critics, in which units they act, and
which numbers `state/` must hold.
"""

import dataclasses
import functools
import tempfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ramac_jax import risk
from ramac_jax.acting import (
    ActingOptions,
    ActingParams,
    ActingRule,
    act,
    check_acting,
)
from ramac_jax.errors import InputError, check_names, first_line
from ramac_jax.normalization import normalize_observation, unscale_action
from ramac_jax.policy_record import (
    RECORD,
    CriticSpec,
    PolicySpec,
    Record,
    checkpoint_folder,
    damaged,
    read_record,
    to_json,
)
from ramac_jax.registry import ACTORS, CRITICS, RISK_MEASURES
from ramac_jax.storage import (
    STATE,
    check_files,
    check_layout,
    file_checksums,
    layout,
    read_tree,
    write_tree,
)
from ramac_jax.types import (
    Actor,
    Array,
    Critic,
    InitFn,
    Key,
    Params,
    RiskMeasureFn,
    Scalar,
    State,
)

__all__ = [
    "CriticSpec",
    "Policy",
    "PolicySpec",
    "build_actor",
    "build_critic",
    "load_policy",
    "load_states",
    "save_policy",
]

PARAMS = "actor_params"  # the field of `State` that acts
CRITIC_PARAMS = "critic_params"


@dataclasses.dataclass(frozen=True, eq=False)
class Policy:
    """The trained actors of a population, acting in the environment's own units.

    A policy is a pure function: jit it, vmap it over `member`, scan it.
    """

    spec: PolicySpec
    actor: Actor
    params: Params  # every leaf [population, ...]
    critic: Critic | None = None
    """Of the critics that rank candidate actions; None: the policy cannot rank."""
    critic_params: Params = None  # every leaf [population, E, ...]

    @property
    def population(self) -> int:
        """Number of agents."""
        return jax.tree.leaves(self.params)[0].shape[0]

    @functools.cached_property
    def risk_measure(self) -> RiskMeasureFn:
        """What `risk_level` is a level of: the measure of the spec."""
        if self.spec.critic is None:
            return risk.cvar
        return find_risk_measure(self.spec.critic)

    def rule(self, num_candidates: int = 1) -> ActingRule:
        """Return the static parts of the policy that takes the best of C actions."""
        return ActingRule(
            actor=self.actor,
            critic=self.critic,
            risk_measure=self.risk_measure,
            num_quantiles=(self.spec.critic or CriticSpec()).num_quantiles,
            num_candidates=num_candidates,
        )

    def resolve(self, options: ActingOptions) -> ActingOptions:
        """Return the options with the level that ranks, by default that of training.

        Raises `InputError` for options by which the policy cannot act.
        """
        if options.risk_level is None and self.spec.critic is not None:
            options = options._replace(risk_level=self.spec.critic.risk_level)
        check_acting(options, self.critic, self.risk_measure)
        return options

    def __call__(
        self,
        observation: Array,
        key: Key,
        member: int | Array = 0,
        *,
        temperature: Scalar = 1.0,
        num_candidates: int = 1,
        risk_level: Scalar | None = None,
        softmax_temperature: Scalar = 0.0,
    ) -> Array:
        """Draw one action for each observation from the policy of one agent.

        Args:
          observation: [..., O], in the environment's units.
          key: for the noise of all actions.
          member: number of the agent, from 0 on; a traced one is not checked.
          temperature: factor on the noise of the sampler, traced; 0: deterministic.
          num_candidates: actions drawn for each observation, static. The one is taken
            whose return is best by the risk measure, under the least critic.
          risk_level: of the risk measure, traced; None: the level of training.
          softmax_temperature: draw a candidate from the softmax of the values over this
            temperature, traced, in their unit (`ActingOptions`); 0: take the best.

        Returns actions [..., A] in the environment's units, within its bounds.

        Raises `InputError` for observations of another width than O, and for a member
        that does not exist; for a temperature below 0, a level that the risk measure
        does not allow, and several candidates for a policy without critics or level.
        """
        if isinstance(member, int | np.integer) and not 0 <= member < self.population:
            raise InputError(
                f"member is {member}: this policy has members 0 to "
                f"{self.population - 1}"
            )
        observation = jnp.asarray(observation, jnp.float32)
        if observation.shape[-1:] != (self.spec.observation_dim,):
            raise InputError(
                f"observation has shape {list(observation.shape)}: this policy reads "
                f"[..., {self.spec.observation_dim}]"
            )
        options = self.resolve(
            ActingOptions(temperature, num_candidates, risk_level, softmax_temperature)
        )
        everyone = ActingParams(self.params, self.critic_params)
        params = jax.tree.map(lambda x: x[member], everyone)
        observation = normalize_observation(self.spec.scaling, observation)
        rule = self.rule(num_candidates)
        action = act(rule, params, observation, key, options.numbers)
        return unscale_action(self.spec.scaling, action)


def build_actor(spec: PolicySpec) -> Actor:
    """Build the registered actor of a spec.

    Raises `InputError` for the user's own actor, and for a name that is not registered.
    """
    if spec.actor is None:
        raise InputError("the policy has an actor of your own: give actor=...")
    check_names("actor", [spec.actor], ACTORS)
    return ACTORS[spec.actor].load()(spec.action_dim, **spec.actor_options)


def build_critic(spec: CriticSpec) -> Critic:
    """Build the registered critic of a spec.

    Raises `InputError` for the user's own critic, and for a name that is not
    registered.
    """
    if spec.name is None:
        raise InputError("the policy has critics of your own: give critic=...")
    check_names("critic", [spec.name], CRITICS)
    return CRITICS[spec.name].load()(**spec.options)


def find_risk_measure(spec: CriticSpec) -> RiskMeasureFn:
    """Return the registered risk measure of a spec; `InputError` for another name."""
    check_names("risk measure", [spec.risk_measure], RISK_MEASURES)
    return RISK_MEASURES[spec.risk_measure].load()


def save_policy(folder: str | Path, states: State, spec: PolicySpec) -> None:
    """Write the states of one agent or of a population to a checkpoint.

    The checkpoint holds all of the states, so that it acts (`load_policy`) and training
    resumes from it (`load_states`). An earlier checkpoint in the folder is replaced
    once the new one is complete, and kept if writing fails.

    Args:
      folder: made where it does not exist.
      states: of one agent, or of a population, where every leaf is [population, ...].
      spec: how to build actor and critics. Without a registered name, they are the
        user's own, and `load_policy` needs them.

    Raises `InputError` for a folder that holds anything but a checkpoint, a registered
    actor or critic of other shapes than the states', and options that JSON cannot hold.
    """
    folder = Path(folder).absolute()
    if jnp.ndim(states.step) == 0:
        states = jax.tree.map(lambda x: x[None], states)
    occupied = folder.is_file() or (folder.is_dir() and any(folder.iterdir()))
    if occupied and not (folder / RECORD).is_file():
        raise InputError(f"{folder} exists and is no checkpoint: give another folder")
    record = Record(
        spec=spec,
        layout=layout(states),
        population=len(states.step),
        files={},
    )
    if spec.actor is not None:
        stored_shapes(PARAMS, build_actor(spec).init, record, "the states")
    if spec.critic is not None:
        find_risk_measure(spec.critic)
        if spec.critic.name is not None:
            init = build_critic(spec.critic).init
            stored_shapes(CRITIC_PARAMS, init, record, "the states")
    to_json(record)  # refuses what JSON cannot hold before anything is written
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=folder.parent, prefix=f".{folder.name}-"
    ) as workplace:
        new = Path(workplace, "new")
        write_tree(new / STATE, states)
        record = record._replace(files=file_checksums(new / STATE))
        (new / RECORD).write_text(to_json(record))
        replace_folder(folder, new, Path(workplace, "old"))


def replace_folder(folder: Path, new: Path, old: Path) -> None:
    """Move a new folder into place and an earlier one to `old`; undo on failure."""
    if folder.exists():
        folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise


def load_policy(
    folder: str | Path, *, actor: Actor | None = None, critic: Critic | None = None
) -> Policy:
    """Read the policies of a checkpoint.

    Args:
      folder: that `save_policy` wrote.
      actor: the user's own actor; None: the registered actor that was saved.
      critic: the user's own critic; None: the registered critic that was saved. Without
        either, the policy acts and ranks no candidates.

    Raises `InputError` for a folder without a checkpoint, a damaged checkpoint, one of
    the user's own actor where `actor` is None, and parts of other shapes.
    """
    folder = checkpoint_folder(folder)
    record = read_record(folder)
    spec, source = record.spec, f"checkpoint {folder}"
    if actor is None:
        if spec.actor is None:
            raise InputError(
                f"{folder} holds policies of an actor of your own: give "
                "load_policy(folder, actor=...)"
            )
        actor = build_actor(spec)
    expected = {PARAMS: stored_shapes(PARAMS, actor.init, record, source)}
    if critic is None and spec.critic is not None and spec.critic.name is not None:
        critic = build_critic(spec.critic)
    if critic is not None:
        shapes = stored_shapes(CRITIC_PARAMS, critic.init, record, source)
        expected[CRITIC_PARAMS] = shapes
    params = read_states(folder, record, expected)
    return Policy(
        spec=spec,
        actor=actor,
        params=params[PARAMS],
        critic=critic,
        critic_params=params.get(CRITIC_PARAMS),
    )


def load_states(folder: str | Path, like: State) -> State:
    """Read the states of a checkpoint, to resume training or to inspect.

    Args:
      folder: that `save_policy` wrote.
      like: states of the same population, or their shapes (`jax.eval_shape`).

    Raises `InputError` for a folder without a checkpoint, a damaged checkpoint, and
    states of other shapes.
    """
    folder = checkpoint_folder(folder)
    record = read_record(folder)
    try:
        check_layout(record.layout, layout(like))
    except InputError as error:
        raise InputError(f"{folder} holds other states: {error}") from None
    return read_states(folder, record, like)


def stored_shapes(field: str, init: InitFn, record: Record, states: str) -> Params:
    """Return the shapes of a population's parameters in a field of `State`.

    Raises `InputError` where the states, named in words, have other ones.
    """
    example = [
        jax.ShapeDtypeStruct((1, size), jnp.float32)
        for size in (record.spec.observation_dim, record.spec.action_dim)
    ]
    stored = {k: v for k, v in record.layout.items() if k.split("/")[0] == field}
    try:
        one = jax.eval_shape(init, jax.random.key(0), *example)
        everyone = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct((record.population, *x.shape), x.dtype), one
        )
        check_layout(stored, layout({field: everyone}))
    except Exception as error:  # a user's own actor may raise anything
        part = field.partition("_")[0]
        raise InputError(
            f"{states} and the {part} do not fit: {first_line(error)}"
        ) from error
    return everyone


def read_states(folder: Path, record: Record, like: Any) -> Any:
    """Read states, or a part of them, and check that no bit has changed."""
    try:
        check_files(folder / STATE, record.files)
        read = read_tree(folder / STATE, like)
    except Exception as error:  # damage takes as many forms as there are bytes
        raise damaged(folder, error) from error
    return jax.tree.map(jnp.asarray, read)
