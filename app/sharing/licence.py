"""The licence that a card names. It is that of the dataset, since nobody stated one for the weights."""

from __future__ import annotations

import re
from collections.abc import Collection

from ..artifacts.runs import Run
from ..system.printable import code

OTHER = "other"
UNSTATED, MIXED = "not-stated", "see-the-card-of-each-run"  # names of a licence that is `other`
_UNKNOWN = ("", "none", "unknown", OTHER)
# https://huggingface.co/docs/hub/repositories-licenses, without `unknown` and `other`
_LISTED = """
    apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
    afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5
    cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
    cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
    cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl
    lgpl-2.1 lgpl-3.0 isc lppl-1.3c ms-pl mpl-2.0 odc-by odbl openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib
    pddl lgpl-lr deepfloyd-if-license llama2 gemma
"""
IDENTIFIERS = frozenset(_LISTED.split())


def metadata(run: Run) -> dict[str, str]:
    """Return `license` for a card's front, with the name and the page of a licence that is `other`."""
    if (found := _identifier(run)) != OTHER:
        return {"license": found}
    stated = "" if _began_elsewhere(run) else re.sub(r"[^a-z0-9.]+", "-", _stated(run))[:60].strip("-.")
    hub = run.record.data.hub
    page = {"license_link": f"https://huggingface.co/datasets/{hub}"} if hub else {}
    return {"license": OTHER, "license_name": UNSTATED if stated in _UNKNOWN else stated} | page


def of_all(licences: Collection[str | None]) -> dict[str, str]:
    """Return the licence of a repository whose runs have these licences.

    None is the licence of an entry of an earlier version.
    """
    found = set(licences)
    if len(found) == 1 and (only := next(iter(found))) in IDENTIFIERS:
        return {"license": str(only)}
    return {"license": OTHER, "license_name": MIXED} if licences else {}


def sentences(run: Run) -> str:
    """Return the sentences on the licence for a card."""
    own = "isoscale does not choose a licence for the weights."
    if _began_elsewhere(run):
        why = "The training started from other weights, whose licence is not recorded, so this card states `other`."
    elif (found := _identifier(run)) != OTHER:
        why = f"This card states the licence of the dataset, {code(found)}."
    elif _stated(run) in _UNKNOWN:
        why = "The dataset names no licence, so this card states `other`."
    else:
        why = "The Hub has no identifier for the dataset's licence, so this card states `other`."
    return f"{own} {why}\nRead the dataset's terms before you share or use the weights."


def _began_elsewhere(run: Run) -> bool:
    return run.config.pretrained or run.record.init is not None


def _stated(run: Run) -> str:
    return run.record.data.licence.strip().lower()


def _identifier(run: Run) -> str:
    stated = _stated(run)
    return stated if stated in IDENTIFIERS and not _began_elsewhere(run) else OTHER
