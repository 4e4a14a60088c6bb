"""The Python API: what a notebook or a training script sees."""
