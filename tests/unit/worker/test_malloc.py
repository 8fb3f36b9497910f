"""Memory that threads leave behind, measured in a process of its own."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import sys, threading
from carteiro.worker.malloc import limit_arenas
if sys.argv[1] == "limited":
    limit_arenas()

def work(barrier):
    kept = [bytearray(100) for _ in range(1000)]
    barrier.wait()
    return kept

barrier = threading.Barrier(12)
threads = [threading.Thread(target=work, args=(barrier,)) for _ in range(12)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
import ctypes
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has arenas")
def test_threads_of_a_limited_process_share_two_arenas():
    def arenas(mode: str) -> int:
        run = subprocess.run([sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True, check=True)
        return run.stdout.count("<heap nr=")

    assert arenas("limited") <= 2 < arenas("free")
