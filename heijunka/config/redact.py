"""Hide what is secret in a URL before anybody sees it.

It must hold for URLs that are wrong as well, because those are the ones that end up in error messages:
nothing here parses, and in doubt more is hidden.
"""

from __future__ import annotations

import re
from typing import Final

HIDDEN: Final = "***"

_SECRET_PARAMETER = re.compile(r"([?&#;][^=&#;]*(?:pass|pwd|secret|token|auth)[^=&#;]*=)[^&#;]*", re.IGNORECASE)


def redact_url(url: str) -> str:
    """`url` without its password.

    A lone word before the `@` is hidden too: it is a user's name by the standard, but often a password by mistake.

    Parameters:
        url: a URL, well-formed or not.

    Returns:
        The same text with `***` for the password and for parameters such as `?password=`.

    Example:
        >>> redact_url("rediss://shop:s3cret@db.internal:6380/2")
        'rediss://shop:***@db.internal:6380/2'
    """
    scheme, slashes, rest = url.partition("://")
    if not slashes:
        scheme, rest = "", url
    if scheme == "unix" and rest.startswith("/"):
        return scheme + slashes + _SECRET_PARAMETER.sub(rf"\g<1>{HIDDEN}", rest)  # an @ is part of the path here
    secret, at, host = rest.rpartition("@")
    if at:
        user, colon, _ = secret.partition(":")
        rest = (f"{user}:{HIDDEN}@" if colon else f"{HIDDEN}@") + host
    return scheme + slashes + _SECRET_PARAMETER.sub(rf"\g<1>{HIDDEN}", rest)
