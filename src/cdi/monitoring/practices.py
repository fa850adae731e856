"""Changes of practice: what officers and clerks do differently from one week to the next.

A force can look better without recording more: assaults become disorder, a closing code gets
another use, one shift stops recording, references are typed to satisfy a check. Each leaves a share
that was steady before and is not now. So the newest one to four weeks are compared with half a year
before them, by the signed root of the likelihood ratio: nobody knows when a change began, and of
the windows in which it may have, the one that differs most counts (window-limited generalised
likelihood ratio: Lai 1995; of counts: Höhle and Paul 2008). What a season may do is no evidence:
the weeks before are first moved so far towards the newest.

Weeks scatter more than by chance alone, some shares by little and some by much, and the half year
before does not say exactly how much. What it says of all subjects together does: how scatter is
spread among them is learnt first (the nonparametric maximum likelihood of Kiefer and Wolfowitz
1956, by the EM algorithm of Laird 1978), and then how much each may have. So the tail of a score is
that of a mixture of normal laws (quasi-likelihood: McCullagh and Nelder 1989, 4.5).

Many subjects are looked at each week, so the bound is Bonferroni's for all of them: where nothing
changes, there are `FALSE_ALARMS_A_YEAR` signals in a year, whatever the number of subjects.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FALSE_ALARMS_A_YEAR = 0.5
WEEKS_A_YEAR = 52
SPANS = (1, 2, 3, 4)  # newest weeks that are compared as one
LEAST_WEEKS, MOST_WEEKS = 20, 26  # weeks before them that say what was usual
LEAST_HISTORY = LEAST_WEEKS + max(SPANS)  # weeks before which nothing can be compared
# Variance of a share's weeks, as a multiple of that of chance alone.
SCATTERS = np.geomspace(1, 1000, 31)
LEARNING_ROUNDS = 50
LEAST_BEFORE, LEAST_NOW = 100, 15  # logs, crimes or records of a subject that are needed
# Seasons and slow habits move shares, too. What moves the odds by no more than this is no evidence,
SEASONAL_RATIO = 1.1
# and a change of a share or of its odds that is smaller is none of practice, however certain.
LEAST_CHANGE, LEAST_RATIO = 0.02, 1.5
SHOWN_WEEKS = 104  # newest weeks that are looked at

COLUMNS = {
    "practice": "VARCHAR",
    "subject": "VARCHAR",
    "week_on": "DATE",
    "week_count": "INTEGER",
    "case_count": "BIGINT",
    "base_count": "BIGINT",
    "share": "DOUBLE",
    "share_before": "DOUBLE",
    "score": "DOUBLE",
    "bound": "DOUBLE",
    "is_new": "BOOLEAN",
}


@dataclass(frozen=True)
class Comparison:
    """The newest weeks of each subject beside those before.

    Attributes:
        share: Share of the newest weeks.
        share_before: Share of the weeks before.
        score: How far they are apart beyond what a season may do: the normal deviate that is as
            rare. Above 0 if there are more cases now, not a number if too little is compared.
    """

    share: Floats
    share_before: Floats
    score: Floats


def learn_scatter(cases: Floats, bases: Floats) -> Floats:
    """Learn how much more than by chance the weeks of each subject scatter.

    Args:
        cases: Cases by subject (rows) and week (columns), oldest first.
        bases: Logs, crimes or records of which they are.

    Returns:
        Of each subject (rows) how probable each of `SCATTERS` is (columns): from Pearson's
        statistic of its own weeks, and from how common such a scatter is among all subjects that
        have enough to be compared.
    """
    usual = (cases.sum(axis=1) + 0.5) / (bases.sum(axis=1) + 1)
    expected = bases * usual[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = (cases - expected) ** 2 / (expected * (1 - usual[:, None]))
    pearson = np.where(bases > 0, squares, 0.0).sum(axis=1)
    degrees = np.maximum((bases > 0).sum(axis=1) - 1.0, 0.0)
    fit = -0.5 * (degrees[:, None] * np.log(SCATTERS) + pearson[:, None] / SCATTERS)
    likelihood = np.exp(fit - fit.max(axis=1, keepdims=True))
    taught = likelihood[bases.sum(axis=1) >= LEAST_BEFORE]
    common = even = np.full(len(SCATTERS), 1 / len(SCATTERS))
    for _ in range(LEARNING_ROUNDS):
        # One subject more, of which nothing is known, leaves no scatter impossible.
        common = (common * (taught.T @ (1 / (taught @ common))) + even) / (len(taught) + 1)
    probable = likelihood * common
    return probable / probable.sum(axis=1, keepdims=True)


def compare_weeks(cases: Floats, bases: Floats) -> list[Comparison]:
    """Compare the newest weeks of each subject with those before.

    Args:
        cases: Cases by subject (rows) and week (columns), oldest first.
        bases: Logs, crimes or records of which they are.

    Returns:
        For each of `SPANS`, so many newest weeks taken as one. The longest is left out of the weeks
        before, however short the span, as a change may have begun in it.
    """
    from scipy.special import log_ndtr, logsumexp, ndtri_exp  # takes about half a second to import

    weeks = cases.shape[1]
    before = slice(max(0, weeks - max(SPANS) - MOST_WEEKS), weeks - max(SPANS))
    was_cases, was_base = cases[:, before].sum(axis=1), bases[:, before].sum(axis=1)
    scatter = learn_scatter(cases[:, before], bases[:, before])
    compared = []
    for span in SPANS:
        now_cases, now_base = cases[:, -span:].sum(axis=1), bases[:, -span:].sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            share, share_before = now_cases / now_base, was_cases / was_base
            nearest = was_base * np.clip(
                share,
                _multiply_odds(share_before, 1 / SEASONAL_RATIO),
                _multiply_odds(share_before, SEASONAL_RATIO),
            )
            common = (now_cases + nearest) / (now_base + was_base)
        ratio = np.zeros(len(cases))
        for count, base in ((now_cases, now_base), (nearest, was_base)):
            ratio += _surprise(count, base * common) + _surprise(base - count, base * (1 - common))
        root = np.sqrt(2 * np.maximum(ratio, 0))
        tail = logsumexp(log_ndtr(-root[:, None] / np.sqrt(SCATTERS)), axis=1, b=scatter)
        is_enough = (was_base >= LEAST_BEFORE) & (now_base >= LEAST_NOW)
        size = np.where(is_enough, -ndtri_exp(tail), np.nan)
        compared.append(Comparison(share, share_before, np.sign(share - share_before) * size))
    return compared


def _multiply_odds(share: Floats, factor: float) -> Floats:
    """The share whose odds are so many times those of a share."""
    return share * factor / (1 - share + share * factor)


def _surprise(seen: Floats, expected: Floats) -> Floats:
    """A cell's part of the logarithm of the likelihood ratio: seen log(seen / expected)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(seen > 0, seen * np.log(seen / expected), 0.0)


def _is_large(found: Comparison) -> NDArray[np.bool_]:
    """Which changes are large enough to be one of practice."""
    change = np.abs(found.share - found.share_before)
    with np.errstate(divide="ignore", invalid="ignore"):
        odds, odds_before = (share / (1 - share) for share in (found.share, found.share_before))
        ratio = np.abs(np.log(odds / odds_before))
    return (change >= LEAST_CHANGE) & (ratio >= np.log(LEAST_RATIO))


def find_changes(counts: pa.Table) -> Iterator[dict[str, Any]]:
    """Find the practices that changed, as each of the newest weeks showed them.

    Args:
        counts: Rows of `practice_weeks`: practice, subject, week_on, case_count, base_count.

    Yields:
        A row of `COLUMNS` for each subject and week with a signal, in order.
    """
    from scipy.special import ndtri  # takes about half a second to import

    subjects, weeks, cases, bases = _lay_out_weeks(counts)
    was_signal = np.zeros(len(subjects), bool)
    first = max(LEAST_HISTORY, len(weeks) - SHOWN_WEEKS)
    for newest in range(first, len(weeks) + 1):
        compared = compare_weeks(cases[:, :newest], bases[:, :newest])
        scores = np.stack([each.score for each in compared])
        tests = int(np.isfinite(scores).sum())
        if not tests:
            continue
        bound = -float(ndtri(FALSE_ALARMS_A_YEAR / WEEKS_A_YEAR / tests / 2))
        is_large = np.stack([_is_large(each) for each in compared])
        size = np.where(is_large, np.abs(np.nan_to_num(scores)), 0.0)
        best = size.argmax(axis=0)
        is_signal = size.max(axis=0) > bound
        for place in np.flatnonzero(is_signal).tolist():
            span, found = SPANS[best[place]], compared[best[place]]
            practice, subject = subjects[place]
            yield {
                "practice": practice,
                "subject": subject,
                "week_on": weeks[newest - 1],
                "week_count": span,
                "case_count": int(cases[place, newest - span : newest].sum()),
                "base_count": int(bases[place, newest - span : newest].sum()),
                "share": float(found.share[place]),
                "share_before": float(found.share_before[place]),
                "score": float(found.score[place]),
                "bound": bound,
                "is_new": not was_signal[place],
            }
        was_signal = is_signal


def _lay_out_weeks(
    counts: pa.Table,
) -> tuple[list[tuple[str, str]], list[date], Floats, Floats]:
    """Lay counts out by subject (rows) and week (columns); weeks without a row count nothing."""
    columns = counts.to_pydict()
    keys = list(zip(columns["practice"], columns["subject"], strict=True))
    subjects = sorted(set(keys))
    if not subjects:
        return [], [], np.zeros((0, 0)), np.zeros((0, 0))
    begin, end = min(columns["week_on"]), max(columns["week_on"])
    weeks = [begin + timedelta(weeks=n) for n in range((end - begin).days // 7 + 1)]
    rows = {key: place for place, key in enumerate(subjects)}
    places = [rows[key] for key in keys], [(day - begin).days // 7 for day in columns["week_on"]]
    cases, bases = (np.zeros((len(subjects), len(weeks))) for _ in range(2))
    np.add.at(cases, places, columns["case_count"])
    np.add.at(bases, places, columns["base_count"])
    return subjects, weeks, cases, bases
