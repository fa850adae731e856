"""The steps of the train DAG: learn the weights of links, and the model that reads log texts."""

from datetime import datetime
from functools import partial

from cdi.agency.load import load_agency
from cdi.build.make import build_part
from cdi.build.version import plan_version
from cdi.errors import AuditError
from cdi.learning import links, text
from cdi.learning.weights import save_weights
from cdi.steps.step import Step


def learn_links(agency: str, as_of: datetime | None = None) -> Step:
    """Learn the weights that links are scored by; see `cdi.learning.links`."""
    version = plan_version(load_agency(agency), as_of)
    newest = version.weights.get("links")
    if newest is not None and newest.described["learnt_from"] == version.learns_from:
        return Step(False, f"nothing changed since version {newest.version} was learnt")
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
    if newest is not None and newest.version == learnt.version:
        return Step(False, f"nothing new: version {learnt.version} was learnt again")
    return Step(
        True,
        links.summarise_links(learnt),
        learnt.version,
        event={"weights": learnt.version},
    )


def learn_text(agency: str, as_of: datetime | None = None) -> Step:
    """Learn the model that reads logs, from the audits; see `cdi.learning.text`."""
    version = plan_version(load_agency(agency), as_of)
    newest = version.weights.get("text")
    if newest is not None and newest.described["learnt_from"] == version.learns_from:
        return Step(False, f"nothing changed since version {newest.version} was learnt")
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
    if newest is not None and newest.version == learnt.version:
        return Step(False, f"nothing new: version {learnt.version} was learnt again")
    return Step(
        True,
        text.summarise_text_model(learnt),
        learnt.version,
        event={"weights": learnt.version},
    )


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
