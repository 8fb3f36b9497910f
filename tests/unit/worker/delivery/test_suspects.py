"""A request that ends its worker is found, and no other is blamed for it."""

from hypothesis import given
from hypothesis import strategies as st

from carteiro.worker.delivery.ledger import Ledger
from carteiro.worker.delivery.metadata import decode, encode
from carteiro.worker.delivery.suspects import DEATHS, Suspects

WINDOW, COHORT = 8, 2


def serve(records, deadly, chance, served_alone=lambda offset: None):
    """Workers serve a partition, one after the other, each until a deadly request ends it. Returns what was
    condemned, how many workers died, and how often each request was begun."""
    committed, condemned, deaths, begun = (0, ""), [], 0, dict.fromkeys(records, 0)
    for owner in range(1, 1000):
        ledger = Ledger()
        found, suspects = decode(*committed)
        ledger.merge(found)
        ledger.rewind(())
        suspects.take_over(owner, ledger, WINDOW)
        committed = encode(ledger, suspects)
        waiting = [offset for offset in records if offset >= ledger.low and ledger.take(offset)]
        dead = False
        while waiting and not dead:
            window = [each for each in waiting if not suspects.suspected(each)][:WINDOW]
            suspected = [each for each in waiting if suspects.suspected(each)]
            alone = [each for each in suspected if suspects.must_be_alone(each)][:1]
            if suspected:
                window = []
            for offset in alone:
                if suspects.condemned(offset):
                    condemned.append(offset)
                    ledger.finish(offset)
                    waiting.remove(offset)
                    alone = []
                else:
                    suspects.begin_alone(offset)
                suspected = alone
            if suspected and not alone:
                suspected = suspected[:COHORT]
                suspects.begin_together(max(suspected))
            committed = encode(ledger, suspects)
            running = window + suspected
            chance.shuffle(running)
            for offset in running:
                begun[offset] += 1
            for offset in running:
                if offset in deadly:
                    dead = True
                    break
                ledger.finish(offset)
                waiting.remove(offset)
                suspects.forget(ledger)
                committed = encode(ledger, suspects)
        deaths += dead
        if not waiting:
            break
    return condemned, deaths, begun


@given(st.integers(1, 40), st.sets(st.integers(0, 39), max_size=3), st.randoms(use_true_random=False))
def test_the_deadly_are_condemned_and_nobody_else(count, deadly, chance):
    records = list(range(count))
    condemned, deaths, _ = serve(records, deadly, chance)
    guilty = sorted(deadly & set(records))
    # One whose condemnation was not committed before the next death is condemned again.
    assert sorted(set(condemned)) == guilty
    assert deaths <= DEATHS * len(guilty)


@given(st.randoms(use_true_random=False))
def test_one_deadly_request_costs_five_workers(chance):
    condemned, deaths, begun = serve(list(range(30)), {3}, chance)
    assert (condemned, deaths, begun[3]) == ([3], DEATHS, DEATHS)


def test_a_partition_that_was_given_back_in_order_blames_nobody():
    ledger, suspects = Ledger(5, [2]), Suspects()
    for owner in range(1, 20):
        assert not suspects.take_over(owner, ledger, WINDOW)
        suspects.give_back(ledger)
    assert not suspects.suspected(2)


def test_a_lane_that_is_built_anew_by_its_own_process_blames_nobody():
    ledger, suspects = Ledger(5, [2]), Suspects()
    for _ in range(20):
        assert not suspects.take_over(7, ledger, WINDOW)
    assert not suspects.suspected(2)


def test_who_is_served_alone_while_the_partition_moves_has_not_died_of_it():
    ledger, suspects = Ledger(5, [2]), Suspects(strikes=[9, 9], apart=9)
    for owner in range(1, 20):
        suspects.take_over(owner, ledger, WINDOW)
        assert suspects.suspected(2)
        assert not suspects.condemned(2)
        suspects.begin_alone(2)
        suspects.give_back(ledger)


@given(st.integers(0, 39))
def test_a_group_that_died_is_blamed_alone(end):
    ledger = Ledger(40, list(range(40)))
    suspects = Suspects(owner=1, strikes=[39, 39])
    suspects.begin_together(end)
    suspects.take_over(2, ledger, WINDOW)
    assert [each for each in range(40) if suspects.must_be_alone(each)] == list(range(end + 1))
