"""How workers are shared: never more than there may be, never less than a pool must have, and no move for nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heijunka.errors import InvalidOption
from heijunka.policies.balance import BalanceRules, Move, Share, allotted, coefficient, rebalanced

shares = st.builds(
    lambda least, has, wants, more, used: Share(least + has, min(least + wants, least + has + more), least,
                                                least + has + more, used),
    st.integers(0, 5), st.integers(0, 30), st.integers(0, 60), st.integers(0, 30), st.floats(0, 1),
)  # fmt: skip
pools = st.dictionaries(st.sampled_from("abcdef"), shares, min_size=1)


@given(utilisations=st.lists(st.floats(0, 1), max_size=20))
def test_the_coefficient_is_between_0_and_1_and_1_for_equals(utilisations: list[float]) -> None:
    assert 0 <= coefficient(utilisations) <= 1
    assert 1 == pytest.approx(coefficient([0.4] * len(utilisations)))


@given(pools=pools, total=st.integers(1, 200))
def test_no_more_are_given_than_there_may_be_unless_minima_or_what_is_there_ask_for_it(
    pools: dict[str, Share], total: int
) -> None:
    gets = allotted(BalanceRules(total=total), pools)

    kept = {name: max(one.least, min(one.workers, one.wanted)) for name, one in pools.items()}
    assert sum(gets.values()) <= max(total, sum(kept.values()))
    for name, one in pools.items():
        assert kept[name] <= gets[name] <= max(one.wanted, one.least)
    if sum(one.wanted for one in pools.values()) <= total:
        assert {name: one.wanted for name, one in pools.items()} == gets


def test_what_is_free_goes_to_the_busiest() -> None:
    gets = allotted(BalanceRules(total=20), {"a": Share(6, 16, 2, 50, 1.0), "b": Share(6, 16, 2, 50, 0.5)})

    assert {"a": 13, "b": 7} == gets


@given(pools=pools)
def test_a_move_stays_within_bounds_and_evens_out(pools: dict[str, Share]) -> None:
    move = rebalanced(BalanceRules(total=50), pools)
    if not move.migrated:
        assert ("", "") == (move.source, move.destination)
        return
    source, destination = pools[move.source], pools[move.destination]

    assert source.utilisation <= destination.utilisation
    assert source.workers - move.migrated >= source.least
    assert destination.workers + move.migrated <= destination.most
    assert coefficient([one.utilisation for one in pools.values()]) < 0.8


def test_balanced_pools_and_single_ones_are_left_alone() -> None:
    even = {"a": Share(5, 5, 2, 50, 0.7), "b": Share(9, 9, 2, 50, 0.65)}

    assert Move() == rebalanced(BalanceRules(), even)
    assert Move() == rebalanced(BalanceRules(), {"a": Share(5, 5, 2, 50, 0.1)})
    assert Move() == rebalanced(BalanceRules(), {})


def test_a_pool_at_its_minimum_gives_nothing() -> None:
    move = rebalanced(BalanceRules(), {"a": Share(2, 2, 2, 50, 0.0), "b": Share(9, 9, 2, 50, 0.9)})

    assert 0 == move.migrated
    assert "what they must have" in move.reason


@pytest.mark.parametrize("wrong", [{"total": 0}, {"balanced": 0.0}, {"balanced": 1.1}, {"cooldown_s": -1.0}])
def test_rules_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidOption):
        BalanceRules(**wrong)  # type: ignore[arg-type]
