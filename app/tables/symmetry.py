"""The names of the crystal symmetries of labels, in NIST's order, and the angles of NIST's patterns."""

from __future__ import annotations

SYMMETRIES = ("bravais", "space_group")  # kinds of labels of a pattern

# In the order of usnistgov/semi-supervised-neutron's mapping.pt; R groups in hexagonal axes are "rhombohedral (P)".
BRAVAIS = (
    "cubic (F)", "cubic (I)", "cubic (P)", "hexagonal (P)", "monoclinic (C)", "monoclinic (P)", "orthorhombic (C)",
    "orthorhombic (F)", "orthorhombic (I)", "orthorhombic (P)", "rhombohedral (P)", "tetragonal (I)", "tetragonal (P)",
    "triclinic (P)",
)  # fmt: skip
SPACE_GROUPS = tuple(map(str, range(1, 231)))  # label = number - 1
# The space groups that remain of the 230 there, without the sparse ones: label -> number.
COMMON_SPACE_GROUPS = (
    1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 18, 19, 20, 26, 29, 31, 33, 34, 36, 38, 40, 41, 42, 43, 44, 45, 46,
    47, 51, 52, 53, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 69, 70, 71, 72, 73, 74, 82, 85, 86, 87, 88, 92,
    96, 99, 100, 107, 109, 113, 114, 119, 121, 122, 123, 125, 126, 127, 128, 129, 130, 131, 135, 136, 137, 139, 140,
    141, 142, 143, 144, 146, 147, 148, 150, 152, 154, 155, 156, 157, 159, 160, 161, 162, 163, 164, 165, 166, 167, 173,
    174, 175, 176, 180, 182, 185, 186, 187, 189, 190, 191, 192, 193, 194, 197, 198, 199, 200, 201, 203, 204, 205, 206,
    212, 213, 215, 216, 217, 218, 220, 221, 223, 224, 225, 226, 227, 229, 230,
)  # fmt: skip

NIST_START, NIST_STEP = 3.0, 0.05  # degrees 2-theta
NIST_LENGTHS = (3041, 3042)  # points of a pattern
