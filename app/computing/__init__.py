"""The ways to compute a run that do not change its result: attention path, micro-batch size, compiling."""
