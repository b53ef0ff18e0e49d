"""The corruptions of test images, signals and fields: functions of grey levels, keyed by row."""
