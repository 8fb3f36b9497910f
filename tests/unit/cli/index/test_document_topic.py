"""Topics of the collections that a command names."""

import pytest

from carteiro.cli.index.document_topic import document_topic
from carteiro.wire.topics import Topics


def test_collection_has_a_topic_of_its_own() -> None:
    assert document_topic("docs", None, Topics()) == "llm.index-docs.documents"


@pytest.mark.parametrize("name", ["", " ", "docs,faq", " docs", "docs\n"])
def test_text_that_is_not_the_name_of_one_collection_is_refused(name: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        document_topic(name, None, Topics())
    assert ended.value.code == 2
    assert f"--collection: {name!r} is not the name of a collection" in capsys.readouterr().err
