"""Compile the training program of a population for an absent GPU.

XLA's compiler for CUDA is part of JAX's extra `cuda13` and needs no device. Without a
device it cannot time the variants of a matrix product, and takes its default.
"""

import jax
import numpy as np
from jax.experimental import topologies
from jax.sharding import AxisType, Mesh

import ramac_jax as rj
from benchmarks.throughput.cases import Case
from ramac_jax.compute import whole_batch
from ramac_jax.devices.mesh import AXIS, SHARDS
from ramac_jax.population.programs import Programs

NAME = "H200"
BYTES_PER_SECOND = 4.8e12  # of its memory, by its data sheet
# The H200 in the compiler's format.
TARGET = """
platform_name: "CUDA"
device_description_str: "NVIDIA H200"
runtime_version { major: 13 }
dnn_version_info { major: 9 minor: 10 }
gpu_device_info {
  cuda_compute_capability { major: 9 }
  core_count: 132
  fpus_per_core: 128
  clock_rate_ghz: 1.98
  threads_per_warp: 32
  threads_per_core_limit: 2048
  threads_per_block_limit: 1024
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
  shared_memory_per_core: 233472
  shared_memory_per_block: 49152
  shared_memory_per_block_optin: 232448
  l2_cache_size: 52428800
  memory_bandwidth: 4800000000000
  device_memory_size: 150000000000
}
"""
# The level at which XLA needs no device, as it times no variants.
OPTIONS = {"xla_gpu_autotune_level": 0}


def absent_gpu() -> Mesh:
    """Return a mesh of one absent GPU, for compilation only.

    Raises `InputError` where JAX has no compiler for CUDA.
    """
    try:
        topology = topologies.get_topology_desc(
            platform="cuda", target_config=TARGET, topology="1x1x1"
        )
    except NotImplementedError as error:
        raise rj.InputError(
            "JAX has no compiler for CUDA here: pip install 'jax[cuda13]'"
        ) from error
    return Mesh(
        np.asarray(topology.devices).reshape(1, 1),
        (AXIS, SHARDS),
        axis_types=(AxisType.Auto, AxisType.Auto),
    )


def compile_population(case: Case, size: int, gpu: Mesh) -> jax.stages.Compiled:
    """Return the training program of `size` agents; like on GPUs, no micro-batches."""
    programs = Programs(
        agent=case.agent(whole_batch),
        dataset=jax.eval_shape(case.dataset),
        size=size,
        mesh=gpu,
        batch_size=case.batch_size,
    )
    return programs.lowered_advance.compile(OPTIONS)
