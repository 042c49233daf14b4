"""What every error of ours is made of: a message, a hint, and the facts as attributes."""

from __future__ import annotations


class HeijunkaError(Exception):
    """Something went wrong in Heijunka.

    Parameters:
        message: one line; the class's docstring when left out.
        hint: one line that says what to do next, or None.
        facts: ids, sizes and names that explain the error; they become attributes.

    Example:
        >>> from heijunka.errors import PayloadTooLarge
        >>> error = PayloadTooLarge(size=300_000, limit=262_144, hint="store it elsewhere, pass its key")
        >>> error.size, error.hint
        (300000, 'store it elsewhere, pass its key')
    """

    hint: str | None = None

    def __init__(self, message: str | None = None, *, hint: str | None = None, **facts: object) -> None:
        self.facts = facts
        for name, value in facts.items():
            setattr(self, name, value)
        if hint is not None:
            self.hint = hint
        super().__init__(message if message is not None else default_message(type(self)))

    def __reduce__(self) -> tuple[object, ...]:
        """Errors travel between processes (pools, pytest-xdist) although their facts are keyword-only."""
        return (_rebuild, (type(self), str(self), self.hint, self.facts))


def _rebuild(cls: type[HeijunkaError], message: str, hint: str | None, facts: dict[str, object]) -> HeijunkaError:
    return cls(message, hint=hint, **facts)


def default_message(cls: type) -> str:
    """The first line of a class's docstring, without its full stop."""
    return (cls.__doc__ or cls.__name__).strip().splitlines()[0].rstrip(".")


def text_of(error: BaseException) -> str:
    """An error's text, also when its class has a broken `__str__`."""
    try:
        return str(error)
    except BaseException:  # noqa: BLE001 - whatever it raises, it is a text that cannot be read
        return f"<{type(error).__qualname__} whose text cannot be read>"
