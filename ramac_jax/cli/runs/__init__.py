"""Runs of the commands: folders, records, progress."""
