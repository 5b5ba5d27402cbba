"""Our agents of the sizes of other people's."""

import dataclasses

from benchmarks.throughput.cases import PRESET, Case, with_flow

FLOW = with_flow(PRESET)


def categorical(case: Case) -> Case:
    """Return the case with the critics of the tuned presets."""
    return dataclasses.replace(
        case,
        critic="categorical",
        num_risk_quantiles=32,
        target_steps=3,
        independent_targets=True,
    )


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
    "radac-categorical": categorical(PRESET),
    "rafmac": dataclasses.replace(FLOW, width=128),
    "rafmac-categorical": categorical(FLOW),
}
"""Cases of `benchmarks.throughput`; the critics of `rafmac` are as narrow as the
release's, those of `rafmac-categorical` as wide as our default."""
