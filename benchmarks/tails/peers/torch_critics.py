"""The critics in PyTorch: d3rlpy's, and those of the releases of RAMAC and O-RAAC."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.packages import import_from, import_package
from benchmarks.tails.peers.problem import (
    FRACTIONS,
    Batch,
    Problem,
    Settings,
    batches,
    read_steps,
)

CLIP = 5.0
"""Gradient norm of the RAMAC release's presets."""


def evaluate_policy(
    networks: Any,
    target_networks: Any,
    compute_loss: Callable[[Batch], Any],
    stream: Any,
    settings: Settings,
    max_grad_norm: float | None = None,
) -> None:
    """Train networks on batches, with Adam and a moving average as their target.

    Args:
      networks: ModuleList of the ensemble.
      target_networks: another one, which is changed to a copy.
      compute_loss: scalar of a batch of tensors.
      stream: batches of NumPy arrays.
      settings: learning rate and target rate.
      max_grad_norm: of each member of the ensemble; None: any.
    """
    torch = import_package("torch", "this critic")
    target_networks.load_state_dict(networks.state_dict())
    optimizer = torch.optim.Adam(networks.parameters(), lr=settings.learning_rate)
    pairs = list(zip(target_networks.parameters(), networks.parameters(), strict=True))
    for batch in stream:
        optimizer.zero_grad()
        compute_loss(Batch(*map(torch.from_numpy, batch))).backward()
        if max_grad_norm is not None:
            for network in networks:
                torch.nn.utils.clip_grad_norm_(network.parameters(), max_grad_norm)
        optimizer.step()
        with torch.no_grad():
            for target, parameter in pairs:
                target.lerp_(parameter, settings.target_rate)


def learn_d3rlpy(
    problem: Problem,
    settings: Settings,
    updates: int,
    seed: int,
    kind: str,
    num_critics: int = 2,
) -> np.ndarray:
    """Train d3rlpy's Q-functions with the target of its TD3, the lesser of the critics.

    The reading is that of the critic with the lesser mean.

    Args:
      problem: law and data.
      settings: of the critic.
      updates: number of them.
      seed: of networks and batches.
      kind: "QR" or "IQN".
      num_critics: the default is that of TD3 and SAC.
    """
    torch = import_package("torch", "d3rlpy")
    builders = import_package("d3rlpy.models.builders", "d3rlpy")
    models = import_package("d3rlpy.models", "d3rlpy")
    torch.manual_seed(seed)
    width = [settings.width, settings.width]

    def build(num_quantiles: int) -> tuple[Any, Any]:
        factories = {
            "QR": lambda n: models.QRQFunctionFactory(n_quantiles=n),
            "IQN": lambda n: models.IQNQFunctionFactory(
                n_quantiles=n, n_greedy_quantiles=n
            ),
        }
        return builders.create_continuous_q_function(
            (problem.dataset.observation.shape[1],),
            1,
            models.VectorEncoderFactory(width),
            factories[kind](num_quantiles),
            device="cpu",
            enable_ddp=False,
            n_ensembles=num_critics,
        )

    networks, forwarder = build(settings.num_quantiles)
    target_networks, target_forwarder = build(settings.num_quantiles)

    def compute_loss(batch: Batch) -> Any:
        with torch.no_grad():
            target = target_forwarder.compute_target(
                batch.next_observation, batch.next_action, reduction="min"
            )
        return forwarder.compute_error(
            observations=batch.observation,
            actions=batch.action,
            rewards=batch.reward,
            target=target,
            terminals=batch.terminated,
            gamma=batch.discount,
        )

    stream = batches(problem, settings, updates, seed)
    evaluate_policy(networks, target_networks, compute_loss, stream, settings)
    num_read = settings.num_quantiles if kind == "QR" else len(FRACTIONS)
    reader, reading = build(num_read)
    reader.load_state_dict(networks.state_dict())
    reader.eval()  # IQN: at equal steps of the fraction instead of random ones
    starts = [torch.from_numpy(np.array(x)) for x in problem.starts]
    with torch.no_grad():
        read = reading.compute_target(*starts, reduction="min")
    return read_steps(read.numpy())


def learn_release(
    problem: Problem,
    settings: Settings,
    updates: int,
    seed: int,
    clone: Path,
    name: str,
) -> np.ndarray:
    """Train the critics of RADAC or of O-RAAC; read the least at each fraction.

    Args:
      problem: law and data.
      settings: of the critic.
      updates: number of them.
      seed: of networks and batches.
      clone: folder of the repository.
      name: "RAMAC" (two critics, gradients clipped) or "O-RAAC" (one critic).
    """
    torch = import_package("torch", name)
    torch.manual_seed(seed)
    size = settings.num_quantiles
    if name == "RAMAC":
        values = import_from(clone, "utils.quantile_value", name)
        radac = import_from(clone, "agents.radac", name).RADAC
        network_type, num_critics, clip = values.ImplicitQuantileCritic, 2, CLIP

        def distance(target: Any, current: Any, tau: Any) -> Any:
            return radac.quantile_huber_loss(None, target, current, tau)
    else:
        nets = import_from(clone, "oraaclib.util.neural_networks", name)
        distance = import_from(clone, "oraaclib.util.losses", name).quantile_huber_loss
        network_type, num_critics, clip = nets.DeterministicNN_IQN, 1, None
    shape = (size, 1) if name == "RAMAC" else (size,)
    width = [settings.width]
    networks = torch.nn.ModuleList(
        network_type(
            problem.dataset.observation.shape[1],
            1,
            layers_state=width,
            layers_action=width,
            layers_f=width,
            embedding_dim=settings.width,
            tau_embed_dim=size,
        )
        for _ in range(num_critics)
    )
    target_networks = copy.deepcopy(networks)

    def read_least(several: Any, state: Any, tau: Any, action: Any) -> Any:
        read = [network.get_sampled_Z(state, tau, action) for network in several]
        return torch.stack(read).amin(0)

    def compute_loss(batch: Batch) -> Any:
        tau, next_tau = torch.rand(shape), torch.rand(shape)
        with torch.no_grad():
            least = read_least(
                target_networks, batch.next_observation, next_tau, batch.next_action
            )
            target = batch.reward + (1 - batch.terminated) * batch.discount * least
        current = [
            x.get_sampled_Z(batch.observation, tau, batch.action) for x in networks
        ]
        return sum(distance(target, x, tau) for x in current)

    stream = batches(problem, settings, updates, seed)
    evaluate_policy(networks, target_networks, compute_loss, stream, settings, clip)
    state, action = (torch.from_numpy(np.array(x)) for x in problem.starts)
    tau = torch.from_numpy(FRACTIONS.astype(np.float32)).reshape(-1, *shape[1:])
    with torch.no_grad():
        return read_least(networks, state, tau, action).numpy()
