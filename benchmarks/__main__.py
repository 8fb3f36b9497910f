"""Run the benchmarks one after the other, each in a process of its own, and make docs/figures.md of their results."""

import argparse
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks import ROOMS


def main() -> int:
    """1 where one of them failed, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=ROOMS, default=list(ROOMS), metavar="NAME", help=", ".join(ROOMS))
    parser.add_argument(
        "--quick", action="store_true", help="as little as shows that everything runs; docs/figures.md stays as it is"
    )
    options = parser.parse_args()
    quick = ["--quick"] * options.quick
    modules = [[f"benchmarks.{name}", *given, *quick] for name in options.only for given in ROOMS[name]]
    said = [_run(module) for module in modules + [["benchmarks.figures"]] * (not options.quick)]
    print("\n" + "\n".join(f"{outcome:20} {command}" for outcome, command in said))
    return int(any(outcome.startswith("failed") for outcome, _ in said))


def _run(module: Sequence[str]) -> tuple[str, str]:
    """How it went, and what was run."""
    command, began = shlex.join(["python", "-m", *module]), time.monotonic()
    print(f"\n{command}", flush=True)
    code = subprocess.run([sys.executable, "-m", *module], check=False, stdin=subprocess.DEVNULL).returncode
    return (f"failed with {code}" if code else f"done in {time.monotonic() - began:.0f} s"), command


if __name__ == "__main__":
    sys.exit(main())
