"""Signals become orders whichever thread the kernel hands them to, and those of children are nobody's."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

SCRIPT = """
import json, os, signal, sys, threading
from queue import SimpleQueue
from heijunka.worker.orders import listen

orders = SimpleQueue()
listen(orders, {wanted})
{body}
seen = set()
while not {{{expected}}} <= seen:
    seen.add(orders.get(timeout=20))
print(json.dumps(sorted(seen)))
sys.stdout.flush()
os._exit(0)
"""


def heard(body: str, wanted: str, expected: str) -> list[int]:
    code = SCRIPT.format(body=body, wanted=wanted, expected=expected)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=False)
    assert 0 == done.returncode, done.stderr
    found: list[int] = json.loads(done.stdout)
    return found


def test_a_signal_that_another_thread_gets_is_heard_while_the_main_thread_waits() -> None:
    """Nothing wakes the main thread, so its handler does not run; the order is there all the same."""
    body = """
def other():
    signal.pthread_kill(threading.get_ident(), signal.SIGCONT)
    orders_heard = orders.get(timeout=20)
    print(json.dumps([orders_heard]))
    sys.stdout.flush()
    os._exit(0)
threading.Thread(target=other).start()
threading.Lock().acquire()
lock = threading.Lock(); lock.acquire(); lock.acquire()
"""
    assert [signal.SIGCONT] == heard(body, "[signal.SIGCONT]", "signal.SIGCONT")


def test_signals_that_come_at_once_are_all_heard() -> None:
    body = "for number in (signal.SIGURG, signal.SIGCONT, signal.SIGTERM): os.kill(os.getpid(), number)"
    wanted = "[signal.SIGURG, signal.SIGCONT, signal.SIGTERM]"
    expected = "signal.SIGURG, signal.SIGCONT, signal.SIGTERM"

    assert sorted([signal.SIGURG, signal.SIGCONT, signal.SIGTERM]) == heard(body, wanted, expected)


def test_signals_of_forked_children_are_no_orders() -> None:
    body = """
child = os.fork()
if child == 0:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
os.kill(os.getpid(), signal.SIGCONT)
"""
    assert [signal.SIGCONT] == heard(body, "[signal.SIGTERM, signal.SIGCONT]", "signal.SIGCONT")
