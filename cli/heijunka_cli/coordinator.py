"""`heijunka coordinator`: a candidate of its own, beside those inside workers."""

from __future__ import annotations

import signal

import click

from heijunka_cli import opening


@click.command
@click.argument("app", required=False)
@click.option("--log-level", metavar="LEVEL", help="DEBUG, INFO, WARNING, ERROR or CRITICAL.")
@opening.redis_flags
def coordinator(*, app: str | None, log_level: str | None, redis_url: str | None, namespace: str | None) -> None:
    """Lead the pools, or wait to.

    APP is its path, such as shop.tasks:app; it may be left out when the setting `app` names one, and with --namespace.

    One of all coordinators and workers leads: it sizes the pools by their load. Each worker command is a candidate
    too, so this one is only needed where none of them should lead. TERM and INT end it, and another leads at once.
    """
    from heijunka.app.pooling import burst_rules
    from heijunka.coordinator import Candidate
    from heijunka.worker.supervisor import host_name
    from heijunka_cli import logs

    overrides = opening.overrides_of(redis_url=redis_url, namespace=namespace, log_level=log_level)
    with opening.application(app, overrides) as opened:
        logs.set_up(opened.settings.log_level)
        candidate = Candidate(
            opened.connections.url,
            opened.namespace,
            name=host_name(),
            timeout_s=opened.settings.redis_timeout_ms / 1_000,
            bursts=burst_rules(opened.settings),
            total_workers=opened.settings.total_workers,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: candidate.stop())
        candidate.run()
