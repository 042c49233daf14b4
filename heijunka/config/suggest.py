"""Did you mean …? The one answer to every name that does not exist."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A hint naming what was probably meant.

    Parameters:
        name: what was written.
        known: what there is.

    Returns:
        "did you mean 'redis_url'?", or None when nothing comes near.

    Example:
        >>> did_you_mean("redis-ulr", ["redis_url", "lease"])
        "did you mean 'redis_url'?"
    """
    from difflib import get_close_matches  # only those who err pay for it

    spelled = {_folded(candidate): candidate for candidate in known}
    asked = _folded(name)
    near = get_close_matches(asked, spelled, n=1) or _containing(asked, spelled)
    return f"did you mean {spelled[near[0]]!r}?" if near else None


def _containing(asked: str, known: Iterable[str]) -> list[str]:
    """`url` means `redis_url`, `lease_seconds` means `lease`."""
    if len(asked) <= 2:
        return []
    inside = [each for each in known if asked in each or (len(each) > 2 and each in asked)]
    return sorted(inside, key=lambda each: abs(len(each) - len(asked)))


def _folded(name: str) -> str:
    return name.casefold().replace("-", "_")
