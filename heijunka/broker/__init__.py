"""Connections to Redis and the scripts it runs: the only package that imports the driver."""
