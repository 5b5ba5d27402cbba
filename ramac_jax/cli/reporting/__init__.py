"""Tables and figures of the commands."""
