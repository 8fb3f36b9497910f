from carteiro.worker.handling.expiring_store import ExpiringStore


class FakeClock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_value_is_stored_until_it_expires() -> None:
    clock = FakeClock()
    store: ExpiringStore[str] = ExpiringStore(60, clock)
    store.put(b"k", "value", 5)
    clock.now += 60
    assert store.get(b"k") == "value"
    clock.now += 1
    assert store.get(b"k") is None


def test_expired_values_take_no_memory() -> None:
    clock = FakeClock()
    store: ExpiringStore[str] = ExpiringStore(60, clock)
    for number in range(10):
        store.put(b"%d" % number, "value", 5)
    clock.now += 61
    store.get(b"other")
    assert (len(store._entries), store._bytes) == (0, 0)


def test_oldest_values_are_removed_if_there_are_too_many() -> None:
    store: ExpiringStore[str] = ExpiringStore(60, max_values=2)
    for key in (b"a", b"b", b"c"):
        store.put(key, "value", 5)
    assert [store.get(key) for key in (b"a", b"b", b"c")] == [None, "value", "value"]


def test_oldest_values_are_removed_if_they_are_too_large() -> None:
    store: ExpiringStore[str] = ExpiringStore(60, max_bytes=10)
    for key in (b"a", b"b", b"c"):
        store.put(key, "value", 5)
    assert [store.get(key) for key in (b"a", b"b", b"c")] == [None, "value", "value"]
    store.put(b"d", "too large", 11)
    assert store.get(b"d") is None
    assert store._bytes == 0


def test_new_value_replaces_the_old_one_and_its_size() -> None:
    store: ExpiringStore[str] = ExpiringStore(60, max_bytes=10)
    store.put(b"a", "old", 6)
    store.put(b"a", "new", 7)
    assert (store.get(b"a"), store._bytes) == ("new", 7)
