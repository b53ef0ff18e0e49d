"""What happens to a batch on its device: a list of transforms, from stored numbers to what the model sees."""
