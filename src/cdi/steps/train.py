"""The steps of the train DAG: learn the weights of links, and the model that reads logs."""

from datetime import datetime
from functools import partial

from cdi.agency.load import load_agency
from cdi.build.make import build_part
from cdi.build.version import plan_version
from cdi.learning import links, text
from cdi.learning.links import count_proven, summarise_links, write_links_weights
from cdi.learning.text import (
    count_audited,
    has_enough_lessons,
    summarise_text_model,
    write_text_model,
)
from cdi.learning.weights import save_weights
from cdi.steps.step import Step


def learn_links(agency: str, as_of: datetime | None = None) -> Step:
    """Learn the weights that links are scored by; see `cdi.learning.links`."""
    version = plan_version(load_agency(agency), as_of)
    known = version.weights.get("links")
    if known is not None and known.described["learnt_from"] == version.learns_from:
        return Step(False, f"nothing changed since version {known.version} was learnt")
    proven = count_proven(version.batches)
    if proven < links.MIN_PROVEN:
        return Step(False, f"{proven:,} records name a call; {links.MIN_PROVEN:,} are needed to "
                           "learn from, so the shipped weights are used")  # fmt: skip
    with build_part(version, *links.MODELS) as file:
        learnt = save_weights(
            agency, "links", version.as_of, version.learns_from, partial(write_links_weights, file)
        )
    if known is not None and known.version == learnt.version:
        return Step(False, f"nothing new: the landing teaches version {learnt.version} again")
    return Step(True, summarise_links(learnt), learnt.version)


def learn_text(agency: str, as_of: datetime | None = None) -> Step:
    """Learn the model that reads logs, from the audits; see `cdi.learning.text`."""
    version = plan_version(load_agency(agency), as_of)
    known = version.weights.get("text")
    if known is not None and known.described["learnt_from"] == version.learns_from:
        return Step(False, f"nothing changed since version {known.version} was learnt")
    too_few = (f"fewer than {text.MIN_LOGS} audited logs, or too few with and without a "
               "crime, to learn from: the lexicon reads alone")  # fmt: skip
    if count_audited(version.batches) < text.MIN_LOGS:
        return Step(False, too_few)
    with build_part(version, text.MODEL) as file:
        if not has_enough_lessons(file):
            return Step(False, too_few)
        learnt = save_weights(
            agency, "text", version.as_of, version.learns_from, partial(write_text_model, file)
        )
    if known is not None and known.version == learnt.version:
        return Step(False, f"nothing new: the landing teaches version {learnt.version} again")
    return Step(True, summarise_text_model(learnt), learnt.version)


def learn_missing(agency: str, as_of: datetime | None = None) -> None:
    """Learn each kind of weights that the agency has no version of yet."""
    version = plan_version(load_agency(agency), as_of)
    for kind, step in LEARN.items():
        if kind not in version.weights:
            step(agency, as_of)


LEARN = {"links": learn_links, "text": learn_text}
