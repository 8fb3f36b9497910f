import pytest

from carteiro.wire.topics import Topics


@pytest.mark.parametrize(
    "name",
    [
        "llm.generate.requests",
        "llm.chat.conversations",
        "llm.generate.batches",
        "llm.generate.deferred",
        "llm.summarize.journal",
        "llm.a.task.of.tomorrow.dead",
        "__consumer_offsets",
        "__transaction_state",
        "_schemas",
    ],
)
def test_topic_that_is_not_for_replies_is_reserved(name):
    assert Topics("llm").is_reserved(name)


@pytest.mark.parametrize("name", ["llm.generate.replies", "my.replies", "shop.requests", "llm", "llm.x", "requests"])
def test_other_topic_is_allowed_as_a_reply_topic(name):
    assert not Topics("llm").is_reserved(name)


def test_deployments_with_different_prefixes_have_different_groups():
    groups = {Topics(prefix).group("chat") for prefix in ("llm", "staging", "production")}
    assert groups == {"carteiro-chat", "carteiro-staging-chat", "carteiro-production-chat"}
