"""What phrases can be about: families of offences, contexts, reasons for no crime, closings.

A phrase of the bank has a kind and a subject; these are the subjects that every scenario needs.
"""

FAMILIES = {
    "violence_against_the_person": "violence",
    "sexual_offences": "sexual",
    "robbery": "violence",
    "burglary": "burglary",
    "vehicle_offences": "vehicle",
    "theft": "theft",
    "arson_and_criminal_damage": "damage",
    "drug_offences": "drugs",
    "possession_of_weapons": "weapons",
    "public_order": "public_order",
    "miscellaneous_crimes": "harassment",
}
FAMILY_OF_OFFENCE = {
    "harassment": "harassment",
    "malicious_communications": "harassment",
    "stalking": "harassment",
    "threats_to_kill": "harassment",
}
CONTEXTS = (
    "asb_personal",
    "asb_nuisance",
    "concern_for_safety",
    "domestic_incident",
    "suspicious_circumstances",
    "contact_record",
    "missing_person",
    "civil_dispute",
)
REASONS = (
    "NO_CRIME_BOP",
    "CREDIBLE_CONTRARY",
    "GOOD_INTENT",
    "OTHER_FORCE",
    "NOT_NOTIFIABLE",
    "VICTIM_UNTRACED",
    "THIRD_PARTY_UNCONFIRMED",
    "SCHOOLS",
    "FRAUD_REFERRED",
    "PUBLIC_ORDER_SPENT",
    "COUNTER_ALLEGATION",
    "ALREADY_RECORDED",
    "DUPLICATE_LOG",
    "ADMIN",
)
CLOSINGS = (
    "recorded",
    "record_pending",
    "victim_unwilling",
    "no_lines",
    "hoax_suspected",
    "under_influence",
    "advice",
    "no_offences",
    "asb_relabel",
    "resolved",
    "non_crime_occurrence",
    "no_reply",
    "ended",
)
TERSE_SUBJECTS = {("terse", family) for family in set(FAMILIES.values())}
FIXED_SUBJECTS = (
    {("also", n) for n in "123"}
    | {(kind, f) for kind in ("near_miss", "ambiguous") for f in set(FAMILIES.values())}
    | {("context", subject) for subject in CONTEXTS}
    | {("no_crime", reason) for reason in REASONS}
    | {("closing", manner) for manner in CLOSINGS}
    | {("update", s) for s in ("any", "attended", "reopened", "vulnerable")}
    | {("burial", "any"), ("bland", "duplicate")}
)


def family_of(key: str, group: str) -> str:
    """Find the family whose near misses and ambiguous accounts an offence shares."""
    return FAMILY_OF_OFFENCE.get(key, FAMILIES[group])
