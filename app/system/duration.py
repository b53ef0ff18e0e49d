"""Durations as text for a reader."""


def spoken(seconds: float) -> str:
    """Return a duration in a suitable unit: 9 s, 4 min, 2 h 05."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d}"
