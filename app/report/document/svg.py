"""A figure of matplotlib as SVG inside a page: text stays text, and its colours follow the page's colour scheme."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from matplotlib.figure import Figure

from ..canvas import Canvas
from ..style import COLOURS, GREY, house_style

WIDTH = 5.0  # inches: its letters can be read on a telephone, where the page is about as wide
_SVG, _LINK = "http://www.w3.org/2000/svg", "{http://www.w3.org/1999/xlink}href"
_VARIABLES = {colour.lower(): f"var(--p{place})" for place, colour in enumerate(COLOURS, 1)} | {
    "#000000": "currentColor", "#000": "currentColor", "black": "currentColor", "#ffffff": "var(--back)",
    "#fff": "var(--back)", "white": "var(--back)", "#dddddd": "var(--grid)", GREY.lower(): "var(--muted)",
}  # fmt: skip
_COLOURED = ("fill", "stroke", "color", "stop-color")
_FONT = re.compile(r"(?:(?P<weight>bold|[1-9]00) )?(?P<size>[\d.]+)px .*")
_LONG = re.compile(r"-?\d+\.\d{2,}")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_DROPPED = ("metadata", "style")


def drawn(figure: Figure, canvas: Canvas) -> str:
    """Return a figure as SVG, whose text is text and whose background is transparent."""
    import matplotlib

    made = io.StringIO()
    with house_style(canvas), matplotlib.rc_context({"svg.fonttype": "none", "path.simplify_threshold": 0.5}):
        figure.savefig(made, format="svg", transparent=True, metadata={"Date": None})
    return made.getvalue()


def inline(svg: str, key: str, title: str, description: str) -> str:
    """Return an SVG for a page. `key` makes its IDs unique, and title and description are read aloud."""
    ElementTree.register_namespace("", _SVG)
    root = ElementTree.fromstring(svg)
    for parent in [*root.iter()]:
        for child in [each for each in parent if _name(each) in _DROPPED]:
            parent.remove(child)
    used = {*_references(root)}
    for element in root.iter():
        _renew(element, key, used)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    names = {"title": title, "desc": description}
    for place, (name, text) in enumerate(names.items()):
        about = Element(f"{{{_SVG}}}{name}", {"id": f"{key}-{name}"})
        about.text = text
        root.insert(place, about)
    root.attrib |= {"class": "plot", "role": "img", "aria-labelledby": " ".join(f"{key}-{name}" for name in names)}
    return _compact(ElementTree.tostring(root, encoding="unicode"))


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _references(root: Element) -> Iterator[str]:
    """Yield the IDs that other elements refer to."""
    for element in root.iter():
        for name, value in element.attrib.items():
            if name in (_LINK, "href"):
                yield value.removeprefix("#")
            yield from _REFERENCE.findall(value)


def _renew(element: Element, key: str, used: set[str]) -> None:
    """Make the IDs of an element those of the page, its colours variables, and its numbers short."""
    given = dict(element.attrib)
    element.attrib.clear()
    for name, value in given.items():
        if name == "id":
            if value in used:
                element.set(name, f"{key}-{value}")
        elif name in (_LINK, "href"):
            element.set("href", value if value.startswith("data:") else f"#{key}-{value.removeprefix('#')}")
        elif name == "style":
            element.set(name, _style(value, key))
        else:
            element.set(name, _referring(_short(value), key))


def _referring(value: str, key: str) -> str:
    """Return a value whose references are to the IDs of the page."""
    return _REFERENCE.sub(rf"url(#{key}-\1)", value)


def _style(style: str, key: str) -> str:
    """Return an element's style with variables in place of colours, and the page's font."""
    found = []
    for part in filter(None, (each.strip() for each in style.split(";"))):
        name, _, value = (each.strip() for each in part.partition(":"))
        if name == "font" and (font := _FONT.match(value)):
            found.append(f"font-size:{float(font['size']):.4g}px")
            found += [f"font-weight:{font['weight']}"] if font["weight"] else []
            continue
        if name in _COLOURED:
            value = _VARIABLES.get(value.lower(), value)
        found.append(f"{name}:{_referring(value, key)}")
    return ";".join(found)


def _short(value: str) -> str:
    """Return an attribute with numbers of at most two decimals, which are hundredths of a point."""
    return _LONG.sub(lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), value)


def _compact(text: str) -> str:
    """Return an SVG without the blanks between its elements and in its paths."""
    text = re.sub(r">\s+<", "><", text)
    return re.sub(r' d="([^"]*)"', lambda found: f' d="{" ".join(found[1].split())}"', text)
