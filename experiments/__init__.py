"""Studies, one folder each, and the runner that repeats them."""
