"""The first section: the verdict of each pair in one sentence with its interval, n, k and target, then its figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ...results import wording
from ...results.comparison import Comparison, Pair
from ...results.naive import Naive
from ..document.parts import Block, Bullets, Code, Number, Paragraph, Section, Strong, Text
from . import amounts, dots, forest, pairs
from .subject import Answer, Subject, compared, ids

_MOST = 4  # pairs with a sentence each; of more, the table has all
_SCOPES = {
    "examples": "for new seeds and new test examples like these",
    "test-set": "for new seeds on this test set",
}
_PROCEDURES = {
    "McNemar": "one run of each, by McNemar's test",
    "one run": "a single run of one of the models, which says nothing about its seeds",
    "Welch": "Welch's test over the runs, whose test sets differ",
}


def section(subject: Subject) -> Section:
    """Return the section of the verdicts."""
    blocks = [*_unfinished(subject)]
    if not subject.answers:
        blocks.insert(0, Paragraph(("No verdict: no run of this study is finished and tested.",), "verdict"))
    if not subject.several:
        parts = [block for answer in subject.answers for block in _answer(answer)]
        return Section(key="verdict", title="Verdict", blocks=(*parts[:1], *blocks, *parts[1:]))
    inner = tuple(
        Section(key=f"verdict-{place}", title=answer.title, blocks=tuple(_answer(answer)))
        for place, answer in enumerate(subject.answers, 1)
    )
    return Section(key="verdict", title="Verdict", blocks=(*blocks, *forest.blocks(subject)), sections=inner)


def _unfinished(subject: Subject) -> Iterator[Block]:
    if subject.waiting:
        total = len(subject.waiting) + len(subject.runs)
        states = Counter(each.state for each in subject.waiting)
        text = ", ".join(f"{count:,} {state}" for state, count in states.items())
        lead = f"{len(subject.waiting):,} of {total:,} runs have no result yet ({text})."
        yield Paragraph((f"{lead} They are listed under Limits.",), "note")


def _answer(answer: Answer) -> Iterator[Block]:
    """Yield the blocks of one dataset."""
    comparison = answer.comparison
    if comparison is None:
        yield Paragraph((Strong("Not comparable"), f": {answer.reason}"), "verdict")
        return
    if len(comparison.pairs) <= _MOST:
        for pair in comparison.pairs:
            yield Paragraph(sentence(answer, pair), "verdict")
    else:
        words = Counter(pair.word for pair in comparison.pairs)
        text = ", ".join(f"{count} {word}" for word, count in words.items())
        yield Paragraph((Strong(f"{len(comparison.pairs)} pairs of models"), f" on {answer.title}: {text}."), "verdict")
    if confounds := [each for pair in comparison.pairs for each in _confounds(pair, several=len(comparison.pairs) > 1)]:
        yield Paragraph((Strong("Other explanations."), " The models differ in more than their architecture."), "note")
        yield Bullets(tuple(confounds))
    yield dots.figure(answer)
    if len(comparison.pairs) > 1:
        yield pairs.table(answer, "")
    if remarks := [*_remarks(answer, comparison)]:
        yield Bullets(tuple(remarks))


def sentence(answer: Answer, pair: Pair) -> Text:
    """Return a verdict: who is ahead by how much, with the interval, n, the seeds and what it is about."""
    comparison = answer.comparison
    assert comparison, "a pair is of a comparison"
    if pair.word == "identical":
        return (Strong("Identical"), f": {pair.a} and {pair.b} agree on every test example", *_size(answer, pair), ".")
    facts = (*_within(answer, pair), *_size(answer, pair), f"; {_scope(pair, comparison)}")
    lead = (*_word(pair, comparison), *_lead(answer, pair), f" on {answer.title}")
    return (*lead, " (", *facts, ").", *_more(pair, comparison))


def _lead(answer: Answer, pair: Pair) -> Text:
    """Return who is ahead, and by how much."""
    comparison, (ahead, behind, difference, ends) = answer.comparison, _ordered(pair)
    assert comparison, "a pair is of a comparison"
    metric = comparison.metric
    if difference == 0:
        return (f"{ahead} and {behind} have equal mean results",)
    shown = wording.amount(metric, difference, wording.decimals_of(metric, ends, difference))
    runs = compared([answer.arms[ahead], answer.arms[behind]])
    number = amounts.computed(shown, difference, runs, f"{pairs.path(pair, metric)}.difference")
    is_ahead = "is better than" if pair.word in ("better", "worse") else "is ahead of"
    return (f"{ahead} {is_ahead} {behind} by ", number, f" {'of' if metric.unit else 'in'} {metric.title}")


def _within(answer: Answer, pair: Pair) -> Text:
    """Return the interval of the difference of the arm that is ahead and the other."""
    comparison, (ahead, behind, difference, ends) = answer.comparison, _ordered(pair)
    assert comparison, "a pair is of a comparison"
    if ends is None:
        return ("no interval",)
    metric, runs = comparison.metric, compared([answer.arms[ahead], answer.arms[behind]])
    places = wording.decimals_of(metric, ends, difference)
    level = f"{100 * pair.verdict.level:.4g} % interval "
    return (level, *amounts.interval(metric, ends, places, runs, f"{pairs.path(pair, metric)}.interval"))


def _ordered(pair: Pair) -> tuple[str, str, float, tuple[float, float] | None]:
    """Return the arm that is ahead, the other, their difference and its interval."""
    if pair.word == "better" or (pair.word != "worse" and pair.difference >= 0):
        return pair.a, pair.b, pair.difference, pair.interval
    ends = None if pair.interval is None else (-pair.interval[1], -pair.interval[0])
    return pair.b, pair.a, -pair.difference, ends


def _word(pair: Pair, comparison: Comparison) -> Text:
    """Return the verdict word with what belongs to it."""
    if pair.word == "equivalent" and pair.delta:
        return (Strong(f"Equivalent within {wording.margin(comparison.metric, pair.delta)}"), ": ")
    if pair.word == "one seed":
        return (Strong("One seed"), ": not an answer about architectures. In these runs, ")
    word = "better" if pair.word in ("better", "worse") else pair.word
    return (Strong(f"{word[:1].upper()}{word[1:]}"), ": ")


def _size(answer: Answer, pair: Pair) -> Text:
    """Return n, the groups and the seeds of both arms."""
    comparison = answer.comparison
    assert comparison, "a pair is of a comparison"
    a, b = answer.of(pair)
    runs = ids([a, b])
    found: Text = (
        "; n = ",
        amounts.computed(amounts.count(comparison.examples), comparison.examples, runs, "examples"),
    )
    if comparison.groups != comparison.examples:
        groups = amounts.computed(amounts.count(comparison.groups), comparison.groups, runs, "groups")
        found = (*found, " in ", groups, " groups" if comparison.groups > 1 else " group")
    kind = "repeat" if pair.procedure == "folds" else "seed"
    counts = [amounts.computed(str(len(arm.results)), len(arm.results), arm.run_ids, "seeds") for arm in (a, b)]
    if counts[0].value == counts[1].value:
        every = Number(text=counts[0].text, value=counts[0].value, runs=runs, path="seeds per arm")
        return (*found, "; k = ", every, f" {kind}{'s' if every.value > 1 else ''} each")
    return (*found, "; k = ", counts[0], " and ", counts[1], f" {kind}s")


def _scope(pair: Pair, comparison: Comparison) -> str:
    if pair.procedure == "folds":
        return "for new seeds and new examples like these, by repeated cross-validation"
    return _PROCEDURES.get(pair.procedure, _SCOPES[comparison.target])


def _more(pair: Pair, comparison: Comparison) -> Text:
    """Return what the verdict says about the margin, or a single run about the spread of the other model's runs."""
    if pair.within is not None:
        where = "inside" if pair.within else "outside"
        return (f" The single run is {where} the 95 % interval of one more run of the other model.",)
    if not pair.delta:
        return ()
    margin = wording.margin(comparison.metric, pair.delta)
    if pair.verdict.at_least_delta and pair.word in ("better", "worse"):
        return (f" The difference is at least {margin}.",)
    if pair.verdict.real_but_small and pair.word == "equivalent":
        return (f" The difference is real, but smaller than {margin}.",)
    return (" Either could be better.",) if pair.word == "undecided" else ()


def _confounds(pair: Pair, *, several: bool) -> Iterator[Text]:
    for each in pair.audit.confounds:
        yield (f"{pair.a} against {pair.b}: {each}" if several else each,)


def _of_test(answer: Answer, pair: Pair, test: Naive) -> Iterator[Number]:
    """Yield the numbers of the sentence on a common test: its p value, and the share of the examples."""
    comparison = answer.comparison
    assert comparison, "a pair is of a comparison"
    runs, metric = ids(answer.of(pair)), comparison.metric.name
    yield amounts.computed(f"{test.p:.2g}", test.p, runs, f"{test.test.lower().replace(' ', '-')}-test({metric}).p")
    if test.test == "Welch" and pair.se and pair.examples_part is not None:
        share = pair.examples_part / pair.se**2
        path = f"{pairs.path(pair, comparison.metric)}.examples_share"
        yield amounts.computed(f"{100 * share:.0f}", share, runs, path)


def _with_code(text: str) -> Text:
    """Return a text whose words between backticks are code."""
    return tuple(Code(part) if place % 2 else part for place, part in enumerate(text.split("`")))


def _remarks(answer: Answer, comparison: Comparison) -> Iterator[Text]:
    """Yield what a reader must know of how the comparison was made, and where common tests answer otherwise."""
    if comparison.look:
        yield (f"This is {comparison.look.line}.",)
    yield from ((*_with_code(note), ".") for note in comparison.notes)
    for pair in comparison.pairs:
        lead = f"{pair.a} against {pair.b}: " if len(comparison.pairs) > 1 else ""
        for each in pair.naive:
            if each.why:
                yield amounts.marked(f"{lead}{each.why}.", [*_of_test(answer, pair, each)])
        if pair.clumps:
            one, other = (
                amounts.computed(str(count), count, arm.run_ids, "learned")
                for count, arm in zip(pair.clumps.learned, answer.of(pair), strict=True)
            )
            median = " Their difference is the median of the differences of all pairs of runs."
            more = "" if all(pair.clumps.learned) else median
            yield ("Some runs did not learn: ", one, f" of {pair.a} and ", other, f" of {pair.b} did.{more}")
    for excluded in comparison.exclusions:
        yield (f"{excluded.line[:1].upper()}{excluded.line[1:]}.",)
