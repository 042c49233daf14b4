"""Python imports this by itself in every process that has this folder on its path: it breaks them as they were told."""

from tests.faults.breakage import break_this_process

break_this_process()
