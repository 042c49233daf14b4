"""The elected leader that gives each pool its target; see `heijunka.coordinator.candidate`."""

from heijunka.coordinator.candidate import Candidate

__all__ = ["Candidate"]
