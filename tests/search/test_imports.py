"""The import of Optuna takes a second: only what searches pays for it."""

import subprocess
import sys


def test_neither_the_library_nor_the_commands_import_optuna():
    code = (
        "import sys, ramac_jax, ramac_jax.cli.main, ramac_jax.cli.sweep;"
        "assert not {'optuna', 'sqlalchemy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
