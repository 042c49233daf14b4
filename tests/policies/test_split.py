"""Splitting: the sum is right where there is room, nobody has more than room, and nobody moves for nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from heijunka.policies.split import Post, split

posts = st.dictionaries(
    st.sampled_from("abcdefgh"), st.builds(Post, st.integers(0, 30), st.integers(-5, 30), st.booleans()), max_size=6
)


@given(st.integers(0, 120), posts)
def test_the_sum_is_the_target_as_far_as_room_and_fixed_numbers_allow(target: int, posts: dict[str, Post]) -> None:
    shares = split(target, posts)

    fixed = sum(post.workers for post in posts.values() if post.fixed)
    most = fixed + sum(max(0, post.workers + post.room) for post in posts.values() if not post.fixed)
    assert max(fixed, min(target, most)) == sum(shares.values())


@given(st.integers(0, 120), posts)
def test_nobody_has_more_than_room_for_and_fixed_numbers_stay(target: int, posts: dict[str, Post]) -> None:
    shares = split(target, posts)

    assert posts.keys() == shares.keys()
    for name, post in posts.items():
        assert 0 <= shares[name] <= max(0, post.workers + post.room) or post.fixed
        assert not post.fixed or post.workers == shares[name]


@given(posts)
def test_a_target_that_is_met_moves_nobody(posts: dict[str, Post]) -> None:
    roomy = {name: Post(post.workers, max(0, post.room), post.fixed) for name, post in posts.items()}
    has = {name: post.workers for name, post in roomy.items()}

    assert has == split(sum(has.values()), roomy)


@given(st.integers(0, 120), posts)
def test_a_pool_that_grows_takes_from_nobody(target: int, posts: dict[str, Post]) -> None:
    roomy = {name: Post(post.workers, max(0, post.room), post.fixed) for name, post in posts.items()}
    shares, has = split(target, roomy), {name: post.workers for name, post in roomy.items()}

    grown = [shares[name] > has[name] for name in has if shares[name] != has[name]]
    assert all(grown) or not any(grown)
