"""Refuse to stand in for the real Redis in production.

A forgotten HEIJUNKA_REDIS_URL must be an error there: each host would start a server of its own, jobs
would reach only the workers beside them, and a replaced container would take its jobs with it. Only signs
that a deployment sets on purpose count. A guess from process trees or host names would refuse somebody's
development container.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from heijunka.errors import InvalidSetting, ServerRefused

PERMISSION: Final = "HEIJUNKA_EMBEDDED"
"""`yes` permits the embedded server anywhere, `no` forbids it anywhere, `auto` leaves it to the signs."""

STAGES: Final = ("HEIJUNKA_ENV", "APP_ENV", "ENV", "ENVIRONMENT", "DJANGO_ENV", "FLASK_ENV")
"""Variables that say which stage a process runs in; `production` and `prod` count."""

PLATFORMS: Final = {
    "KUBERNETES_SERVICE_HOST": "Kubernetes",
    "ECS_CONTAINER_METADATA_URI_V4": "Amazon ECS",
    "AWS_LAMBDA_FUNCTION_NAME": "AWS Lambda",
    "K_SERVICE": "Cloud Run",
    "DYNO": "Heroku",
}
"""Set by platforms whose disks do not outlive the process. Not looked at under CI=true: builds run there, too."""

_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"0", "false", "no", "off"})


def refuse_production(environ: Mapping[str, str], *, embedded: str | None = None) -> None:
    """Return when the embedded server may run in these surroundings.

    Parameters:
        environ: the environment to look at.
        embedded: the setting of that name, `yes`, `no` or `auto`; None takes HEIJUNKA_EMBEDDED.

    Raises:
        ServerRefused: it may not; `sign` names the variable that says so.
        InvalidSetting: the setting is none of the three.

    Example:
        >>> refuse_production({"APP_ENV": "production"})
        Traceback (most recent call last):
        heijunka.errors.ServerRefused: the embedded server does not start in production: APP_ENV=production
    """
    permission = (embedded if embedded is not None else environ.get(PERMISSION, "auto")).strip().lower()
    if permission in _YES:
        return
    if permission in _NO:
        raise ServerRefused("the embedded server is switched off (embedded = no)", sign=PERMISSION)
    if permission not in {"", "auto"}:
        raise InvalidSetting(
            f"{PERMISSION} is {permission!r}, which is none of auto, yes and no",
            hint=f"set {PERMISSION}=yes or no, or leave it out",
            setting=PERMISSION,
            origin="environment",
        )
    sign = _sign(environ)
    if sign is not None:
        variable, says = sign
        raise ServerRefused(
            f"the embedded server does not start in production: {says}",
            hint=f"set HEIJUNKA_REDIS_URL to your Redis, or {PERMISSION}=yes if this is not production",
            sign=variable,
        )


def _sign(environ: Mapping[str, str]) -> tuple[str, str] | None:
    for variable in STAGES:
        if environ.get(variable, "").strip().lower() in {"production", "prod"}:
            return variable, f"{variable}={environ[variable]}"
    if environ.get("CI", "").strip().lower() in _YES:
        return None
    for variable, product in PLATFORMS.items():
        if environ.get(variable):
            return variable, f"this is {product} ({variable} is set)"
    return None
