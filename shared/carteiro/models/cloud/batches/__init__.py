"""Prompts that are done later and for less: a provider's batches."""

from carteiro.models.cloud.batches.interface import Batch, Batches, BatchModel, LineResult
from carteiro.models.cloud.batches.provided import open_batches

__all__ = ["Batch", "BatchModel", "Batches", "LineResult", "open_batches"]
