"""Which cases of slow tests one run of `.ci/run` takes."""

import collections
from collections.abc import Sequence


def chosen(names: Sequence[str], share: int, turn: int) -> list[int]:
    """The places of one in `share` cases of each test function, from their names.

    A function with one case is in every second turn, and each case is in one of `share` turns in a row. Functions begin
    with different cases, so that one turn does not take the first model everywhere.
    """
    functions = collections.defaultdict(list)
    for place, name in enumerate(names):
        functions[name.partition("[")[0]].append(place)
    found = []
    for number, places in enumerate(functions.values()):
        step = min(share, max(len(places), 2))
        found += places[(turn + number) % step :: step]
    return sorted(found)
