"""The summary of a job's replies."""

import pytest

from carteiro.cli.bulk.summary import JobSummary


def reply(**usage):
    return {"status": "ok", "usage": {"input_tokens": 10, "output_tokens": 5, **usage}}


def error(code, **more):
    return {"status": "error", "error": {"code": code}, **more}


@pytest.mark.parametrize(
    ("replies", "summary"),
    [
        ([], "0 answered: 0 ok; 0 + 0 tokens; 0 USD"),
        ([reply(cost_usd=0.5)], "1 answered: 1 ok; 10 + 5 tokens; 0.500000 USD, none of it by batch"),
        (
            [reply(cost_usd=0.5), reply(cost_usd=0.25, service_tier="batch"), error("expired"), error("expired")],
            "4 answered: 2 ok, 2 errors (2 expired); 20 + 10 tokens; 0.750000 USD, 0.250000 of it by batch (1 request)",
        ),
        (
            [reply(cost_usd=0) | {"status": "stored"}],
            "1 answered: 1 ok; 10 + 5 tokens; 0.000000 USD, none of it by batch",
        ),
        ([reply()], "1 answered: 1 ok; 10 + 5 tokens; cost not known"),
        ([reply(service_tier="batch")], "1 answered: 1 ok; 10 + 5 tokens; cost not known; 1 by batch"),
        (
            [reply(cost_usd=0.5), reply()],
            "2 answered: 2 ok; 20 + 10 tokens; 0.500000 USD, none of it by batch, and 1 of unknown price",
        ),
        (
            [
                error("internal", usage={"input_tokens": 7, "cost_usd": 0.1}),
                {"status": "new", "usage": {"cost_usd": "x"}},
            ],
            "2 answered: 0 ok, 2 errors (1 internal, 1 unknown); 7 + 0 tokens; 0.100000 USD, none of it by batch",
        ),
    ],
)
def test_summary_for_people(replies, summary):
    tally = JobSummary()
    for each in replies:
        tally.add(each)
    assert tally.one_line() == summary


def test_summary_for_programs():
    tally = JobSummary()
    for each in (reply(cost_usd=0.5), reply(cost_usd=0.25, service_tier="batch"), error("expired")):
        tally.add(each)
    assert tally.as_dict() == {
        "ok": 2,
        "errors": {"expired": 1},
        "input_tokens": 20,
        "output_tokens": 10,
        "cost_usd": 0.75,
        "priced": 2,
        "unpriced": 0,
        "by_batch": 1,
        "by_batch_usd": 0.25,
    }
