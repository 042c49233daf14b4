"""A bug in one of a worker's own threads ends the whole worker.

A worker whose fetcher or settler is gone would hold jobs and do nothing. Its supervisor, which sees it
die, hands them back at once.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Final

log: Final = logging.getLogger("heijunka.worker")

EXIT_BUG: Final = 70


def essential(run: Callable[[], None], name: str) -> threading.Thread:
    """A thread without which the process cannot be.

    Parameters:
        run: what it does; when this raises, the process ends with exit code 70.
        name: of the thread.
    """

    def guarded() -> None:
        try:
            run()
        except BaseException:
            log.critical("the %s failed; this worker ends", name, exc_info=True)
            os._exit(EXIT_BUG)

    return threading.Thread(target=guarded, name=name, daemon=True)
