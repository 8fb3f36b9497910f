"""One-line errors of models in this process."""

import pytest

from carteiro.models.local.inference.error_messages import (
    engine_error,
    is_out_of_memory,
    load_error,
    out_of_memory_error,
    timeout_error,
)


class OutOfMemoryError(RuntimeError):
    """Error with the name of PyTorch's."""


class SubclassOfOutOfMemory(OutOfMemoryError):
    """Error of a subclass."""


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "does not fit into memory"),
        (ValueError("set trust_remote_code=True"), "needs Python code that comes with it"),
        (ImportError("No module named 'sacremoses'"), "needs a package that is not installed: No module"),
        (ValueError("one\n\n  two"), "cannot be loaded: one two"),
        (ValueError(), "cannot be loaded: ValueError"),
    ],
)
def test_loading_error_is_one_line_with_the_location(error: BaseException, message: str) -> None:
    said = str(load_error("/models/x", error))
    assert said.startswith(f"/models/x {message}")
    assert "\n" not in said


def test_long_reason_is_cut() -> None:
    assert len(str(load_error("x", ValueError("long " * 1000)))) < 350
    assert len(engine_error("x", ValueError("long " * 1000)).message) < 350


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (OutOfMemoryError("x"), True),
        (SubclassOfOutOfMemory("x"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), True),
        (RuntimeError("shape mismatch"), False),
    ],
)
def test_memory_errors_are_recognised_by_class_and_text(error: BaseException, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_errors_name_the_model() -> None:
    assert timeout_error("local:x", 0.5).message == "the model local:x took longer than 0.5 s"
    assert out_of_memory_error("local:x").message == "the model local:x ran out of memory"
    assert engine_error("local:x", KeyError("a")).message == "the model local:x failed: 'a'"
