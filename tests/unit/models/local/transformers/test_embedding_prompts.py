"""Prompts of embedding models, by their files and by their names."""

import json
from pathlib import Path
from typing import Any

import pytest

from carteiro.models.local.transformers.embedding_prompts import EmbeddingPrompts, read_prompts

BGE = "Represent this sentence for searching relevant passages: "


def save(directory: Path, config: Any) -> str:
    directory.mkdir(exist_ok=True)
    (directory / "config_sentence_transformers.json").write_text(json.dumps(config))
    return str(directory)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"prompts": {"query": "q: ", "document": "d: "}}, EmbeddingPrompts("q: ", "d: ")),
        ({"prompts": {"query": "q: ", "passage": "p: "}}, EmbeddingPrompts("q: ", "p: ")),
        ({"prompts": {"query": "q: ", "corpus": "c: "}}, EmbeddingPrompts("q: ", "c: ")),
        ({"prompts": {"query": "q: ", "document": "", "passage": "p: "}}, EmbeddingPrompts("q: ", "p: ")),
        ({"prompts": {"query": "q: "}}, EmbeddingPrompts("q: ")),
        (
            {"prompts": {"query": "q: ", "s": "sts: "}, "default_prompt_name": "s"},
            EmbeddingPrompts("q: ", "", "sts: "),
        ),
        ({"prompts": {"query": 7, "document": ["x"]}}, EmbeddingPrompts()),
        ({"prompts": ["query"]}, EmbeddingPrompts()),
        ([], EmbeddingPrompts()),
        ({}, EmbeddingPrompts()),
    ],
)
def test_prompts_are_read_from_the_files(tmp_path: Path, config: Any, expected: EmbeddingPrompts) -> None:
    assert read_prompts(save(tmp_path, config)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("multilingual-e5-small", EmbeddingPrompts("query: ", "passage: ", "query: ")),
        ("e5-base-v2", EmbeddingPrompts("query: ", "passage: ", "query: ")),
        ("bge-small-en-v1.5", EmbeddingPrompts(BGE)),
        ("nomic-embed-text-v1.5", EmbeddingPrompts("search_query: ", "search_document: ")),
        ("bge-m3", EmbeddingPrompts()),
        ("e5-base-instruct", EmbeddingPrompts()),
        ("some-e50-base", EmbeddingPrompts()),
    ],
)
def test_files_without_prompts_leave_them_to_the_card(tmp_path: Path, name: str, expected: EmbeddingPrompts) -> None:
    assert read_prompts(save(tmp_path / name, {"prompts": {"query": "", "document": ""}})) == expected


def test_prompts_in_files_come_before_the_card(tmp_path: Path) -> None:
    found = read_prompts(save(tmp_path / "e5-base-v2", {"prompts": {"query": "ask: "}}))
    assert found == EmbeddingPrompts("ask: ")
    assert [found.prefix(kind) for kind in ("query", "document", None)] == ["ask: ", "", ""]
