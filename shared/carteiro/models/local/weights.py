"""Reading a model's weights and tokenizer through Transformers."""

import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TQDM_DISABLE", "1")  # read once, when tqdm is imported; our log says what it would

import structlog
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from carteiro.models.failures import ModelUnusable
from carteiro.models.in_process.checkpoint import Checkpoint
from carteiro.models.in_process.reasons import unusable
from carteiro.models.local.machine import CPU, Machine
from carteiro.models.local.memory import check_memory
from carteiro.models.local.progress import logged_progress

_UNFINISHED = ".unfinished-"

log = structlog.get_logger("carteiro.models")


def load_weights(name: str, checkpoint: Checkpoint, auto_class: Any, machine: Machine = CPU) -> tuple[Any, Any]:
    """The tokenizer and the model, on its machine and ready to run, by one of Transformers' `AutoModelFor...` classes.

    How far it is goes to the log, under `name`. Raises `ModelUnusable`.

    A GGUF file is turned into safetensors once and kept in the user's cache: reading it takes the better part
    of a minute, reading the copy a second.
    """
    transformers.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    try:
        with logged_progress(name):
            if checkpoint.gguf_path is None:
                return _read(checkpoint.location, auto_class, machine)
            try:
                return _read(converted(checkpoint.gguf_path), auto_class, machine)
            except OSError as error:
                log.warning("the converted model cannot be kept; it is converted at each start", reason=str(error))
                tokenizer, model = _dequantized(checkpoint.gguf_path)
                return tokenizer, model.to(machine.device, machine.dtype)
    except ModelUnusable:
        raise
    except Exception as error:
        # Transformers raises whatever the libraries below it raise, on as many lines as they like.
        raise unusable(checkpoint.location, error) from error


def _read(location: str | Path, auto_class: Any, machine: Machine) -> tuple[Any, Any]:
    config = AutoConfig.from_pretrained(location, trust_remote_code=False)
    check_memory(str(location), auto_class, config, machine)
    tokenizer = AutoTokenizer.from_pretrained(location, trust_remote_code=False)
    if len(tokenizer) <= len(tokenizer.all_special_ids) + 1:
        # Without its files, Transformers makes up a tokenizer that knows no word, and says nothing.
        raise ModelUnusable(
            f"{location} has no vocabulary: put the files of its tokenizer (tokenizer.json, or others) there"
        )
    model, found = auto_class.from_pretrained(
        location, config=config, dtype=machine.dtype, output_loading_info=True, trust_remote_code=False
    )
    if missing := sorted(found["missing_keys"]):
        # Transformers fills what is missing with random numbers and goes on.
        raise ModelUnusable(
            f"{location} is not a whole {type(model).__name__}: it lacks {len(missing)} weights, such as {missing[0]}"
        )
    return tokenizer, model.eval().to(machine.device)


def converted(gguf: Path) -> Path:
    """The directory with the model of a GGUF file in safetensors, made where it is not there yet."""
    directory = _cache() / f"{gguf.stem}-{_digest(gguf)}"
    if (directory / "config.json").is_file():
        return directory
    # Before the work: a cache that cannot be written to is known in time.
    directory.parent.mkdir(parents=True, exist_ok=True)
    _sweep(directory.parent)
    unfinished = Path(tempfile.mkdtemp(dir=directory.parent, prefix=_UNFINISHED))
    log.info("converting the model, once", file=gguf.name, to=str(directory))
    try:
        tokenizer, model = _dequantized(gguf)
        model.save_pretrained(unfinished)
        tokenizer.save_pretrained(unfinished)
        # Renamed whole, so that a copy cut short by a kill or a full disk is never taken for a model.
        unfinished.rename(directory)
    except OSError:
        if not (directory / "config.json").is_file():  # else another process was first
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return directory


def _dequantized(gguf: Path) -> tuple[Any, Any]:
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    quantized = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    # A model read from GGUF refuses to be saved; one made from its configuration and its weights does not.
    config = quantized.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(quantized.state_dict())
    model.generation_config = quantized.generation_config
    return tokenizer, model.eval()


def _sweep(folder: Path) -> None:
    """Remove what a conversion left that was killed an hour ago or earlier."""
    for left in folder.glob(f"{_UNFINISHED}*"):
        if left.stat().st_mtime < time.time() - 3600:
            shutil.rmtree(left, ignore_errors=True)


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home, "carteiro", "models")


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:16]
