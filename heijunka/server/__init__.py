"""A real server without set-up: started when it is needed, shared by a user's processes, stopped by the last of them.

    from heijunka.server import EmbeddedServer

    with EmbeddedServer() as server:
        ...                            # server.url is a unix:// URL for any Redis client

It is for development, tests and demonstrations, and refuses production surroundings (see `surroundings`).
"""

from heijunka.server.binary import Binary, find_binary
from heijunka.server.embedded import EmbeddedServer
from heijunka.server.place import STATE_DIRECTORY, state_directory
from heijunka.server.status import ServerStatus
from heijunka.server.surroundings import refuse_production
from heijunka.server.upkeep import Upkeep
from heijunka.server.users import User

__all__ = [
    "STATE_DIRECTORY",
    "Binary",
    "EmbeddedServer",
    "ServerStatus",
    "Upkeep",
    "User",
    "find_binary",
    "refuse_production",
    "state_directory",
]
