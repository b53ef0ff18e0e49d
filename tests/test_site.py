"""The site of docs/: every page is in its navigation and on its first page, and nothing else is."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = {path.name for path in (ROOT / "docs").glob("*.md")}
PROJECT = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]


def pages(entry):
    """The pages that an entry of the navigation leads to."""
    if isinstance(entry, str):
        return [entry]
    inside = entry.values() if isinstance(entry, dict) else entry
    return [page for one in inside for page in pages(one)]


def test_the_navigation_has_every_page_once():
    found = pages(PROJECT["nav"])
    assert set(found) == PAGES and len(found) == len(PAGES)


def test_the_first_page_links_to_every_other():
    linked = set(re.findall(r"\]\(([a-z0-9-]+\.md)\)", (ROOT / "docs" / "index.md").read_text()))
    assert linked == PAGES - {"index.md"}


def test_links_between_pages_lead_to_pages_of_the_site():
    """The site is built from docs/ alone: a file elsewhere in the repository is named, not linked."""
    found = {name: re.findall(r"\]\((?!https?:|#)([^)#]+)", (ROOT / "docs" / name).read_text()) for name in PAGES}
    lost = {
        name: [link for link in links if link.startswith("..") or not (ROOT / "docs" / link).exists()]
        for name, links in found.items()
    }
    assert not {name: links for name, links in lost.items() if links}


def test_the_built_site_is_not_committed():
    assert f"{PROJECT['site_dir']}/" in (ROOT / ".gitignore").read_text().split()


def test_a_page_needs_nothing_from_other_hosts():
    """Fonts and pictures come from the site; an address in a page is a link that the reader follows."""
    assert PROJECT["theme"]["font"] is False
    assert not [name for name in PAGES if re.search(r"!\[[^\]]*\]\(https?:", (ROOT / "docs" / name).read_text())]
