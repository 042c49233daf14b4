"""`heijunka worker`: a supervisor and its workers, until they are told to stop."""

from __future__ import annotations

import click

from heijunka_cli import opening


@click.command
@click.argument("app", required=False)
@click.option("-d", "--domain", "domains", multiple=True, metavar="DOMAIN", help="Whose jobs to run; may be repeated.")
@click.option("-n", "--processes", type=click.IntRange(1, 500), metavar="N", help="Worker processes of each domain.")
@click.option("--slots", type=click.IntRange(1, 10_000), metavar="N", help="Attempts each process runs at a time.")
@click.option("--max-jobs", metavar="N", help="Replace each process after this many jobs.")
@click.option("--max-memory", metavar="SIZE", help="Replace each process between jobs from this much memory on.")
@click.option("--burst", is_flag=True, help="End when there is nothing to do.")
@click.option("--allow-eviction", is_flag=True, help="Run on a Redis that may delete jobs when it is full.")
@click.option("--log-level", metavar="LEVEL", help="DEBUG, INFO, WARNING, ERROR or CRITICAL.")
@opening.redis_flags
@click.pass_context
def worker(
    context: click.Context,
    *,
    app: str | None,
    domains: tuple[str, ...],
    processes: int | None,
    slots: int | None,
    max_jobs: str | None,
    max_memory: str | None,
    burst: bool,
    allow_eviction: bool,
    log_level: str | None,
    redis_url: str | None,
    namespace: str | None,
) -> None:
    """Run the jobs of an application.

    APP is its path, such as shop.tasks:app; it may be left out when the setting `app` names one. Without
    -d, all domains that the application declares are served.

    TERM and INT stop it when running jobs have ended or the grace is over, a second INT at once. TSTP lets
    workers pull no more until CONT, HUP loads the code anew, TTIN prints stacks.

    Exit code 3: the application has no such domain. 69: Redis cannot be reached or will not do. 75: work
    was left unfinished and goes back to the queue. 130: it was interrupted twice.
    """
    flags = opening.overrides_of(
        redis_url=redis_url, namespace=namespace, log_level=log_level, max_jobs=max_jobs, max_memory=max_memory
    )
    named = opening.named(app, flags)
    from heijunka.worker.supervisor import Supervisor
    from heijunka_cli import logs

    logs.set_up(named.settings.log_level)
    supervisor = Supervisor(
        named.path,
        domains=domains,
        processes=processes,
        slots=slots,
        burst=burst,
        allow_eviction=allow_eviction,
        overrides=named.overrides,
        functions={"logs": f"{logs.__name__}:{logs.set_up.__name__}"},
    )
    context.exit(supervisor.run())
