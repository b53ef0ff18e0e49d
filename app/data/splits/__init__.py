"""The rows of train, validation and test, and batches of them on the device."""
