"""Corruptions by the instruments that measure: slide scanners, diffractometers, and detectors of fields.

docs/robust.md states the reason for every constant.
"""

from __future__ import annotations

from .corruption import measured

# Stains: Ruifrok and Johnston 2001, PMID 11531144. Lengths are shares of a side of 512 px.
HISTOLOGY = (
    measured(
        "stain", "changes the amounts of haematoxylin, eosin and DAB: largest change of the factor, and 10 times that "
        "of the sum", "histology", 0.05, 0.1, 0.2, 0.3, 0.4, colour=True,
    ),
    measured("scanner_jpeg", "compresses as JPEG: quality", "histology", 80, 65, 50, 35, 20),
    measured(
        "scanner_defocus", "averages over a disk: radius in px at a side of 512 px", "histology", 0.5, 1, 2, 3, 4,
        at_side=512,
    ),
    measured(
        "white_balance", "multiplies each channel by a factor: largest change", "histology", 0.02, 0.04, 0.07, 0.1,
        0.15, colour=True,
    ),
    measured("gamma", "raises values to the power c or 1 / c", "histology", 1.04, 1.08, 1.12, 1.18, 1.25),
)  # fmt: skip
# Lengths in degrees 2-theta.
SIGNALS = (
    measured(
        "counting_noise", "draws each value from a Poisson distribution: c counts at the highest point", "signal", 3000,
        1000, 300, 100, 30,
    ),
    measured(
        "background", "adds a smooth curve with a hump: its height in shares of the highest point", "signal", 0.05, 0.1,
        0.2, 0.4, 0.8,
    ),
    measured(
        "zero_shift", "shifts the pattern to higher or lower angles: degrees", "signal", 0.02, 0.05, 0.1, 0.2, 0.4,
    ),
    measured(
        "peak_broadening", "convolves with a Gaussian: full width at half maximum in degrees", "signal", 0.05, 0.1, 0.2,
        0.4, 0.8,
    ),
)  # fmt: skip
FIELDS = (
    measured(
        "pixel_noise", "adds normal noise: standard deviation in shares of the field's range", "field", 0.01, 0.02,
        0.05, 0.1, 0.2,
    ),
    measured("pixel_blur", "blurs by a Gaussian: sigma in px", "field", 1, 2, 4, 8, 16),
)  # fmt: skip
