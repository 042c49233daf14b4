"""The settings: each one's name, unit, default, range and meaning, once.

The documentation page, `config show`, the environment's names and the checks are derived from this file.
Durations are milliseconds and end in `_ms` here; users write them without the ending and with a unit.
Annotations are read at run time, so they are not postponed.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from heijunka.config.address import ADDRESS
from heijunka.config.domains import DOMAINS
from heijunka.config.kinds import Kind, choice, duration, number, or_none, size, text, whole
from heijunka.policies.admission import Given

DEFAULT: Final = "default"

_YES_AND_NO: Final = {"1": "yes", "true": "yes", "on": "yes", "0": "no", "false": "no", "off": "no"}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one application, checked by `load_settings`.

    Its repr hides passwords; `redis_url` itself does not.

    Attributes:
        origins: by setting, where its value came from; what is missing has its default.

    Example:
        >>> from heijunka.config import load_settings
        >>> settings = load_settings({"lease": "20s"})
        >>> settings.lease_ms, settings.origin("lease"), settings.shown("grace")
        (20000, 'argument', '25s')
    """

    redis_url: Annotated[
        str | None,
        or_none(ADDRESS),
        "Where Redis is. With none, an embedded server is used.",
    ] = None
    embedded: Annotated[
        str,
        choice("auto", "yes", "no", synonyms=_YES_AND_NO),
        "Whether the embedded server may be used when there is no `redis_url`. "
        "With auto it may, except in production surroundings; with yes it may there too.",
    ] = "auto"
    redis_timeout_ms: Annotated[
        int,
        duration(least="10ms", most="5m"),
        "How long a call waits for Redis before it fails.",
    ] = 5_000
    namespace: Annotated[
        str | None,
        or_none(text("1 to 64 of the characters a-z 0-9 _ . -", r"[a-z0-9_.-]{1,64}")),
        "What separates applications on one Redis: the first part of every key. With none, the application's name.",
    ] = None
    app: Annotated[
        str | None,
        or_none(text("a path such as shop.tasks:app")),
        "The application the command line works with when none is named.",
    ] = None
    log_level: Annotated[
        str,
        choice("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
        "What workers and the command line log.",
    ] = "INFO"
    max_payload: Annotated[
        int,
        size(least="1KiB", most="64MiB"),
        "The most that the encoded arguments of one call may take.",
    ] = 256 * 1024
    max_result: Annotated[
        int,
        size(least="1KiB", most="64MiB"),
        "The most that one encoded result may take.",
    ] = 256 * 1024
    keep_result_ms: Annotated[
        int,
        or_none(duration(least="0s", most="30d"), none=0),
        "How long results are kept. With none, not at all.",
    ] = 600_000
    timeout_ms: Annotated[
        int,
        or_none(duration(least="1ms", most="30d"), none=0),
        "How long one attempt may run. With none, as long as it likes.",
    ] = 30_000
    stalled_after_ms: Annotated[
        int,
        duration(least="1s", most="30d"),
        "How long an attempt without a timeout may run before an alarm is logged, with what its worker is doing.",
    ] = 300_000
    on_stall: Annotated[
        str,
        choice("alarm", "dead"),
        "What follows that alarm. With dead, the worker is killed and the job is dead-lettered as stalled.",
    ] = "alarm"
    soft_timeout_ms: Annotated[
        int,
        or_none(duration(least="1ms", most="30d"), none=0),
        "How long one attempt may run before `SoftTimeout` is raised in its task; shorter than `timeout`. "
        "With none, it is not.",
    ] = 0
    cancel_grace_ms: Annotated[
        int,
        duration(least="0s", most="1d"),
        "How long an attempt may go on after it was told that its job is cancelled, before its process is killed.",
    ] = 5_000
    attempts: Annotated[
        int,
        whole(1, 1_000),
        "How often a job that fails is tried, the first time included.",
    ] = 5
    retry_base_ms: Annotated[
        int,
        duration(least="1ms", most="1d"),
        "Upper bound of the random pause before the second attempt; it doubles with each further one.",
    ] = 1_000
    retry_cap_ms: Annotated[
        int,
        duration(least="1ms", most="30d"),
        "The longest that this bound gets; not below `retry_base`.",
    ] = 600_000
    domains: Annotated[
        dict[str, Given],
        DOMAINS,
        "What is declared of domains, besides what the application's code declares; see [admission](admission.md).",
    ] = {}
    on_overload: Annotated[
        Literal["raise", "wait", "drop"],
        choice("raise", "wait", "drop"),
        "What `enqueue` does when the domain has no room: raise `Overloaded`, wait for room, or drop the job.",
    ] = "raise"
    wait_ms: Annotated[
        int,
        duration(least="0s", most="1d"),
        "How long `enqueue` waits for room at most, when it waits.",
    ] = 30_000
    max_deliveries: Annotated[
        int,
        whole(1, 100),
        "How often a worker may die while it runs a job before the job is dead-lettered as poison.",
    ] = 3
    park_ttl_ms: Annotated[
        int,
        duration(least="0s", most="30d"),
        "How long a job whose task a worker does not know waits for one that does, as during a rolling deploy, "
        "before it is dead-lettered. With 0s, not at all.",
    ] = 86_400_000
    dead_max_age_ms: Annotated[
        int | None,
        or_none(duration(least="1s", most="3650d")),
        "How long dead letters are kept. With none, until somebody purges them.",
    ] = None
    dead_max_count: Annotated[
        int | None,
        or_none(whole(0, 1_000_000_000)),
        "How many dead letters each domain keeps; the oldest go first. With none, all of them.",
    ] = None
    processes: Annotated[
        int,
        whole(1, 500),
        "Worker processes of each domain that a supervisor begins with; from there they follow the coordinator.",
    ] = 2
    min_workers: Annotated[int, whole(0, 10_000), "The fewest workers of a domain's pool, over all hosts."] = 2
    max_workers: Annotated[int, whole(1, 10_000), "The most workers of a domain's pool, over all hosts."] = 50
    host_max_workers: Annotated[
        int,
        whole(1, 500),
        "The most workers of one supervisor, of all its domains together.",
    ] = 50
    breaker: Annotated[
        str,
        or_none(text("a number of failures, or a share of attempts such as 0.5 of 20"), none="none"),
        "What opens a worker's breaker: failures in a row, or a share of the last attempts. With none, nothing.",
    ] = "3"
    breaker_recovery: Annotated[
        str,
        choice("auto", "manual"),
        "Whether an open breaker tries one job after a while, or stays open until `heijunka breaker reset`.",
    ] = "auto"
    breaker_open_ms: Annotated[
        int,
        duration(least="10ms", most="1d"),
        "How long a breaker stays open before one job is tried; twice as long each time that this fails.",
    ] = 5_000
    breaker_open_most_ms: Annotated[
        int,
        duration(least="10ms", most="1d"),
        "How long a breaker stays open at most.",
    ] = 60_000
    alert_command: Annotated[
        str | None,
        or_none(text("a command")),
        "A command that is run when a breaker opens, with what happened as JSON on its stdin.",
    ] = None
    alert_webhook: Annotated[
        str | None,
        or_none(text("an address that begins with http:// or https://", r"https?://\S{1,2000}")),
        "Where what happened is posted as JSON when a breaker opens.",
    ] = None
    target_utilisation: Annotated[
        float,
        number(0.05, 0.99),
        "How busy the leader keeps pools. Between `scale_down_below` and `scale_up_above`.",
    ] = 0.70
    scale_up_above: Annotated[float, number(0.06, 1), "How busy a pool is that grows."] = 0.80
    scale_down_below: Annotated[float, number(0.01, 0.98), "How busy a pool is that may shrink."] = 0.50
    target_wait_ms: Annotated[
        int,
        or_none(duration(least="1ms", most="1d"), none=0),
        "How long the oldest job of a pool may wait before the pool grows and counts as degraded. With none, the load "
        "alone decides, and a minute is long.",
    ] = 0
    drain_within_ms: Annotated[
        int,
        duration(least="100ms", most="1d"),
        "Within how long a pool should work off what waits.",
    ] = 10_000
    stabilisation_ms: Annotated[
        int,
        duration(least="1s", most="1d"),
        "How long fewer workers must have been enough before a pool shrinks.",
    ] = 60_000
    total_workers: Annotated[
        int | None,
        or_none(whole(1, 100_000)),
        "Workers of all pools together, over all hosts; the leader shares them out. With none, any number.",
    ] = None
    burst_factor: Annotated[
        float,
        number(1.01, 1_000_000),
        "How many times the arrivals of the last minute are a burst.",
    ] = 10.0
    surge_workers: Annotated[
        int,
        whole(0, 10_000),
        "Workers that a surge adds to a pool when there is a burst. With 0, there are no surges.",
    ] = 5
    surge_lasts_ms: Annotated[
        int,
        duration(least="1s", most="1d"),
        "How long a surge lasts, unless its cause goes on or is gone early.",
    ] = 300_000
    surge_cost_per_worker_hour: Annotated[
        float,
        number(0, 1_000_000),
        "What a worker of a surge costs an hour, in any currency.",
    ] = 0.0
    surge_budget: Annotated[
        float | None,
        or_none(number(0, 1_000_000_000)),
        "What the surges of one pool may cost a day (UTC). With none, any sum.",
    ] = None
    slots: Annotated[int, whole(1, 10_000), "Attempts that one worker process runs at a time."] = 1
    max_jobs: Annotated[
        int,
        or_none(whole(1, 1_000_000_000), none=0),
        "After how many jobs a worker process ends in order and another takes its place. With none, never.",
    ] = 0
    max_memory: Annotated[
        int,
        or_none(size(least="16MiB", most="1024GiB"), none=0),
        "From how much resident memory on a worker process ends between jobs and another takes its place; "
        "what it shares with others counts too. With none, never. Linux only.",
    ] = 0
    pull_size: Annotated[
        int,
        whole(1, 200),
        "Jobs that a worker's first pull asks for; later pulls adapt to how long its jobs take.",
    ] = 10
    poll_ms: Annotated[
        int,
        duration(least="1s", most="5s"),
        "How long an idle worker waits to be woken before it looks for jobs by itself.",
    ] = 2_000
    lease_ms: Annotated[
        int,
        duration(least="1s", most="10m"),
        "How long a worker's right to its jobs outlives its last renewal: "
        "what the loss of a whole host costs before its jobs run elsewhere.",
    ] = 15_000
    grace_ms: Annotated[
        int,
        duration(least="0s", most="1d"),
        "How long running attempts may go on after a worker was told to stop.",
    ] = 25_000
    origins: dict[str, str] = {}

    def origin(self, name: str) -> str:
        """Where a setting's value came from.

        Parameters:
            name: of the setting, such as "lease".

        Returns:
            "flag --lease", "environment HEIJUNKA_LEASE", "pyproject.toml:12", "default" …

        Raises:
            KeyError: there is no such setting.
        """
        return self.origins.get(SETTINGS[name].name, DEFAULT)

    def shown(self, name: str) -> str:
        """A setting's value as people write it, with passwords hidden.

        Parameters:
            name: of the setting, such as "lease".

        Raises:
            KeyError: there is no such setting.
        """
        setting = SETTINGS[name]
        return setting.kind.show(getattr(self, setting.field))

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={self.shown(name)!r}' for name in SETTINGS)})"


class Setting(msgspec.Struct, frozen=True):
    """What is known about one setting.

    Attributes:
        name: what users write.
        field: what it is called in `Settings`.
        kind: how it is read, and what it may be.
        default: what it is when nobody says otherwise.
        meaning: one or two sentences, in Markdown.
    """

    name: str
    field: str
    kind: Kind
    default: Any
    meaning: str

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return f"HEIJUNKA_{self.name.upper()}"


def _declared() -> dict[str, Setting]:
    defaults = Settings()
    annotations: dict[str, Any] = Settings.__annotations__
    found = {}
    for field, annotation in annotations.items():
        if field != "origins":
            kind, meaning = annotation.__metadata__
            name = field.removesuffix("_ms")
            found[name] = Setting(name, field, kind, getattr(defaults, field), meaning)
    return found


SETTINGS: Final[Mapping[str, Setting]] = _declared()
"""Every setting by its name, in the order of the documentation."""
