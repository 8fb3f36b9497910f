"""Run the benchmarks one after the other, each in a process of its own, and write docs/understand/figures.md."""

import argparse
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks import BENCHMARKS


def main() -> int:
    """Run the benchmarks. Return 1 if a benchmark failed, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS), metavar="NAME", help=", ".join(BENCHMARKS)
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="as little as shows that everything runs, without docs/understand/figures.md",
    )
    options = parser.parse_args()
    quick = ["--quick"] * options.quick
    modules = [[f"benchmarks.{name}", *given, *quick] for name in options.only for given in BENCHMARKS[name]]
    results = [_run(module) for module in modules + [["benchmarks.figures"]] * (not options.quick)]
    print("\n" + "\n".join(f"{outcome:20} {command}" for outcome, command in results))
    return int(any(outcome.startswith("failed") for outcome, _ in results))


def _run(module: Sequence[str]) -> tuple[str, str]:
    """Run a module, and return its outcome and the command."""
    command, began = shlex.join(["python", "-m", *module]), time.monotonic()
    print(f"\n{command}", flush=True)
    code = subprocess.run([sys.executable, "-m", *module], check=False, stdin=subprocess.DEVNULL).returncode
    return (f"failed with {code}" if code else f"done in {time.monotonic() - began:.0f} s"), command


if __name__ == "__main__":
    sys.exit(main())
