"""When checkpoints are written: each one once its history is complete."""

import orbax.checkpoint as ocp
from jax.sharding import Mesh

from ramac_jax.devices.placement import gather
from ramac_jax.population import checkpoints, numerics
from ramac_jax.population.callbacks import on_cpu
from ramac_jax.population.checkpoints import Carry
from ramac_jax.population.history import History


class CheckpointWriter:
    """Writes checkpoints, each with all evaluations up to its step.

    While an evaluation is pending, the newest checkpoint waits in the memory of the
    host; an older one that waits is dropped.
    """

    def __init__(self, manager: ocp.CheckpointManager | None, mesh: Mesh) -> None:
        """Prepare to write; without a manager nothing is ever written."""
        self.manager = manager
        self.machine = numerics.machine(mesh)
        self.waiting: tuple[int, Carry] | None = None

    def update(
        self,
        step: int,
        carry: Carry,
        history: History,
        *,
        due: bool,
        evaluating: int | None,
    ) -> None:
        """Write what is complete.

        Args:
          step: updates tried.
          carry: what training continues from.
          history: everything recorded up to now.
          due: whether a checkpoint of this step is due.
          evaluating: step of the pending evaluation, if any.
        """
        if self.manager is None:
            return
        if due and evaluating is None:
            self.waiting = None
            checkpoints.save(self.manager, step, carry, history, self.machine)
            return
        if self.waiting is not None:
            waiting_step, waiting_carry = self.waiting
            if evaluating is None or evaluating > waiting_step:
                self.waiting = None
                known = history.until(waiting_step)
                with on_cpu():
                    checkpoints.save(
                        self.manager, waiting_step, waiting_carry, known, self.machine
                    )
        if due:
            self.waiting = step, gather(carry)

    def finish(self, step: int, carry: Carry, history: History) -> None:
        """Write the last checkpoint, of a complete history, and wait for the disk."""
        if self.manager is not None:
            checkpoints.save(self.manager, step, carry, history, self.machine)
            self.wait()

    def wait(self) -> None:
        """Wait until everything is on disk."""
        if self.manager is not None:
            self.manager.wait_until_finished()
