"""A supervisor and its real processes: whatever dies, no job is lost, and nothing is left behind."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from heijunka.commands import Depths
from heijunka.wire import Failure, decode_end
from tests.fixtures.server import Server
from tests.fixtures.waiting import wait_until
from tests.worker.conftest import Host

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@pytest.fixture(autouse=True)
def nothing_left(host: Host) -> Iterator[None]:
    """Whatever the test did: an ended supervisor leaves no process and no board."""
    yield
    if host.process.poll() is None:
        host.tell(signal.SIGTERM)
        host.let_go(10)
        host.ended()
    wait_until(lambda: not host.processes())
    if host.process.returncode != -signal.SIGKILL:
        assert [] == host.boards()


def counted(depths: Depths) -> dict[str, int]:
    return {name: depths.counted(name) for name in ("ack", "returned", "charged", "release", "buried")}


def incarnation(worker: str) -> int:
    return int(worker.rpartition("-")[2])


# -- crashes ----------------------------------------------------------------------------------------


def test_a_killed_worker_is_charged_what_it_ran_and_the_rest_returns_as_it_was(host: Host) -> None:
    host.start()
    host.hear("joined")
    host.enqueue("hold", "ok", "ok", "ok")
    victim = host.hear("running", deliveries=0)

    os.kill(victim["pid"], signal.SIGKILL)

    again = host.hear("running", deliveries=1)
    assert 1 == again["held"], "a suspect runs alone"
    assert incarnation(victim["worker"]) + 1 == incarnation(again["worker"])
    host.let_go()
    wait_until(lambda: host.depths().load == 0)
    assert {"ack": 4, "returned": 3, "charged": 1, "release": 0, "buried": 0} == counted(host.depths())
    what = "3 jobs returned, 1 charged, 0 overdue, 0 dead-lettered"
    assert f"{victim['worker']} was killed by SIGKILL: {what}" in host.log()
    wait_until(lambda: host.depths().workers == 1)
    [folder] = host.boards()
    wait_until(lambda: [f"{again['worker']}.board"] == [path.name for path in folder.glob("*.board")])


def test_a_job_that_kills_its_worker_every_time_is_dead_lettered_with_the_signal(host: Host) -> None:
    host.start(overrides={"max_deliveries": 2})
    host.enqueue("crash", "ok")

    wait_until(lambda: host.depths().load == 0)

    assert {"ack": 1, "returned": 1, "charged": 1, "release": 0, "buried": 1} == counted(host.depths())
    failure = dead_letter(host)
    assert "poison" == failure.reason
    assert re.fullmatch(r"\S+-payment-1-\d was killed by SIGSEGV while it ran this job", failure.message)
    assert ("SIGSEGV", None) == (failure.signal, failure.exit_code)
    said, *crash = failure.stderr.split("\n")
    assert ("charging card 7", "Fatal Python error: Segmentation fault") == (said, crash[0])
    assert any(line.endswith(" in _do") for line in crash)
    assert host.log().count("charging card 7\n") == 2, "each worker's stderr is the supervisor's"
    assert host.log().count("Fatal Python error") == 2, "the supervisor logs it"


def test_a_dead_letter_has_the_exit_code_of_a_worker_that_ended_while_it_ran_the_job(host: Host) -> None:
    host.start(overrides={"max_deliveries": 1})
    host.enqueue("exit")

    wait_until(lambda: host.depths().counted("buried") == 1)

    failure = dead_letter(host)
    assert ("poison", "", 3, "charging card 7") == (failure.reason, failure.signal, failure.exit_code, failure.stderr)
    wait_until(lambda: host.depths().workers == 1)


def test_a_frozen_supervisor_keeps_no_worker_from_writing_to_stderr(host: Host) -> None:
    host.start()
    host.hear("joined")

    host.tell(signal.SIGSTOP)
    host.enqueue("chatty")

    host.hear("running", task="chatty")  # it says so when it has written
    host.tell(signal.SIGCONT)
    host.let_go()
    wait_until(lambda: host.depths().load == 0)


def dead_letter(host: Host) -> Failure:
    [(_, fields)] = host.client.plain("XRANGE", host.keys.dead, "-", "+")
    failure = decode_end(dict(zip(fields[::2], fields[1::2], strict=True))[b"f"])
    assert isinstance(failure, Failure)
    return failure


def test_an_attempt_that_outlives_its_limit_is_killed_and_comes_back_marked(host: Host) -> None:
    host.start(overrides={"max_deliveries": 1})
    host.enqueue("limited", "ok")

    wait_until(lambda: host.depths().load == 0)

    assert {"ack": 2, "returned": 1, "charged": 0, "release": 0, "buried": 0} == counted(host.depths())
    assert 1 == host.depths().counted("overdue")
    assert re.search(rf"WARNING \S+-payment-1-1: limited {UUID} outlived its limit of 100 ms", host.log())


def test_a_worker_that_dies_at_once_is_started_less_and_less_until_new_code_is_loaded(host: Host) -> None:
    host.deploy(on_fork="segfault")
    host.start()
    wait_until(lambda: "the next one waits 400 ms" in host.log())

    host.deploy(on_fork="")
    host.tell(signal.SIGHUP)

    assert incarnation(host.hear("joined")["worker"]) >= 5
    assert ["100 ms", "200 ms", "400 ms"] == re.findall(r"the next one waits (.+)", host.log())[:3]


def test_a_killed_fork_server_is_replaced_and_its_workers_jobs_come_back(host: Host) -> None:
    host.start()
    host.enqueue("hold", "ok")
    victim = host.hear("running", deliveries=0)
    parent = int(re.findall(r"PPid:\t(\d+)", Path(f"/proc/{victim['pid']}/status").read_text())[0])

    os.kill(parent, signal.SIGKILL)

    host.hear("running", deliveries=1)
    host.let_go()
    wait_until(lambda: host.depths().load == 0)
    assert {"ack": 2, "returned": 1, "charged": 1, "release": 0, "buried": 0} == counted(host.depths())
    assert f"the fork server (process {parent}) was killed by SIGKILL" in host.log()


def test_a_killed_supervisor_takes_everything_with_it(host: Host) -> None:
    host.deploy(domains=("payment", "fraud"))
    host.start(processes=2)
    host.enqueue("child", "hold", domain="fraud")
    host.hear("child")
    for _ in range(4):
        host.hear("joined")
    assert len(host.processes()) == 1 + 1 + 4 + 1, "supervisor, fork server, workers, a task's child"

    host.tell(signal.SIGKILL)

    assert -signal.SIGKILL == host.ended()
    wait_until(lambda: not host.processes())


def test_the_boards_of_a_killed_supervisor_are_removed_by_the_next(host: Host) -> None:
    host.start()
    host.hear("joined")
    host.tell(signal.SIGKILL)
    host.ended()
    wait_until(lambda: not host.processes())
    [left] = host.boards()

    host.start()
    host.hear("joined")

    wait_until(lambda: not left.exists())
    [here] = host.boards()
    assert left != here


def test_the_next_supervisor_charges_only_what_a_killed_ones_workers_had_started(host: Host) -> None:
    host.deploy(settings={"processes": 1, "grace": "5s", "lease": "10m"})  # no lease ends while this test runs
    host.start()
    host.hear("joined")
    host.enqueue("hold", "ok", "ok", "ok")
    victim = host.hear("running", deliveries=0)
    host.tell(signal.SIGKILL)
    host.ended()

    host.start()

    again = host.hear("running", deliveries=1)
    assert victim["worker"] != again["worker"]
    host.let_go()
    wait_until(lambda: host.depths().load == 0)
    assert {"ack": 4, "returned": 3, "charged": 1, "release": 0, "buried": 0} == counted(host.depths())
    what = "died with its supervisor: 3 jobs returned, 1 charged, 0 overdue, 0 dead-lettered"
    assert f"{victim['worker']} {what}" in host.log()


def test_another_supervisor_of_the_host_inherits_while_it_runs(host: Host) -> None:
    host.deploy(settings={"processes": 1, "grace": "5s", "lease": "3s"})
    host.start()
    host.hear("joined")
    host.enqueue("hold", "ok")
    victim = host.hear("running", deliveries=0)
    killed = host.process
    host.start()
    host.hear("joined")

    killed.kill()
    killed.wait(30)

    host.hear("running", deliveries=1)
    host.let_go()
    wait_until(lambda: host.depths().load == 0)
    assert {"ack": 2, "returned": 1, "charged": 1, "release": 0, "buried": 0} == counted(host.depths())
    assert f"{victim['worker']} died with its supervisor" in host.log()


# -- stopping ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_lets_jobs_end_and_hands_the_unstarted_back(host: Host, number: signal.Signals) -> None:
    host.start()
    host.enqueue("hold", "ok", "ok")
    host.hear("running")

    host.tell(number)
    wait_until(lambda: host.client.plain("LLEN", f"{host.namespace}:told"))  # else it might take the next one first
    host.let_go()

    assert 0 == host.ended()
    assert {"ack": 1, "returned": 0, "charged": 0, "release": 2, "buried": 0} == counted(host.depths())
    assert (2, 0) == (host.depths().load, host.depths().workers)


def test_work_that_does_not_end_within_the_grace_is_handed_back_and_told_by_the_exit_code(host: Host) -> None:
    host.start(overrides={"grace": "0s"})
    host.enqueue("hold")
    host.hear("running")

    host.tell(signal.SIGTERM)

    assert 75 == host.ended()
    assert {"ack": 0, "returned": 0, "charged": 0, "release": 1, "buried": 0} == counted(host.depths())


def test_a_worker_that_does_not_heed_its_grace_is_killed_and_its_jobs_return_uncharged(host: Host) -> None:
    host.start(overrides={"grace": "0s"})
    host.enqueue("stubborn", "ok")
    host.hear("running")

    host.tell(signal.SIGTERM)

    assert 75 == host.ended()
    assert {"ack": 0, "returned": 2, "charged": 0, "release": 0, "buried": 0} == counted(host.depths())
    assert "did not stop in time" in host.log()


def test_a_second_interrupt_stops_at_once_and_jobs_return_uncharged(host: Host) -> None:
    host.start()
    host.enqueue("hold", "ok")
    host.hear("running")
    host.tell(signal.SIGINT)
    wait_until(lambda: "stopping" in host.log())

    host.tell(signal.SIGINT)

    assert 130 == host.ended()
    assert {"ack": 0, "returned": 2, "charged": 0, "release": 0, "buried": 0} == counted(host.depths())


def test_further_terms_do_not_shorten_the_grace(host: Host) -> None:
    host.start()
    host.enqueue("hold")
    host.hear("running")
    for _ in range(3):
        host.tell(signal.SIGTERM)
    wait_until(lambda: "stopping" in host.log())

    host.let_go()

    assert 0 == host.ended()
    assert 1 == counted(host.depths())["ack"]


def test_told_to_stop_while_the_application_loads_it_stops(host: Host) -> None:
    host.deploy(on_load="hang")
    host.start()
    host.hear("loading")

    host.tell(signal.SIGTERM)

    assert 0 == host.ended()


def test_what_a_task_left_running_ends_with_its_worker_also_in_order(host: Host) -> None:
    host.start()
    host.enqueue("child")
    child = host.hear("child")["child"]
    host.let_go()
    wait_until(lambda: host.depths().load == 0)

    host.tell(signal.SIGTERM)

    assert 0 == host.ended()
    assert child not in host.processes()


# -- bursts -----------------------------------------------------------------------------------------


def test_a_burst_ends_when_nothing_is_left_to_do(host: Host) -> None:
    host.deploy(domains=("payment", "fraud"))
    host.enqueue(*["ok"] * 50)
    host.enqueue(*["ok"] * 7, domain="fraud")

    host.start(processes=2, burst=True)

    assert 0 == host.ended()
    assert (0, 0) == (host.depths().load, host.depths("fraud").load)
    assert (50, 7) == (host.depths().counted("ack"), host.depths("fraud").counted("ack"))


def test_a_burst_goes_on_after_a_crash(host: Host) -> None:
    host.enqueue("crash", "ok", "ok")

    host.start(burst=True, overrides={"max_deliveries": 2})

    assert 0 == host.ended()
    assert {"ack": 2, "returned": 2, "charged": 1, "release": 0, "buried": 1} == counted(host.depths())


# -- new code ---------------------------------------------------------------------------------------


def test_new_code_replaces_workers_one_at_a_time_and_lets_jobs_end(host: Host) -> None:
    host.deploy(domains=("payment", "fraud"))
    host.start(processes=2)
    old = {host.hear("joined", version=1)["worker"] for _ in range(4)}
    host.enqueue("hold")
    host.hear("running")

    host.deploy(version=2)
    host.tell(signal.SIGHUP)
    host.let_go()

    said = host.hear_until("joined", times=4, version=2)
    assert ["left", "joined"] * 4 == [word["what"] for word in said]
    assert old == {word["worker"] for word in said[::2]}
    assert [0] * 4 == [word["code"] for word in said[::2]]
    assert {"ack": 1, "returned": 0, "charged": 0, "release": 0, "buried": 0} == counted(host.depths())
    wait_until(lambda: len(host.processes()) == 1 + 1 + 4)


def test_new_code_that_cannot_be_loaded_changes_nothing(host: Host) -> None:
    host.start()
    host.hear("joined", version=1)

    host.deploy(version=2, on_load="raise")
    host.tell(signal.SIGHUP)

    wait_until(lambda: "going on with what was loaded before" in host.log())
    assert "cannot be loaded: LookupError: no such shop" in host.log()
    host.enqueue("ok")
    wait_until(lambda: host.depths().load == 0)
    host.deploy(on_load="")
    host.tell(signal.SIGHUP)
    host.hear("joined", version=2)


def test_a_broken_worker_of_new_code_stops_the_roll(host: Host) -> None:
    host.start(processes=3)
    for _ in range(3):
        host.hear("joined", version=1)

    host.deploy(version=2, on_fork="segfault")
    host.tell(signal.SIGHUP)

    host.hear("left")
    wait_until(lambda: "the next one waits 200 ms" in host.log())
    assert 2 == host.depths().workers
    host.deploy(version=3, on_fork="")
    host.tell(signal.SIGHUP)
    for _ in range(3):
        host.hear("joined", version=3)


def test_domains_come_and_go_with_new_code(host: Host) -> None:
    host.deploy(domains=("payment", "fraud"))
    host.start()
    for _ in range(2):
        host.hear("joined")

    host.deploy(version=2, domains=("payment", "delivery"))
    host.tell(signal.SIGHUP)

    joined = {host.hear("joined", version=2)["worker"].split("-")[-3] for _ in range(2)}
    assert {"payment", "delivery"} == joined
    wait_until(lambda: host.depths("fraud").workers == 0)
    host.enqueue("ok", domain="delivery")
    wait_until(lambda: host.depths("delivery").counted("ack") == 1)


def test_another_namespace_needs_a_restart(host: Host, namespace: str) -> None:
    host.start()
    host.hear("joined")

    host.deploy(namespace=f"{namespace}-other")
    host.tell(signal.SIGHUP)

    wait_until(lambda: "the namespace or Redis's URL changed" in host.log())
    host.enqueue("ok")
    wait_until(lambda: host.depths().load == 0)


def test_a_fork_server_of_another_version_is_refused(host: Host) -> None:
    host.start()
    host.hear("joined")

    host.deploy(on_load="upgrade")
    host.tell(signal.SIGHUP)

    wait_until(lambda: "ERROR another version of Heijunka is installed now" in host.log())
    host.enqueue("ok")
    wait_until(lambda: host.depths().load == 0)


# -- quiet ------------------------------------------------------------------------------------------


def test_quiet_workers_take_nothing_until_told_to_go_on(host: Host) -> None:
    host.start()
    host.hear("joined")

    host.tell(signal.SIGTSTP)
    host.hear("quiet")
    host.enqueue("ok")
    host.tell(signal.SIGCONT)
    host.hear("resumed")

    wait_until(lambda: host.depths().load == 0)
    assert re.search(r"workers stop pulling\n.*workers pull again", host.log(), re.DOTALL)


def test_a_worker_that_joins_after_the_others_were_told_is_quiet_too(host: Host) -> None:
    host.start()
    host.hear("joined")
    host.tell(signal.SIGTSTP)
    os.kill(host.hear("quiet")["pid"], signal.SIGKILL)
    wait_until(lambda: "was killed by SIGKILL" in host.log())

    host.tell(signal.SIGCONT)

    assert 2 == incarnation(host.hear("joined")["worker"])


def test_a_worker_that_was_not_listening_yet_is_told_when_it_joins(host: Host) -> None:
    host.deploy(on_fork="wait")
    host.start()
    host.hear("starting")

    host.tell(signal.SIGTSTP)
    wait_until(lambda: "workers stop pulling" in host.log())
    host.let_go()

    host.hear("joined")
    host.hear("quiet")


def test_stacks_of_everybody_are_shown_when_asked_for(host: Host) -> None:
    host.start(processes=2)
    for _ in range(2):
        host.enqueue("hold")
        host.hear("running")

    host.tell(signal.SIGTTIN)

    wait_until(lambda: host.log().count("in _do") == 2)
    assert "in _turn" in host.log()
    heads = re.findall(rf"WARNING \S+-payment-([12])-1 is doing this: slot 0 runs hold {UUID} for \d", host.log())
    assert ["1", "2"] == sorted(heads)
    host.let_go(2)


# -- Redis ------------------------------------------------------------------------------------------


@pytest.fixture
def host_of_its_own(own_server: Server, tmp_path: Path, namespace: str) -> Iterator[Host]:
    host = Host(own_server.url, tmp_path / "own", namespace)
    (tmp_path / "own").mkdir()
    yield host
    host.close()


@pytest.fixture
def host(request: pytest.FixtureRequest, host: Host) -> Host:
    """The host, on a server of the test's own where it asks for that."""
    if "own_server" not in request.fixturenames:
        return host
    own: Host = request.getfixturevalue("host_of_its_own")
    return own


def test_workers_stop_pulling_while_their_leases_cannot_be_renewed(host: Host, own_server: Server) -> None:
    host.start(overrides={"lease": "2s"})
    host.enqueue("hold")
    host.hear("running")

    own_server.freeze()
    wait_until(lambda: "workers stop pulling: their leases are not renewed" in host.log())
    own_server.thaw()

    wait_until(lambda: "workers pull again" in host.log())
    host.let_go()
    host.enqueue("ok")
    wait_until(lambda: host.depths().load == 0)
    assert {"ack": 2, "returned": 0, "charged": 0, "release": 0, "buried": 0} == counted(host.depths())


def test_it_serves_again_after_redis_was_started_anew(host: Host, own_server: Server) -> None:
    host.start()
    host.hear("joined")
    own_server.kill()
    wait_until(lambda: "exited with code 70" in host.log() or "keeper" in host.log())

    own_server.start()
    host.enqueue("ok")

    wait_until(lambda: host.depths().counted("ack") == 1)


# -- beginnings -------------------------------------------------------------------------------------


def test_without_redis_it_says_so_and_ends(host: Host, own_server: Server) -> None:
    own_server.kill()

    host.start(overrides={"redis_timeout": "100ms"})

    assert 69 == host.ended()
    assert "cannot be reached" in host.log()
    assert "ERROR hint: " in host.log()
    own_server.start()


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ({"app_path": "/nowhere.json"}, 2, ["ERROR there is no /nowhere.json", "ERROR hint: write one"]),
        ({"domains": ["paymnet"]}, 3, ["has no domain 'paymnet'", "ERROR hint: did you mean 'payment'?"]),
        ({"domains": ["x"]}, 3, ["has no domain 'x'", "ERROR hint: its domains are payment"]),
        ({"overrides": {"lease": "soon"}}, 2, ["lease 'soon' is not a duration"]),
    ],
)
def test_what_the_user_asked_wrong_is_told_and_ends_it(
    host: Host, options: dict[str, Any], code: int, said: list[str]
) -> None:
    host.start(**options)

    assert code == host.ended()
    assert said == [words for words in said if words in host.log()]
    assert "Traceback" not in host.log()


def test_an_application_that_raises_is_told_with_its_own_traceback(host: Host) -> None:
    host.deploy(on_load="raise")
    host.start()

    assert 2 == host.ended()
    assert 'raise LookupError("no such shop")' in host.log()
    assert "cannot be loaded: LookupError: no such shop" in host.log()


def test_an_application_that_crashes_when_imported_is_told_so(host: Host) -> None:
    host.deploy(on_load="segfault")
    host.start()

    assert 2 == host.ended()
    assert "was killed by SIGSEGV" in host.log()


def test_it_serves_the_domains_and_numbers_it_was_asked_for(host: Host) -> None:
    host.deploy(domains=("payment", "fraud", "delivery"))
    host.start(domains=["fraud", "payment"], processes=2, slots=3)
    for _ in range(4):
        host.hear("joined")

    assert [2, 2, 0] == [host.depths(domain).workers for domain in ("payment", "fraud", "delivery")]
    assert "serves fraud, payment with 2 processes each, 3 slots a process" in host.log()
