"""The transforms of a batch on its device, from stored numbers to the inputs of the model."""
