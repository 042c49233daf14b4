"""On which line each key of a settings file stands."""

from __future__ import annotations

import pytest

from heijunka.config.table import lines

OURS = ("tool", "heijunka")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[tool.heijunka]\nlease = 1\n\n# slots = 2\nslots = 3", {("lease",): 2, ("slots",): 5}),
        ("tool.heijunka.lease = 1\ntool.heijunka.slots = 3", {("lease",): 1, ("slots",): 2}),
        ("[tool]\nheijunka.lease = 1\nruff = 2", {("lease",): 2}),
        ("[tool]\nheijunka = {lease = 1, slots = 3}", {("lease",): 2, ("slots",): 2}),
        ("[ 'tool' . \"heijunka\" ] # ours\n'lease' = 1", {("lease",): 2}),
        ("[tool.heijunka]\r\nlease = 1\r\nslots = 3\r\n", {("lease",): 2, ("slots",): 3}),
        ("[tool.heijunka]\nlease = '''\nslots = 9\n[tool.x]\n'''\nslots = 3", {("lease",): 2, ("slots",): 6}),
        ("[tool.heijunka]\nlease = [\n  [1],\n  # no\n]\nslots = 3", {("lease",): 2, ("slots",): 6}),
        ("[tool.heijunka]\nlease = 'a\u2028b'\nslots = 3", {("lease",): 2, ("slots",): 3}),
        ("[tool.ruff]\nlease = 1\n[tool.heijunka]\nlease = 2\n[tool.x]\nlease = 3", {("lease",): 4}),
        ("[x]\na = '''\n[tool.heijunka]\nlease = 1\n'''\n[tool.heijunka]\nlease = 2", {("lease",): 7}),
        ("[x]\na = [\n  ['tool']\n]\n[tool.heijunka]\nlease = 2", {("lease",): 6}),
        (
            "[tool.heijunka]\n[tool.heijunka.domains.payment]\nsoft = 5\nhard = 6\n[tool.heijunka.domains.x]\nsoft = 7",
            {
                ("domains",): 2,
                ("domains", "payment"): 2,
                ("domains", "payment", "soft"): 3,
                ("domains", "payment", "hard"): 4,
                ("domains", "x"): 5,
                ("domains", "x", "soft"): 6,
            },
        ),
        ("[[tool.heijunka.lanes]]\nn = 1", {("lanes",): 1, ("lanes", "n"): 2}),
        ("[project]\nname = 'x'", {}),
    ],
)
def test_each_key_is_found_on_the_line_where_it_is_first_mentioned(
    text: str, expected: dict[tuple[str, ...], int]
) -> None:
    assert expected == lines(text, OURS)


def test_a_file_of_our_own_has_its_keys_at_the_top() -> None:
    assert {("slots",): 2, ("domains",): 3, ("domains", "payment"): 3} == lines("\nslots = 1\n[domains.payment]", ())
