"""The algorithm: one update of the critics, then of the actor."""
