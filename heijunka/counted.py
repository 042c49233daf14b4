"""Numbers with their nouns, as people write them; what is logged and shown is read by people first."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """A number of things.

    Parameters:
        number: how many.
        noun: what one of them is called; its plural is regular.

    Returns:
        Both, the noun in its number, thousands set apart by commas.

    Example:
        >>> counted(1, "process"), counted(2, "process"), counted(1_200, "dead letter")
        ('1 process', '2 processes', '1,200 dead letters')
    """
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun}{'es' if noun.endswith('s') else 's'}"
