import numpy as np

from carteiro.retrieval.stores.sqlite.vector_scan import VectorScan


def unit(rows: int, dimensions: int = 64, seed: int = 7) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_candidates_have_the_nearest_vectors():
    vectors, queries, scan = unit(20_000), unit(20, seed=8), VectorScan(64)
    for start in range(0, 20_000, 3000):
        rows = vectors[start : start + 3000]
        scan.append(np.arange(start + 1, start + 1 + len(rows)), np.zeros(len(rows)), rows)
    for query in queries:
        nearest = 1 + np.argsort(vectors @ query)[-10:]
        assert set(nearest.tolist()) <= set(scan.rows.best(query, 84, None).tolist())


def test_only_rows_of_given_documents_are_candidates():
    scan = VectorScan(64)
    scan.append(np.arange(1, 101), np.arange(1, 101) // 10, unit(100))
    assert sorted(scan.rows.best(unit(1)[0], 50, np.array([3, 7])).tolist()) == [*range(30, 40), *range(70, 80)]
    assert scan.rows.best(unit(1)[0], 50, np.array([], np.int64)).tolist() == []


def test_rows_seen_by_a_search_stay_as_they_are_while_others_are_added():
    scan = VectorScan(64)
    scan.append(np.arange(1, 11), np.zeros(10), unit(10))
    seen = scan.rows
    for number in range(1, 50):
        scan.append(np.arange(10 * number + 1, 10 * number + 11), np.zeros(10), unit(10, seed=number))
    assert sorted(seen.best(unit(1)[0], 100, None).tolist()) == list(range(1, 11))
    assert scan.last_id == 500
    assert len(scan.rows.best(unit(1)[0], 1000, None)) == 500


def test_zero_vector_is_no_error():
    scan = VectorScan(4)
    scan.append(np.array([1]), np.array([1]), np.zeros((1, 4), np.float32))
    assert scan.rows.best(np.ones(4, np.float32), 5, None).tolist() == [1]
