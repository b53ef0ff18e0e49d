"""A document as one HTML file that needs no script and fetches nothing. It is also well-formed XML."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from pathlib import Path

from ...system.printable import printable
from . import svg
from .parts import (
    Block,
    Bullets,
    Code,
    Commands,
    Document,
    Figure,
    Inline,
    Link,
    Number,
    Paragraph,
    RunName,
    Section,
    Strong,
    Table,
    Text,
)

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_CSS = Path(__file__).with_name("page.css")
_LONGEST = 100_000  # characters of one text


def to_html(document: Document) -> str:
    """Return a document as a page. Its one h1 is the title, and its sections are in a table of contents."""
    page = _Page(document.records)
    body = "\n".join(page.section(each, 2) for each in document.sections)
    contents = "\n".join(f'<li><a href="#{each.key}">{_text(each.title)}</a></li>' for each in document.sections)
    return f"""<!DOCTYPE html>
<html lang="en" xmlns="http://www.w3.org/1999/xhtml">
<head>
<meta charset="utf-8" />
<meta http-equiv="Content-Security-Policy" content="{_attribute(_POLICY)}" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta name="color-scheme" content="light dark" />
<meta name="referrer" content="no-referrer" />
<title>{_text(document.title)}</title>
<style>
{_CSS.read_text(encoding="utf-8")}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header>
<h1>{_text(document.title)}</h1>
<p class="about">{_text(document.about)}</p>
</header>
<nav aria-label="Contents">
<ol>
{contents}
</ol>
</nav>
<main id="content">
{body}
</main>
</body>
</html>
"""


class _Page:
    """Renders blocks; `records` are the addresses of runs' records, and tables are numbered for their labels."""

    def __init__(self, records: Mapping[str, str]) -> None:
        self._records = records
        self._tables = 0

    def section(self, section: Section, level: int) -> str:
        """Return a section with its heading."""
        landmark = level == 2
        parts = [
            f'<section aria-labelledby="{section.key}">' if landmark else "<div>",
            f'<h{level} id="{section.key}">{_text(section.title)}</h{level}>',
        ]
        parts += [self._block(each) for each in section.blocks]
        parts += [self.section(each, level + 1) for each in section.sections]
        return "\n".join([*parts, "</section>" if landmark else "</div>"])

    def _block(self, block: Block) -> str:
        match block:
            case Paragraph():
                role = f' class="{block.role}"' if block.role else ""
                return f"<p{role}>{self._inlines(block.text)}</p>"
            case Bullets():
                items = "\n".join(f"<li>{self._inlines(each)}</li>" for each in block.items)
                return f"<ul>\n{items}\n</ul>"
            case Commands():
                lines = "\n".join(map(_text, block.lines))
                return (
                    f'<pre role="region" tabindex="0" aria-label="{_attribute(block.about)}"><code>{lines}</code></pre>'
                )
            case Table():
                return self._table(block)
            case Figure():
                return self._figure(block)

    def _figure(self, figure: Figure) -> str:
        drawing = svg.inline(figure.svg, figure.key, figure.title, figure.description)
        tables = "\n".join(self._table(each) for each in figure.tables)
        return f"""<figure id="{figure.key}">
{drawing}
<figcaption><strong>{_text(figure.title)}.</strong> {self._inlines(figure.caption)}</figcaption>
<details><summary>Numbers of the figure: {_text(figure.title)}</summary>
{tables}
</details>
</figure>"""

    def _table(self, table: Table) -> str:
        self._tables += 1
        key = f"table-{self._tables}"
        heads = "".join(
            f'<th scope="col"{_side(place, table)}>{_text(head)}</th>' for place, head in enumerate(table.heads)
        )
        rows = "\n".join(f"<tr>{''.join(self._cells(row, table))}</tr>" for row in table.rows)
        return f"""<div class="scroll" role="region" tabindex="0" aria-labelledby="{key}">
<table>
<caption id="{key}"><span>{_text(table.caption)}</span></caption>
<thead><tr>{heads}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>"""

    def _cells(self, row: tuple[Text, ...], table: Table) -> Iterator[str]:
        for place, cell in enumerate(row):
            tag, scope = ("th", ' scope="row"') if place == 0 else ("td", "")
            yield f"<{tag}{scope}{_side(place, table)}>{self._inlines(cell)}</{tag}>"

    def _inlines(self, text: Text) -> str:
        return "".join(map(self._inline, text))

    def _inline(self, part: Inline) -> str:
        match part:
            case str():
                return _text(part)
            case Number():
                return self._number(part)
            case Link():
                return f'<a href="{_attribute(part.address)}">{_text(part.text)}</a>'
            case Code():
                return f"<code>{_text(part.text)}</code>"
            case RunName():
                shown, address = f"<code>{_text(part.text)}</code>", self._records.get(part.text)
                return f'<a href="{_attribute(address)}">{shown}</a>' if address else shown
            case Strong():
                return f"<strong>{_text(part.text)}</strong>"

    def _number(self, number: Number) -> str:
        runs = " ".join(number.runs)
        about = f'value="{number.value!r}" data-run="{_attribute(runs)}" data-path="{_attribute(number.path)}"'
        shown = f"<data {about}>{_text(number.text)}</data>"
        if len(number.runs) == 1 and (address := self._records.get(number.runs[0])):
            return f'<a class="of-run" href="{_attribute(address)}">{shown}</a>'
        return shown


def _side(place: int, table: Table) -> str:
    return ' class="right"' if place in table.right else ""


def _text(text: str) -> str:
    """Return a text as content, where it is neither HTML nor a control character."""
    return html.escape(printable(text, _LONGEST), quote=False)


def _attribute(text: str) -> str:
    return html.escape(printable(text, _LONGEST), quote=True)
