"""The limit of open files, changed in a process of its own."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource
from carteiro.worker.open_files import raise_limit_of_open_files

_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
raise_limit_of_open_files()
assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 256
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_limit_of_open_files_is_raised() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)
