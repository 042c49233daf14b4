"""The version, written in this one place.

The build reads it from here, so the installed metadata, `heijunka.__version__` and a plain checkout agree.
"""

__version__ = "0.1.0"
