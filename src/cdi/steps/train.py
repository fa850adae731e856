"""The steps of the train DAG: learn the weights of links, and the model that reads log texts."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from cdi.agency.load import load_agency
from cdi.build.make import build_part
from cdi.build.version import Version, plan_version
from cdi.errors import AuditError
from cdi.learning import links, text
from cdi.learning.weights import Weights, save_weights
from cdi.steps.step import Step


def learn_links(agency: str, as_of: datetime | None = None) -> Step:
    """Learn the weights that links are scored by; see `cdi.learning.links`."""
    version = plan_version(load_agency(agency), as_of)
    if unchanged := _find_unchanged(version, "links"):
        return unchanged
    proven_count = links.count_proven(version.batches)
    if proven_count < links.MIN_PROVEN:
        note = (
            f"{proven_count:,} records name a call; {links.MIN_PROVEN:,} are needed to learn from, "
            "so the shipped weights are used"
        )
        return Step(False, note)
    with build_part(version, *links.MODELS) as file:
        if not links.has_matches(file):
            note = (
                "no record has the call that it names among its candidates, as the two have too "
                "few details in common to compare; so the shipped weights are used"
            )
            return Step(False, note)
        learnt = save_weights(
            agency,
            "links",
            version.as_of,
            version.learns_from,
            partial(links.write_links_weights, file),
        )
    return _describe_learnt(version, "links", learnt, links.summarise_links)


def learn_text(agency: str, as_of: datetime | None = None) -> Step:
    """Learn the model that reads logs, from the audits; see `cdi.learning.text`."""
    version = plan_version(load_agency(agency), as_of)
    if unchanged := _find_unchanged(version, "text"):
        return unchanged
    too_few = (
        f"fewer than {text.MIN_LOGS} logs were audited, or too few of them with a crime or too "
        "few without one, to learn from: only the lexicon reads log texts"
    )
    if text.count_audited(version.batches) < text.MIN_LOGS:
        return Step(False, too_few)
    with build_part(version, text.MODEL) as file:
        if not text.has_enough_lessons(file):
            return Step(False, too_few)
        write = partial(text.write_text_model, file)
        try:
            learnt = save_weights(agency, "text", version.as_of, version.learns_from, write)
        except AuditError as error:
            return Step(False, f"{error.message} [{error.rule_id}]; next step: {error.fix}")
    return _describe_learnt(version, "text", learnt, text.summarise_text_model)


def _find_unchanged(version: Version, kind: str) -> Step | None:
    """End the step if the newest weights were learnt from what would be learnt from now."""
    newest = version.weights.get(kind)
    if newest is None or newest.described["learnt_from"] != version.learns_from:
        return None
    return Step(False, f"nothing changed since version {newest.version} was learnt")


def _describe_learnt(
    version: Version, kind: str, learnt: Weights, summarise: Callable[[Weights], str]
) -> Step:
    """End the step with what was learnt, which may be what was known before."""
    newest = version.weights.get(kind)
    if newest is not None and newest.version == learnt.version:
        return Step(False, f"nothing new: version {learnt.version} was learnt again")
    return Step(True, summarise(learnt), learnt.version, event={"weights": learnt.version})


def learn_missing(agency: str, as_of: datetime | None = None) -> list[str]:
    """Learn each kind of weights of which the agency has no version yet.

    Returns:
        The notes of what was learnt.
    """
    version = plan_version(load_agency(agency), as_of)
    steps = [learn(agency, as_of) for kind, learn in LEARN.items() if kind not in version.weights]
    return [step.note for step in steps if step.is_new]


# Links are learnt last, as they are compared by what the words of a call tell of.
LEARN = {"text": learn_text, "links": learn_links}
