"""Loading of a model's weights and tokenizer through Transformers."""

import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TQDM_DISABLE", "1")  # tqdm reads it once, at import; our log reports the progress instead

import structlog
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from carteiro.models.errors import ModelUnusable
from carteiro.models.local.checkpoints.checkpoint import ModelCheckpoint
from carteiro.models.local.inference.error_messages import load_error
from carteiro.models.local.transformers.memory import check_memory
from carteiro.models.local.transformers.placement import CPU, Placement
from carteiro.models.local.transformers.progress import log_progress

_UNFINISHED_PREFIX = ".unfinished-"

log = structlog.get_logger("carteiro.models")


def load_weights(
    name: str, checkpoint: ModelCheckpoint, auto_class: Any, placement: Placement = CPU
) -> tuple[Any, Any]:
    """Return the tokenizer and the model, ready to run on its device.

    `auto_class` is one of Transformers' `AutoModelFor...` classes. The progress is logged under `name`. A GGUF file is
    converted to safetensors once and kept in the user's cache: reading the file takes almost a minute, reading the
    copy a second.

    Raise `ModelUnusable` if the model cannot be loaded.
    """
    transformers.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    try:
        with log_progress(name):
            if checkpoint.gguf_path is None:
                return _load(checkpoint.location, auto_class, placement)
            try:
                return _load(convert_gguf(checkpoint.gguf_path), auto_class, placement)
            except OSError as error:
                log.warning("the converted model cannot be kept; it is converted at each start", reason=str(error))
                tokenizer, model = _load_dequantized(checkpoint.gguf_path)
                return tokenizer, model.to(placement.device, placement.dtype)
    except ModelUnusable:
        raise
    except Exception as error:
        # Transformers raises any error of the libraries below it, with messages of several lines.
        raise load_error(checkpoint.location, error) from error


def _load(location: str | Path, auto_class: Any, placement: Placement) -> tuple[Any, Any]:
    config = AutoConfig.from_pretrained(location, trust_remote_code=False)
    check_memory(str(location), auto_class, config, placement)
    tokenizer = AutoTokenizer.from_pretrained(location, trust_remote_code=False)
    if len(tokenizer) <= len(tokenizer.all_special_ids) + 1:
        # If the files are missing, Transformers silently creates a tokenizer with an empty vocabulary.
        raise ModelUnusable(
            f"{location} has no vocabulary: put the files of its tokenizer (tokenizer.json, or others) there"
        )
    model, found = auto_class.from_pretrained(
        location, config=config, dtype=placement.dtype, output_loading_info=True, trust_remote_code=False
    )
    if missing := sorted(found["missing_keys"]):
        # Transformers fills missing weights with random numbers and continues.
        raise ModelUnusable(
            f"{location} is not a whole {type(model).__name__}: it lacks {len(missing)} weights, such as {missing[0]}"
        )
    return tokenizer, model.eval().to(placement.device)


def convert_gguf(gguf_path: Path) -> Path:
    """Return the directory with the model of a GGUF file in safetensors; convert it if the directory does not exist."""
    directory = _cache_directory() / f"{gguf_path.stem}-{_digest(gguf_path)}"
    if (directory / "config.json").is_file():
        return directory
    # The directory is created before the conversion, so that a read-only cache fails at once.
    directory.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(directory.parent)
    unfinished = Path(tempfile.mkdtemp(dir=directory.parent, prefix=_UNFINISHED_PREFIX))
    log.info("converting the model, once", file=gguf_path.name, to=str(directory))
    try:
        tokenizer, model = _load_dequantized(gguf_path)
        model.save_pretrained(unfinished)
        tokenizer.save_pretrained(unfinished)
        # The rename is atomic: a copy that a kill or a full disk cut short is never taken for a model.
        unfinished.rename(directory)
    except OSError:
        if not (directory / "config.json").is_file():  # otherwise another process was faster
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return directory


def _load_dequantized(gguf_path: Path) -> tuple[Any, Any]:
    tokenizer = AutoTokenizer.from_pretrained(gguf_path.parent, gguf_file=gguf_path.name)
    quantized = AutoModelForCausalLM.from_pretrained(gguf_path.parent, gguf_file=gguf_path.name, dtype=torch.float32)
    # Transformers refuses to save a model read from GGUF, but saves one built from its configuration and weights.
    config = quantized.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(quantized.state_dict())
    model.generation_config = quantized.generation_config
    return tokenizer, model.eval()


def _remove_stale(folder: Path) -> None:
    """Remove the files of conversions that were killed an hour ago or earlier."""
    for left in folder.glob(f"{_UNFINISHED_PREFIX}*"):
        if left.stat().st_mtime < time.time() - 3600:
            shutil.rmtree(left, ignore_errors=True)


def _cache_directory() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home, "carteiro", "models")


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:16]
