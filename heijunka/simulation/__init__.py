"""Pools under recorded or imagined load: the policies that the coordinator runs, played much faster than time."""

from heijunka.simulation.play import Model, Outcome, play
from heijunka.simulation.rulers import RULERS, Levelled, Ruler, Seen
from heijunka.simulation.trace import GAPS, SHAPES, Trace, read_trace, shape

__all__ = [
    "GAPS",
    "RULERS",
    "SHAPES",
    "Levelled",
    "Model",
    "Outcome",
    "Ruler",
    "Seen",
    "Trace",
    "play",
    "read_trace",
    "shape",
]
