"""A cache of 100 bytes, with values that say how large they are."""

from polymath.data.files.cache import ByteCache


def test_the_least_recently_used_leaves() -> None:
    cache, reads = ByteCache(100), []

    def get(key: str, size: int) -> str:
        return cache.get(key, lambda: reads.append(key) or key, lambda _: size)

    get("a", 40), get("b", 40), get("a", 40), get("c", 40)  # c makes room by dropping b
    assert reads == ["a", "b", "c"]
    assert get("a", 40) == "a"
    get("b", 40)
    assert reads == ["a", "b", "c", "b"]


def test_a_value_larger_than_the_cache_is_still_given() -> None:
    cache = ByteCache(10)
    assert cache.get("large", lambda: "value", lambda _: 1000) == "value"
    assert cache.get("small", lambda: "other", lambda _: 1) == "other"
    assert cache.get("small", lambda: "again", lambda _: 1) == "other"
