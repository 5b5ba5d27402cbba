"""Sphinx configuration: `python -m sphinx -W docs build/docs` builds the site."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from ramac_jax.version import __version__

project = "ramac_jax"
author = "the ramac_jax developers"
copyright = "the ramac_jax developers"  # noqa: A001 (Sphinx reads this name)
release = version = __version__

extensions = [
    "command_help",
    "myst_nb",
    "public_coverage",
    "sphinx.ext.autodoc",
    "plain_docstrings",  # needs the events of autodoc
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]

html_theme = "sphinx_book_theme"
html_title = "ramac_jax"
html_theme_options = {"show_toc_level": 2, "use_download_button": False}
html_copy_source = False

smartquotes = False  # options keep both of their dashes
default_role = "code"  # docstrings write code in single backticks
napoleon_google_docstring = True
napoleon_numpy_docstring = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 80

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600  # seconds for each cell

# Each page of the reference documents the public names of the modules listed here.
public_modules = [
    "ramac_jax",
    "ramac_jax.risk",
    "ramac_jax.losses",
    "ramac_jax.compute",
    "ramac_jax.population",
    "ramac_jax.search",
    "ramac_jax.devices",
    "ramac_jax.export",
    "ramac_jax.guard",
    "ramac_jax.evaluation",
    "ramac_jax.evaluation.bounds",
    "ramac_jax.normalization",
    "ramac_jax.tasks",
    "ramac_jax.envs.hazards",
    "ramac_jax.envs.bandit",
]
