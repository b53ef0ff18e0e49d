"""Slow transcriptions of some corruptions from their definitions, by scipy, Pillow and loops over pixels.

Each maps one image, float64 (H, W, C) in grey levels, to grey levels that are not clipped. Random ones are given the
draws that the corruption makes.
"""

import colorsys
import io
import math

import numpy as np
from PIL import Image
from scipy import ndimage


def gaussian_blur(x, sigma):
    return ndimage.gaussian_filter(x, (sigma, sigma, 0), mode="nearest", truncate=4.0)


def defocus_blur(x, radius, alias):
    grid = np.arange(-12, 13)
    disk = (grid[:, None] ** 2 + grid**2 <= radius**2).astype(float)
    reach = 1 if radius <= 8 else 2
    edge = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * alias**2))
    kernel = ndimage.convolve(disk / disk.sum(), np.outer(edge, edge) / edge.sum() ** 2, mode="constant")
    return np.stack([ndimage.correlate(channel, kernel, mode="mirror") for channel in np.moveaxis(x, 2, 0)], 2)


def clipped_zoom(x, zoom):
    side = len(x)
    cut = math.ceil(side / zoom)
    top = (side - cut) // 2
    made = ndimage.zoom(x[top : top + cut, top : top + cut], (zoom, zoom, 1), order=1)
    start = (len(made) - side) // 2
    return made[start : start + side, start : start + side]


def zoom_blur(x, largest, step):
    zooms = 1 + step * np.arange(round((largest - 1) / step) + 1)
    return (x + sum(clipped_zoom(x, zoom) for zoom in zooms)) / (len(zooms) + 1)


def glass_blur(x, sigma, reach, offsets):
    """`offsets` (rounds, H, W, 2) are those down and across of every pixel."""
    x = np.floor(gaussian_blur(x, sigma) + 1e-6)
    height, width = x.shape[:2]
    for each in offsets:
        for row in range(height - reach, reach, -1):
            for column in range(width - reach, reach, -1):
                down, across = each[row, column]
                x[row, column] = x[row + down, column + across]
    return gaussian_blur(x, sigma)


def motion_blur(x, radius, sigma, degrees):
    steps = range(2 * math.ceil(radius) + 1)
    shares = np.exp([-(step**2) / (2 * sigma**2) for step in steps])
    total, (height, width) = np.zeros_like(x), x.shape[:2]
    for step, share in zip(steps, shares / shares.sum(), strict=True):
        across = math.ceil(step * math.cos(math.radians(degrees)) - 0.5)
        down = math.ceil(step * math.sin(math.radians(degrees)) - 0.5)
        rows = (np.arange(height) + down).clip(0, height - 1)
        columns = (np.arange(width) + across).clip(0, width - 1)
        total += share * x[rows][:, columns]
    return np.floor(total + 0.5)


def brightness(x, change):
    def brighter(pixel):
        hue, saturation, value = colorsys.rgb_to_hsv(*(pixel / 255))
        return 255 * np.array(colorsys.hsv_to_rgb(hue, saturation, min(1.0, value + change)))

    return np.apply_along_axis(brighter, 2, x)


def saturate(x, factor, shift):
    def saturated(pixel):
        hue, saturation, value = colorsys.rgb_to_hsv(*(pixel / 255))
        return 255 * np.array(colorsys.hsv_to_rgb(hue, min(1.0, max(0.0, saturation * factor + shift)), value))

    return np.apply_along_axis(saturated, 2, x)


def contrast(x, share):
    mean = x.mean((0, 1))
    return mean + share * (x - mean)


def pixelate(x, share):
    image = Image.fromarray(x.astype(np.uint8))
    small = image.resize((int(image.width * share), int(image.height * share)), Image.Resampling.BOX)
    return np.asarray(small.resize(image.size, Image.Resampling.BOX), np.float64)


def jpeg_compression(x, quality):
    file = io.BytesIO()
    Image.fromarray(x.astype(np.uint8)).save(file, "JPEG", quality=int(quality))
    return np.asarray(Image.open(file), np.float64)


def elastic_transform(x, shifts, fields):
    """`shifts` (3, 2) move the three points, `fields` (2, H, W) displace pixels across and down, both in pixels."""
    height, width, third = *x.shape[:2], min(x.shape[:2]) // 3
    corner = np.array([width // 2, height // 2])
    points = corner + third * np.array([[1, 1], [1, -1], [-1, -1]])
    ones = np.ones((3, 1))
    inverse = np.linalg.solve(np.hstack([points + shifts, ones]), points)  # (3, 2): from moved to first places
    rows, columns = np.mgrid[:height, :width]
    across, down = np.moveaxis(np.stack([columns, rows, np.ones_like(rows)], 2) @ inverse, 2, 0)
    across, down = np.round(across * 32) / 32, np.round(down * 32) / 32
    for places, mode in (((down, across), "mirror"), ((rows + fields[1], columns + fields[0]), "reflect")):
        x = np.stack([ndimage.map_coordinates(each, places, order=1, mode=mode) for each in np.moveaxis(x, 2, 0)], 2)
    return x


def smoothed(noise, sigma):
    return ndimage.gaussian_filter(noise, sigma, mode="reflect", truncate=3.0) if sigma else noise
