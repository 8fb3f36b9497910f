"""What models that run in this process have in common, whatever runs them. Needs no torch."""

import os

# Before PyTorch is loaded: GNU OpenMP reads it once. By default a thread that has done its share of an operation spins
# until the others have done theirs; where another process has the core, all wait for that one, and a step of a small
# model takes many times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
