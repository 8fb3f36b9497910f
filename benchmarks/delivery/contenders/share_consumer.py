"""Kafka's share consumer (KIP-932): `ShareConsumer.java`, a program of the JVM, in place of this process.

Its libraries are those of the broker's image. They and the compiled program are kept in `build/`.
"""

import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

from docker import from_env

from benchmarks.delivery.contender_config import ContenderConfig
from tests.containers.conftest import IMAGE

MAX_RECORDS = 500
"""Records of a poll without a wait: the client's default."""
_SOURCE = Path(__file__).with_name("ShareConsumer.java")
_BUILD = Path(__file__).parents[3] / "build" / "share_consumer"


async def run(job: ContenderConfig) -> None:
    """Become the JVM, so that its processor time is this process's."""
    waits = bool(job.latency or job.url)
    consumers = int(job.options["consumers"])
    config = {
        "bootstrap": job.bootstrap,
        "requests": job.requests,
        "replies": job.replies,
        "group": job.group,
        "consumers": consumers,
        "maxRecords": (job.max_in_flight if waits else MAX_RECORDS) // consumers,
        # By default a poll takes whole batches of the topic, which can hold more than the limit in flight.
        "acquireMode": "record_limit" if waits else "batch_optimized",
        "sleepMs": round(job.latency * 1000),
        "url": job.url,
    }
    os.execvp("java", ["java", "-Dlog4j2.level=WARN", "-cp", class_path(), _SOURCE.stem, json.dumps(config)])


def class_path() -> str:
    """Return the libraries and the compiled program. Make what is missing or out of date."""
    libraries, classes = _BUILD / IMAGE.rpartition(":")[2], _BUILD / "classes"
    if not libraries.exists():
        copy_libraries(libraries)
    compiled = classes / f"{_SOURCE.stem}.class"
    if not compiled.exists() or compiled.stat().st_mtime < _SOURCE.stat().st_mtime:
        subprocess.run(["javac", "-cp", f"{libraries}/*", "-d", classes, _SOURCE], check=True)
    return f"{classes}:{libraries}/*"


def copy_libraries(folder: Path) -> None:
    """Copy the jars of the broker's image to a new folder."""
    container = from_env().containers.create(IMAGE)
    try:
        packed = b"".join(container.get_archive("/opt/kafka/libs")[0])
    finally:
        container.remove()
    partial = folder.with_suffix(".partial")
    partial.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            if member.name.endswith(".jar") and (jar := archive.extractfile(member)):
                (partial / Path(member.name).name).write_bytes(jar.read())
    partial.rename(folder)
