"""The floors of the library, and what the source of a module may not hold.

A check takes the name of a module and its syntax tree, and yields its faults.
"""

import ast
from pathlib import Path

import ramac_jax

PACKAGE = Path(ramac_jax.__file__).parent
ROOT = PACKAGE.parent
LIBRARIES = {"jax", "flax", "optax", "numpy", "ramac_jax"}
# Mathematics. A module or package may import those above it, and itself.
CORE = [
    "version",
    "errors",
    "pickling",
    "hyperparams",
    "registry",
    "broadcasting",
    "types",
    "compute",
    "risk",
    "losses",
    "validation",
    "observations",
    "normalization",
    "guard",
    "returns",
    "networks",
    "actors",
    "critics",
    "acting",
    "agent",
    "training",
]
# Simulators, disks and devices.
WORLD = [
    "data",
    "devices",
    "differences",
    "envs",
    "evaluation",
    "export",
    "extras",
    "files",
    "folders",
    "launchers",
    "policy",
    "policy_record",
    "population",
    "search",
    "storage",
    "tasks",
    "urls",
]
DOOR = ["cli", "__main__"]
STANDARD = {  # modules of Python that the core imports: none of them asks the machine
    "collections",
    "dataclasses",
    "difflib",
    "functools",
    "itertools",
    "math",
    "operator",
    "types",
    "typing",
}
FORBIDDEN_NAMES = {"print", "open", "input", "exec", "eval", "jit", "pmap"}
QUESTIONS_TO_THE_MACHINE = {
    "default_backend",
    "device_count",
    "devices",
    "environ",
    "local_device_count",
    "local_devices",
    "process_count",
    "process_index",
}
FILES_OF_ARRAYS = {
    f"{package}.{function}"
    for package in ("numpy", "jax.numpy")
    for function in (
        "fromfile",
        "genfromtxt",
        "load",
        "loadtxt",
        "memmap",
        "save",
        "savetxt",
        "savez",
        "savez_compressed",
    )
}
CONTROL_OF_THE_PROCESS = {
    "jax.config.update",
    "logging.basicConfig",
    "logging.disable",
    "os.environ.clear",
    "os.environ.pop",
    "os.environ.popitem",
    "os.environ.setdefault",
    "os.environ.update",
    "os.putenv",
    "os.unsetenv",
    "signal.signal",
}
EXCEPTIONS = {
    "ramac_jax.registry": {"importlib"},  # names of functions in the core
    "ramac_jax.evaluation.environments": {"signal.signal"},  # in its own processes
    "ramac_jax.devices.mesh": {"jax.config.update"},  # use_every_core, for commands
}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def room(name):
    """The part of the library that a module belongs to, "" for the top."""
    return f"{name}.".split(".")[1]


def tree_of(name):
    return ast.parse(MODULES[name].read_text())


def imports(tree):
    """Every module that a module imports anywhere: `from a import b` is a.b.

    The top of the library stands for all of its names, which it finds on any floor.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                binds_the_top = alias.name.startswith("ramac_jax.") and not alias.asname
                yield "ramac_jax" if binds_the_top else alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                inside = full in MODULES or not full.startswith("ramac_jax")
                yield full if inside else node.module
        elif isinstance(node, ast.Call) and node.args:
            function = ast.unparse(node.func).rpartition(".")[2]
            first = node.args[0]
            if function in ("import_module", "__import__") and is_text(first):
                yield first.value


def is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def named_modules(tree):
    """The modules of the library whose names stand in strings."""
    texts = [node.value for node in ast.walk(tree) if is_text(node)]
    return {x.partition(":")[0].rstrip(".") for x in texts} & MODULES.keys()


def rooms_of(name, tree):
    """The other rooms of the library that a module imports from."""
    inside = [x for x in imports(tree) if x.partition(".")[0] == "ramac_jax"]
    return {room(x) for x in inside} - {room(name)}


def full_names(tree):
    """Every name of a module's source and its node: `np.load` is numpy.load."""
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {x.asname: x.name for x in node.names if x.asname}
        elif isinstance(node, ast.ImportFrom):
            known |= {x.asname or x.name: f"{node.module}.{x.name}" for x in node.names}

    def full(node):
        if isinstance(node, ast.Attribute):
            return f"{full(node.value)}.{node.attr}"
        return known.get(node.id, node.id) if isinstance(node, ast.Name) else ""

    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            yield full(node), node
        elif isinstance(node, ast.Subscript):
            yield f"{full(node.value)}[]", node


def core_faults(name, tree):
    """What a module of the core may not import or use."""
    before = CORE[: CORE.index(room(name))]
    yield from rooms_of(name, tree) - {*before}
    yield from {room(x) for x in named_modules(tree)} & {*WORLD, *DOOR}
    allowed = LIBRARIES | STANDARD | EXCEPTIONS.get(name, set())
    yield from {x.partition(".")[0] for x in imports(tree)} - allowed
    names = {x for x, _ in full_names(tree)} | {*imports(tree)}
    yield from names & FILES_OF_ARRAYS
    last = {x.rpartition(".")[2] for x in names}
    yield from last & (FORBIDDEN_NAMES | QUESTIONS_TO_THE_MACHINE | {"tofile"})


def world_faults(name, tree):
    """What a module of the world may not import."""
    found = rooms_of(name, tree) | {room(x) for x in named_modules(tree)}
    yield from found & {*DOOR}
    yield from (x for x in imports(tree) if x == "ramac_jax")


def process_faults(name, tree):
    """What a module does to the process, which belongs to the program."""
    names = {x for x, _ in full_names(tree)} | {*imports(tree)}
    yield from names & CONTROL_OF_THE_PROCESS - EXCEPTIONS.get(name, set())
    for full, node in full_names(tree):
        changed = isinstance(node.ctx, ast.Store | ast.Del)
        settings = full.startswith("jax.config.")
        if changed and (full in ("os.environ", "os.environ[]") or settings):
            yield full
