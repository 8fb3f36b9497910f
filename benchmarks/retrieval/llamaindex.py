"""LlamaIndex with its default pipeline: its splitter, its vector store in memory, and its retriever."""

from collections.abc import Sequence
from typing import Any

from carteiro.models.interface import EmbeddingModel
from tests.quality.corpus import Document, Question

NAME = "LlamaIndex"


async def search(
    documents: Sequence[Document], questions: Sequence[Question], model: EmbeddingModel
) -> dict[str, list[str]]:
    """Return the keys of the documents in the five best nodes of each question, by its id.

    Documents and questions are embedded by our model, long texts up to its limit, as Sentence Transformers does.
    """
    from llama_index.core import Document as Text
    from llama_index.core import VectorStoreIndex
    from llama_index.core.embeddings import BaseEmbedding
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.core.vector_stores import FilterCondition, MetadataFilter, MetadataFilters

    async def vectors(texts: Sequence[str]) -> list[list[float]]:
        shortened = [_shortened(each, model) for each in texts]
        return [list(each) for each in (await model.embed(shortened)).vectors]

    class Embedder(BaseEmbedding):
        def _get_query_embedding(self, query: str) -> Any:
            raise NotImplementedError

        def _get_text_embedding(self, text: str) -> Any:
            raise NotImplementedError

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return (await vectors([query]))[0]

        async def _aget_text_embedding(self, text: str) -> list[float]:
            return (await vectors([text]))[0]

        async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return await vectors(texts)

    embedder = Embedder(embed_batch_size=64)
    texts = [Text(text=each.text, doc_id=each.key, metadata={"title": each.title, **each.fields}) for each in documents]
    index = VectorStoreIndex([], embed_model=embedder)
    nodes = SentenceSplitter()(texts)
    for node, vector in zip(nodes, await vectors([node.get_content("embed") for node in nodes]), strict=True):
        node.embedding = vector
    index.insert_nodes(nodes)
    found: dict[str, list[str]] = {}
    for each in questions:
        wanted = [MetadataFilter(key=name, value=value) for name, value in each.filter.items()]
        filters = MetadataFilters(filters=list(wanted), condition=FilterCondition.AND) if wanted else None
        retrieved = await index.as_retriever(similarity_top_k=5, filters=filters).aretrieve(each.question)
        found[each.id] = [str(node.node.ref_doc_id) for node in retrieved]
    return found


def _shortened(text: str, model: EmbeddingModel) -> str:
    words = text.split(" ")
    limit = model.context_tokens or len(words)
    while model.count_tokens(" ".join(words)) > limit:
        words = words[: int(len(words) * 0.9)]
    return " ".join(words)
