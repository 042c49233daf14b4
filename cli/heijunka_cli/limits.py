"""`heijunka limits`: what bounds domains, looked at and changed live."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from heijunka_cli import opening
from heijunka_cli.ending import Usage, did_you_mean

if TYPE_CHECKING:
    from heijunka.app import Heijunka
    from heijunka.control.limits import Bounds
    from heijunka.policies.admission import Span

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
NONE = "none"


class Which(NamedTuple):
    """The application and the domain that a command is about."""

    app: Heijunka
    domain: str


def of_domain(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the words `[APP] DOMAIN` and the flags of Redis, and call it with what they name."""

    @functools.wraps(command)
    def called(words: tuple[str, ...], redis_url: str | None, namespace: str | None, **given: Any) -> Any:
        if not 1 <= len(words) <= 2:
            raise Usage(
                "one domain is to be named", hint="write its name, behind the application's path if there is one"
            )
        overrides = opening.overrides_of(redis_url=redis_url, namespace=namespace)
        with opening.application(words[0] if len(words) > 1 else None, overrides) as app:
            return command(Which(app, known(app, words[-1])), **given)

    return click.argument("words", nargs=-1, metavar="[APP] DOMAIN")(opening.redis_flags(called))


@click.group
def limits() -> None:
    """Look at what bounds domains, and change it.

    APP is the application's path, such as shop.tasks:app; it may be left out when the setting `app` names one, and
    with --namespace. Load is ready jobs, running ones and leases; at the soft limit jobs are accepted and told of
    pressure, at the hard limit they are refused, and the reserved share of that is left to high priority.
    """


@limits.command("list")
@click.argument("app", required=False)
@click.option("-d", "--domain", multiple=True, metavar="NAME", help="Only this domain; may be repeated.")
@json_option
@opening.redis_flags
def list_(
    *, app: str | None, domain: tuple[str, ...], as_json: bool, redis_url: str | None, namespace: str | None
) -> None:
    """List the limits of an application's domains."""
    from heijunka_cli.safe_text import json_text

    with opening.application(app, opening.overrides_of(redis_url=redis_url, namespace=namespace)) as opened:
        names = tuple(known(opened, name) for name in domain) or domains_of(opened)
        if not names:
            raise Usage("no domain is named", hint="write --domain NAME, or the application's path")
        found = [opened.control.limits.show(name) for name in names]
        declared = set(opened.declarations)
    if as_json:
        click.echo(json_text([facts(bounds) for bounds in found]))
        return
    click.echo(f"{'DOMAIN':<20} {'LOAD':>9} {'SOFT':>9} {'HARD':>9} {'RESERVED':>8} {'PRESSURE':>8}  FROM")
    for bounds in found:
        waits = bounds.declared is None and bounds.domain in declared
        click.echo(_line(bounds) + (" until the first job: declared, and not told yet" if waits else ""))


@limits.command
@json_option
@of_domain
def show(which: Which, *, as_json: bool) -> None:
    """Show what bounds a domain, where each value comes from, and what admission counted."""
    _tell(which.app.control.limits.show(which.domain), as_json=as_json)


@limits.command("set")
@click.option("--soft", metavar="JOBS|TIME", help="The load from which on accepted jobs are told of pressure; or none.")
@click.option("--hard", metavar="JOBS|TIME", help="The load at which everything is refused; or none.")
@click.option("--reserved", metavar="SHARE", help="The share of the hard limit that is left to high, such as 0.2.")
@json_option
@of_domain
def set_(which: Which, *, soft: str | None, hard: str | None, reserved: str | None, as_json: bool) -> None:
    """Change limits of a domain, from the next job on, wherever it comes from.

    A limit is a number of jobs, or the time that they take at the throughput that is measured, such as 30s.
    A change stands until it is reset, or until the application declares other limits. A limit below the present load
    refuses new jobs and drops none.
    """
    given = {
        name: _number(name, text)
        for name, text in (("soft_limit", soft), ("hard_limit", hard), ("reserved", reserved))
        if text is not None
    }
    if not given:
        raise Usage("nothing is changed", hint="write --soft, --hard or --reserved")
    _declare_first(which)
    _tell(which.app.control.limits.set(which.domain, **given), as_json=as_json)


@limits.command
@json_option
@of_domain
def reset(which: Which, *, as_json: bool) -> None:
    """Go back to the limits that are declared, or to none."""
    _tell(which.app.control.limits.reset(which.domain), as_json=as_json)


def _declare_first(which: Which) -> None:
    """A live change goes on top of the first declaration; without it, that would come later and replace the change."""
    limits, declaration = which.app.control.limits, which.app.declarations.get(which.domain)
    if declaration is not None and limits.show(which.domain).declared is None:
        limits.declare(which.domain, declaration, now_ms=which.app.server_ms())


def facts(bounds: Bounds) -> dict[str, Any]:
    """What is known of a domain's limits, for JSON."""
    return {
        "domain": bounds.domain,
        "bounded": bounds.limits.bounded,
        "soft_limit": _plain(bounds.limits.soft),
        "hard_limit": _plain(bounds.limits.hard),
        "soft_jobs": bounds.in_jobs.soft,
        "hard_jobs": bounds.in_jobs.hard,
        "throughput": bounds.throughput,
        "reserved": bounds.limits.reserved,
        "origins": dict(bounds.origins),
        "draining": bounds.draining,
        "load": bounds.load,
        "pressure": bounds.pressure,
        "load_factor": bounds.load_factor,
        "admission_rate": bounds.admission_rate,
        "rejection_rate": bounds.rejection_rate,
        "counters": dict(bounds.counters),
    }


def _tell(bounds: Bounds, *, as_json: bool) -> None:
    from heijunka_cli.safe_text import json_text, safe_text

    if as_json:
        click.echo(json_text(facts(bounds)))
        return
    values = bounds.limits
    for name, value in (
        ("soft", _jobs(values.soft)),
        ("hard", _jobs(values.hard)),
        ("reserved", f"{values.reserved:g}"),
    ):
        origin = bounds.origins[name] if values.bounded else "default"
        click.echo(f"{name:<9} {value:>13}  ({safe_text(origin)})")
    if values.timed:
        pace = "nobody knows yet" if bounds.throughput is None else f"{bounds.throughput:,.1f} jobs/s"
        worth = f"soft {_jobs(bounds.in_jobs.soft)}, hard {_jobs(bounds.in_jobs.hard)} jobs"
        click.echo(f"{'worth':<9} {worth}  (throughput: {pace})")
    click.echo(f"{'load':<9} {bounds.load:>13,}  (pressure {bounds.pressure:.2f})")
    click.echo(f"{'refused':<9} {bounds.rejection_rate:>13.2%}  (of what asked)")
    if bounds.draining:
        click.echo("it is drained and takes no jobs")
    for name, count in sorted(bounds.counters.items()):
        click.echo(f"{name:<20} {count:,}")


def _line(bounds: Bounds) -> str:
    from heijunka_cli.safe_text import safe_text

    values = bounds.limits
    origins = "unbounded" if not values.bounded else ", ".join(dict.fromkeys(bounds.origins.values()))
    return (
        f"{bounds.domain:<20} {bounds.load:>9,} {_jobs(values.soft):>9} {_jobs(values.hard):>9} "
        f"{values.reserved:>8g} {bounds.pressure:>8.2f}  {safe_text(origins)}{', draining' if bounds.draining else ''}"
    )


def _jobs(limit: int | Span | None) -> str:
    return NONE if limit is None else f"{limit:,}" if isinstance(limit, int) else str(limit)


def _plain(limit: int | Span | None) -> int | str | None:
    return limit if limit is None or isinstance(limit, int) else str(limit)


def _number(name: str, text: str) -> Any:
    if text.lower() == NONE:
        return None
    try:
        return float(text) if name == "reserved" else int(text.replace("_", "").replace(",", ""))
    except ValueError:
        return text  # refused with the range


def domains_of(app: Heijunka) -> tuple[str, ...]:
    """The domains that it has tasks or limits of."""
    return tuple(dict.fromkeys((*app.domains, *app.declarations)))


def known(app: Heijunka, domain: str) -> str:
    """The domain, if the application may have it.

    Raises:
        Usage: it declares others.
    """
    domains = domains_of(app)
    if domains and domain not in domains:
        hint = did_you_mean(domain, domains) or f"its domains are {', '.join(domains)}"
        raise Usage(f"{app.name} has no domain {domain!r}", hint=hint)
    return domain
