"""Training of other people's agents and of ours, in turns."""
