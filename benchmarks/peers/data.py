"""The random data that every agent trains on."""

import numpy as np

OBSERVATION_DIM, ACTION_DIM = 17, 6
ROWS, BATCH_SIZE = 65_536, 256


def draw_data() -> dict[str, np.ndarray]:
    """Draw random transitions with the names that FQL and the release give them."""
    draw = np.random.default_rng(0)
    shape = ROWS, OBSERVATION_DIM
    actions = draw.uniform(-1.0, 1.0, (ROWS, ACTION_DIM))
    return {
        "observations": draw.standard_normal(shape, np.float32),
        "actions": actions.astype(np.float32),
        "next_observations": draw.standard_normal(shape, np.float32),
        "rewards": draw.standard_normal(ROWS, np.float32),
        "terminals": np.zeros(ROWS, np.float32),
    }
