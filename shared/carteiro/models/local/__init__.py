"""Models that run in this process: one folder for each engine, and folders for the code that engines share.

Only the folder `transformers` needs torch.
"""

import os

# GNU OpenMP reads the variable once, so it must be set before PyTorch is loaded. By default, a thread that has finished
# its part of an operation spins until the other threads have finished. If another process occupies a core, all threads
# wait for that core, and a step of a small model takes many times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
