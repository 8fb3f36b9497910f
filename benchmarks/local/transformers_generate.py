"""The model by Transformers' own calls in this process: one at a time, and in the best static batches."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline

from benchmarks.local.workload import ContenderResult, WorkItem, length_sorted_batches
from carteiro.models.local.transformers.placement import Placement

_SIZES = (16, 32)


def one_at_a_time(directory: Path, work: Sequence[WorkItem], machine: Placement) -> ContenderResult:
    """Run `generate` for one prompt after the other."""
    return _generate("generate, one at a time", directory, [[item] for item in work], machine)


def static_batches(directory: Path, work: Sequence[WorkItem], machine: Placement) -> ContenderResult:
    """Run `generate` on batches of similar limit and length. Return the best of several sizes."""
    outcomes = [
        _generate(f"static batches of {size}, by length", directory, length_sorted_batches(work, size), machine)
        for size in _SIZES
    ]
    return min(outcomes, key=lambda outcome: outcome.seconds)


def classify_one_at_a_time(directory: Path, work: Sequence[WorkItem], machine: Placement) -> ContenderResult:
    """Run `pipeline` for one text after the other."""
    return _classify("pipeline(), one at a time", directory, [[item] for item in work], machine)


def classify_static_batches(directory: Path, work: Sequence[WorkItem], machine: Placement) -> ContenderResult:
    """Run the model on batches of similar length. Return the best of several sizes."""
    outcomes = [
        _classify(f"static batches of {size}, by length", directory, length_sorted_batches(work, size), machine)
        for size in _SIZES
    ]
    return min(outcomes, key=lambda outcome: outcome.seconds)


def _generate(name: str, directory: Path, batches: Sequence[Sequence[WorkItem]], machine: Placement) -> ContenderResult:
    tokenizer: Any = AutoTokenizer.from_pretrained(directory, padding_side="left")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    model: Any = AutoModelForCausalLM.from_pretrained(directory, dtype=machine.dtype).eval().to(machine.device)
    outcome = ContenderResult(name)
    began = time.perf_counter()
    for batch in batches:
        turns = [[{"role": "user", "content": item.text}] for item in batch]
        inputs = tokenizer.apply_chat_template(
            turns, add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
        ).to(machine.device)
        with torch.inference_mode():
            limit = max(item.max_tokens for item in batch)
            output = model.generate(
                **inputs, max_new_tokens=limit, do_sample=False, pad_token_id=tokenizer.pad_token_id
            )
        done = time.perf_counter() - began
        for item, row in zip(batch, output[:, inputs["input_ids"].shape[1] :].tolist(), strict=True):
            written = row[: item.max_tokens]
            end = written.index(tokenizer.eos_token_id) if tokenizer.eos_token_id in written else len(written) - 1
            outcome.tokens += end + 1
            outcome.answered_at.append(done)
            outcome.texts[item.text] = tokenizer.decode(written[: end + 1], skip_special_tokens=True).strip()
    return outcome


def _classify(name: str, directory: Path, batches: Sequence[Sequence[WorkItem]], machine: Placement) -> ContenderResult:
    classifier = pipeline("text-classification", str(directory), dtype=machine.dtype, device=machine.device)
    outcome = ContenderResult(name)
    began = time.perf_counter()
    for batch in batches:
        labels = classifier([item.text for item in batch], batch_size=len(batch))
        done = time.perf_counter() - began
        for item, label in zip(batch, labels, strict=True):
            outcome.answered_at.append(done)
            outcome.texts[item.text] = label["label"]
    return outcome
