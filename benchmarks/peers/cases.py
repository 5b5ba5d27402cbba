"""Our agents of the sizes of other people's."""

import dataclasses

from benchmarks.throughput.cases import PRESET, with_flow

FLOW = with_flow(PRESET)
CASES = {
    "fql": dataclasses.replace(
        FLOW,
        actor_widths=(256,) * 3,
        student_widths=(256,) * 3,
        critic="value",
        normalize_value=True,
    ),
    "diffusion-ql": dataclasses.replace(
        PRESET, time_width=64, critic="value", critic_layers=3, normalize_value=True
    ),
    "radac": PRESET,
    "radac-categorical": dataclasses.replace(
        PRESET, critic="categorical", num_risk_quantiles=32
    ),
    "rafmac": dataclasses.replace(FLOW, width=128),
    "rafmac-categorical": dataclasses.replace(
        FLOW, critic="categorical", num_risk_quantiles=32
    ),
}
"""Cases of `benchmarks.throughput`; the critics of `rafmac` are as narrow as the
release's, those of `rafmac-categorical` as wide as our default."""
