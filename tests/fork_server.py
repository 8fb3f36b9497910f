"""A process that has imported the program once and forks each command that the tests start.

A command of the program takes one to three seconds to import what it needs, and the tests start some hundreds. A
forked one is a process like any other: it has its own id, environment, signals, files and exit code.
"""

import atexit
import contextlib
import ctypes
import gc
import importlib
import inspect
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
COMMANDS = ("carteiro", "faststream")
_IMPORTED = (
    "faststream.__main__",
    "carteiro.cli.main",
    "carteiro.cli.worker",
    "carteiro.client",
    "carteiro.models.cloud.chat_completions",
    "carteiro.tasks.discovery",
    "carteiro.worker.app",
    "rich.markdown",
    "services.app",
)
_IMPORTED_FOR_LOCAL_MODELS = (
    "carteiro.models.local.transformers.factory",
    "transformers.models.bert.modeling_bert",
    "transformers.models.llama.modeling_llama",
)
_LOADING_COMMANDS = {"demo", "doctor", "run", "up", "worker"}
_READ_BY_THE_INTERPRETER = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_", "GLIBC_", "OMP_", "TZ")
"""Openings of environment variables that are read before a program's first line, or by a library that it loads."""
_PR_SET_CHILD_SUBREAPER = 36
_MESSAGE_BYTES = 1 << 20


class ForkServer:
    """Client of a fork server, which starts with the first command and ends with this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._libc = ctypes.CDLL(None, use_errno=True)

    def fork(self, arguments: list[str], cwd: str, env: dict[str, str], files: list[int], *, session: bool) -> int:
        """Start a command, with `files` as its standard streams. Return its process id, a child of this process."""
        local = _loads_a_local_model(arguments, env)
        command = {"arguments": arguments, "cwd": cwd, "env": env, "session": session}
        message = json.dumps({"local": local, "command": command}).encode()
        with self._lock:
            connected = self._socket = self._socket or self._start()
            with self._adopting_orphans():
                socket.send_fds(connected, [message], files)
                return int(connected.recv(64))

    @contextlib.contextmanager
    def _adopting_orphans(self) -> Iterator[None]:
        """Become the parent of a process whose parent ends: of the command, whose parent ends at once."""
        self._libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        try:
            yield
        finally:
            self._libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MESSAGE_BYTES)
        with theirs:
            clean = {name: value for name, value in os.environ.items() if not name.startswith("CARTEIRO_")}
            self._process = _Popen(
                [sys.executable, "-m", "tests.fork_server", str(theirs.fileno())],
                cwd=ROOT,
                env=clean,
                pass_fds=[theirs.fileno()],
            )
        return ours


_Popen = subprocess.Popen
_server = ForkServer()


class ForkedPopen(subprocess.Popen[Any]):
    """`subprocess.Popen`, except that commands of the program are forked."""

    def _execute_child(self, *given: Any, **named: Any) -> None:
        bound = inspect.signature(_Popen._execute_child).bind(self, *given, **named).arguments
        if not can_be_forked(bound):
            super()._execute_child(*given, **named)  # type: ignore[misc]
            return
        streams = [bound[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        self.pid = _server.fork(
            [os.fspath(each) for each in bound["args"]],
            os.fspath(bound["cwd"] or Path.cwd()),
            dict(os.environ if bound["env"] is None else bound["env"]),
            [own if own != -1 else standard for own, standard in zip(streams, (0, 1, 2), strict=True)],
            session=bool(bound.get("start_new_session")),
        )
        self._child_created = True
        self._close_pipe_fds(*(bound[name] for name in _PIPES))  # type: ignore[attr-defined]


_PIPES = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")


def can_be_forked(bound: Mapping[str, Any]) -> bool:
    arguments, env = bound["args"], bound["env"]
    if bound["shell"] or bound["pass_fds"] or bound["preexec_fn"] or not isinstance(arguments, list | tuple):
        return False
    program = Path(os.fspath(arguments[0]))
    if program.name not in COMMANDS or program.parent != Path(sys.executable).parent:
        return False
    return _read_by_the_interpreter(os.environ if env is None else env) == _started_with


def _read_by_the_interpreter(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(_READ_BY_THE_INTERPRETER)}


def _loads_a_local_model(arguments: list[str], env: Mapping[str, str]) -> bool:
    """Return True if the command may load PyTorch, which takes seconds."""
    models = [value for name, value in env.items() if name.startswith("CARTEIRO_") and name.endswith("_MODEL")]
    return arguments[1:2] != [] and arguments[1] in _LOADING_COMMANDS and (len(models) < 2 or "local:" in str(models))


_started_with: dict[str, str] = {}


def install() -> None:
    """Have `subprocess` and `asyncio` fork the program's commands."""
    if sys.platform == "linux":
        _started_with.update(_read_by_the_interpreter(os.environ))
        subprocess.Popen = ForkedPopen  # type: ignore[misc]


def serve(connected: socket.socket) -> str:
    """Fork commands until the tests' process is gone. In a forked command, return its program."""
    from carteiro.cli.commands import COMMANDS
    from carteiro.tasks.discovery import find_tasks

    find_tasks()
    _import_all((*(f"carteiro.cli.{each.target.partition(':')[0]}" for each in COMMANDS.values()), *_IMPORTED))
    while True:
        message, files, *_ = socket.recv_fds(connected, _MESSAGE_BYTES, 3)
        if not message:
            os._exit(0)
        request = json.loads(message)
        if request["local"]:
            _import_all(_IMPORTED_FOR_LOCAL_MODELS)
        reading, writing = os.pipe()
        if (parent := os.fork()) == 0:
            if (command := os.fork()) == 0:
                connected.close()
                os.close(reading)
                os.close(writing)
                return _become(files, **request["command"])
            os.write(writing, str(command).encode())
            os._exit(0)
        os.close(writing)
        os.waitpid(parent, 0)
        connected.send(os.read(reading, 64))
        for each in (reading, *files):
            os.close(each)


def _import_all(names: tuple[str, ...]) -> None:
    if names[-1] in sys.modules:
        return
    for name in names:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # else the first collection of each command would copy every page


def _become(files: list[int], arguments: list[str], cwd: str, env: dict[str, str], session: bool) -> str:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if session:
        os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for standard, own in enumerate(files):
        os.dup2(own, standard)
    for own in files:
        if own > 2:
            os.close(own)
    sys.stdin = open(0, encoding="utf-8", closefd=False)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    sys.argv = arguments
    sys.path[0] = str(Path(arguments[0]).parent)
    return arguments[0]


def _run(program: str) -> None:
    """Run a program to its end. Its modules are left as they are: to clear them would copy all memory of the server."""
    code = None
    try:
        runpy.run_path(program, run_name="__main__")
    except SystemExit as ended:
        code = ended.code
    if not isinstance(code, int | None):
        sys.exit(code)
    threading._shutdown()
    atexit._run_exitfuncs()
    gc.collect()  # objects that complain when nobody has closed them
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        sys.exit(code)
    os._exit(code or 0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all processes of the tests
    _run(serve(socket.socket(fileno=int(sys.argv[1]))))
