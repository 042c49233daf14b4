"""One function per Lua script: it builds the command and says how to read the reply. No I/O."""

from heijunka.commands.cancel import Marks, Spot, cancel, marks
from heijunka.commands.enqueue import Accepted, Gauge, Overtaken, Refused, enqueue
from heijunka.commands.grant import Ended, Granted, give_back, grant, weigh
from heijunka.commands.inspect import Absent, Depths, Found, More, depths, seek, seek_scheduled
from heijunka.commands.lease import Joined, Leaving, Renewed, join, lapsed, leave, renew
from heijunka.commands.promote import Promoted, promote
from heijunka.commands.pull import Entry, Lost, Pulled, held, pull
from heijunka.commands.recover import Recovered, recover
from heijunka.commands.settle import Settled, ack, cancelled, dead, done, dropped, release, retry, settle, snooze

__all__ = [
    "Absent",
    "Accepted",
    "Depths",
    "Ended",
    "Entry",
    "Found",
    "Gauge",
    "Granted",
    "Joined",
    "Leaving",
    "Lost",
    "Marks",
    "More",
    "Overtaken",
    "Promoted",
    "Pulled",
    "Recovered",
    "Refused",
    "Renewed",
    "Settled",
    "Spot",
    "ack",
    "cancel",
    "cancelled",
    "dead",
    "depths",
    "done",
    "dropped",
    "enqueue",
    "give_back",
    "grant",
    "held",
    "join",
    "lapsed",
    "leave",
    "marks",
    "promote",
    "pull",
    "recover",
    "release",
    "renew",
    "retry",
    "seek",
    "seek_scheduled",
    "settle",
    "snooze",
    "weigh",
]
