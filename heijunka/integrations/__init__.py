"""Heijunka in other people's frameworks. Nothing here imports one."""
