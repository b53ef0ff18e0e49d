"""How a run is computed where that changes no result: attention path, micro-batch size, compiling."""
