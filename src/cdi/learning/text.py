"""The trained reader of logs: forests of decision trees on words, lexicon and codes.

Its labels are what auditors found, and never what the police decided: a model trained on police
decisions would learn to miss the crimes that the police miss. Audited logs are scored by
cross-fitting: by a model that was trained without them. The same lessons give the same bytes.

A version (`cdi.learning.weights`, kind `text`) holds plain data:

``words.parquet``     weights of n-grams, for each reading and length of run
``groups.parquet``    weights of n-grams, for each offence group
``examples.parquet``  features of the audited logs, and how many crimes auditors found in them
``audited.parquet``   cross-fitted scores of the audited logs

No tree is stored. The trees are grown again from the examples whenever logs are to be scored: this
takes seconds, and the same examples always grow the same trees. The scores that a version has given
are kept (`cdi.learning.readings`), so that no log is scored twice by the same version under the
same rules.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cdi.agency.datasets import READINGS
from cdi.errors import AuditError
from cdi.landing.batches import Batch
from cdi.learning.ngrams import SCALE, SILENT, Runs, Texts, learn_ngram_weights
from cdi.learning.weights import Weights
from cdi.sql import literal

MODEL = "int_disclosure__text_lessons"
FOLDS = 5
MIN_LOGS = 200  # with fewer audited logs nothing is learnt, and the lexicon alone reads the logs
MIN_CASES = 20  # audited logs needed on either side of a target
MIN_FOLD_CASES = MIN_CASES // 2  # the same where one of five folds is left out, to score it
# Of the word pairs of audited logs the share that other logs know, beside that share of the others
# themselves. Where it is lower, words have changed since the audit, and what auditors found says
# nothing of how today's words are meant. Without a change it was above 0.95 wherever measured.
LEAST_FAMILIAR = 0.8
MIN_SIGN = 5  # audited logs that must have a sign before it becomes a feature
CHUNK = 100_000  # logs scored at a time, so that memory stays bounded
NUMBER = re.compile(r"n\d+")  # names of the examples' columns that are no signs

# Which runs of words are scored: their lengths, and the readings (columns of the lessons) that the
# weights are learnt for. Short runs catch a bare "stole my bike", long ones a whole sentence. Where
# codes say little, the crime records that name their log say more, although only of recorded crime:
# they teach words, and the trees learn from auditors alone what the words are worth.
ACCOUNT_RUNS = (6, 10, 14)
ACCOUNT_READINGS = ("opened_as_crime", "named_by_record")
CLOSING_RUNS = (10, 16)
CLOSING_READINGS = (
    "closed_with_reason",
    "closed_as_no_crime",
    "closed_as_recorded",
    "opened_as_crime",
)
GROUP_LENGTH = 10
GROUP_RUN = ("opened_as_crime", GROUP_LENGTH)  # the runs that offence groups are learnt from
TOLD = 3.0  # log odds from which a second run of words counts as the account of a second crime

# Chosen on simulated seeds 31 to 33, from which no figure is quoted. Boosted trees find the rules,
# randomised trees do not overfit to single logs, and the mean of both is better than either.
BOOSTED = {
    "n_estimators": 200,
    "learning_rate": 0.06,
    "subsample": 0.7,
    "min_samples_leaf": 5,
    "max_features": 0.3,
}
DEPTHS = {"crime": 4, "second": 2}
SEEDS = 2  # boosted forests that are averaged
RANDOMISED = {"n_estimators": 400, "min_samples_leaf": 2, "max_features": 0.3}
TARGETS = ("crime", "second")
SCORES = pa.schema(
    {
        "content_hash": pa.uint64(),
        "crime_probability": pa.float64(),
        "second_probability": pa.float64(),
        "offence_group": pa.string(),
        "second_group": pa.string(),
        "pair_count": pa.int64(),
        "known_pair_count": pa.int64(),
    }
)
AUDITED = pa.schema(
    {
        "call_id": pa.string(),
        "crime_probability": pa.float64(),
        "second_probability": pa.float64(),
    }
)


Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Model = Callable[[Floats], Floats]


# ---------------------------------------------------------------------- learning


def count_audited(batches: Mapping[str, Sequence[Batch]]) -> int:
    """Count the landed rows of audited logs: a cheap look before anything is learnt.

    Args:
        batches: Accepted batches by dataset.
    """
    return sum(
        int(file["accepted"])
        for dataset in ("audit_logs", READINGS)
        for batch in batches.get(dataset, ())
        for file in batch.manifest["files"]
    )


def has_enough_lessons(part: Path) -> bool:
    """Tell whether there are enough audited logs, with and without a crime, to learn from.

    Args:
        part: A DuckDB file with the model `MODEL`.
    """
    crimes = _select_audited(_read_lessons(part))["crimes"].to_numpy()
    with_crime = int((crimes > 0).sum())
    return len(crimes) >= MIN_LOGS and min(with_crime, len(crimes) - with_crime) >= MIN_CASES


def write_text_model(part: Path, folder: Path) -> Mapping[str, int]:
    """Learn from a private file and write all files of a version.

    Args:
        part: A DuckDB file with the model `MODEL`.
        folder: Where to write.

    Returns:
        Counts that describe the version.

    Raises:
        AuditError: AUDIT-WORDS if the audited logs are told in other words than the rest.
    """
    lessons = _read_lessons(part)
    audited = _select_audited(lessons)
    crimes = audited["crimes"].to_numpy()
    _learn_words(lessons, folder)
    signs = _frequent_signs(audited)
    matrix, _ = _make_features(audited, folder, signs)
    number_count = matrix.shape[1] - len(signs)
    numbers = {f"n{place}": matrix[:, place] for place in range(number_count)}
    examples = {sign: matrix[:, number_count + place] for place, sign in enumerate(signs)}
    pq.write_table(
        pa.table(numbers | examples | {"crimes": crimes}),
        folder / "examples.parquet",
        compression="zstd",
    )
    folds = np.array(
        [_fold_of_call(call_id) for call_id in audited["published_call_id"].to_pylist()]
    )
    targets = _find_targets(crimes, MIN_CASES)
    scores = {target: np.zeros(len(audited)) for target in TARGETS}
    for fold in range(FOLDS):
        is_held_out = folds == fold
        if is_held_out.any():
            others = ~is_held_out
            learnt = targets & _find_targets(crimes[others], MIN_FOLD_CASES)
            models = _grow_models(matrix[others], crimes[others], learnt)
            for target, model in models.items():
                scores[target][is_held_out] = model(matrix[is_held_out])
    columns = {
        f"{target}_probability": scores[target]
        if target in targets
        else _leave_unknown(len(audited))
        for target in TARGETS
    }
    pq.write_table(
        pa.table({"call_id": audited["published_call_id"], **columns}, schema=AUDITED),
        folder / "audited.parquet",
    )
    return {"logs": len(lessons), "audited": len(audited), "crimes": int(crimes.sum())}


def _read_lessons(part: Path) -> pa.Table:
    with duckdb.connect(str(part), read_only=True) as con:
        return con.sql(f"from disclosure.{MODEL} order by published_call_id").to_arrow_table()


def _select_audited(lessons: pa.Table) -> pa.Table:
    return lessons.filter(pc.is_valid(lessons["crimes"]))


def _learn_words(lessons: pa.Table, folder: Path) -> None:
    """Learn and write the weights of n-grams, by reading and by offence group."""
    learnt: dict[str, list[Any]] = {
        "part": [],
        "reading": [],
        "length": [],
        "gram": [],
        "weight": [],
    }

    def learn_reading(part: str, reading: str, length: int, texts: Texts) -> Ints:
        is_case = lessons[reading].to_numpy(zero_copy_only=False).astype(bool)
        weights = learn_ngram_weights(texts, is_case, length)
        learnt["part"] += [part] * len(weights)
        learnt["reading"] += [reading] * len(weights)
        learnt["length"] += [length] * len(weights)
        learnt["gram"] += texts.vocabulary
        learnt["weight"] += weights.tolist()
        return weights

    account = Texts(lessons["account_text"].to_pylist())
    _check_words(account, lessons["crimes"].is_valid().to_numpy(zero_copy_only=False))
    for reading in ACCOUNT_READINGS:
        for length in ACCOUNT_RUNS:
            weights = learn_reading("account", reading, length, account)
            if (reading, length) == GROUP_RUN:
                _learn_groups(account, weights, lessons["opened_group"].to_pylist(), folder)
    closing = Texts(lessons["closing_text"].to_pylist())
    for reading in CLOSING_READINGS:
        for length in CLOSING_RUNS:
            learn_reading("closing", reading, length, closing)
    pq.write_table(pa.table(learnt), folder / "words.parquet", compression="zstd")


def _check_words(account: Texts, is_audited: NDArray[np.bool_]) -> None:
    """Refuse to learn from audited logs that are told in other words than the logs to be read.

    The vocabulary holds what at least ten logs say, and most logs are not audited; so words that
    only the audited year used are not in it.
    """
    pairs, known = account.count_pairs()
    audited, others = (
        int(known[chosen].sum()) / max(1, int(pairs[chosen].sum()))
        for chosen in (is_audited, ~is_audited)
    )
    if audited < LEAST_FAMILIAR * others:
        raise AuditError(
            "AUDIT-WORDS",
            f"today's logs have {audited:.0%} of the word pairs of the audited logs, and "
            f"{others:.0%} of those of other logs: words have changed since the audit, so nothing "
            "is learnt from it and the lexicon alone reads",
            "audit logs of the newest months: `.venv/bin/cdi audit draw`",
        )


def _learn_groups(texts: Texts, weights: Ints, opened: list[str | None], folder: Path) -> None:
    """Learn and write how often the best runs of each offence group contain each n-gram.

    This is naive Bayes; the group of a log is that of the crime type which it was opened under.
    """
    place = texts.find_runs(weights, GROUP_LENGTH).place
    opened_groups = np.array(opened, object)
    ngram_counts, log_counts = {}, {}
    for group in sorted({group for group in opened if group}):
        starts = place[(opened_groups == group) & (place >= 0)]
        _, ngrams = texts.ngrams_of_runs(starts, GROUP_LENGTH)
        ngram_counts[group] = np.bincount(ngrams, minlength=len(texts.vocabulary))
        log_counts[group] = len(starts)
    # Smooth towards the share of an n-gram in the logs of all groups. Smoothing by a constant would
    # make a group of few logs likelier with each word that it has never been seen with.
    share = (sum(ngram_counts.values()) + 0.5) / (sum(log_counts.values()) + 1)
    columns: dict[str, Any] = {"gram": texts.vocabulary}
    for group in ngram_counts:
        log_share = np.log((ngram_counts[group] + share) / (log_counts[group] + 1))
        columns[group] = np.rint(log_share * SCALE).astype(np.int64)
    pq.write_table(pa.table(columns), folder / "groups.parquet", compression="zstd")


def _frequent_signs(audited: pa.Table) -> list[str]:
    """List the signs (findings of the lexicon, and codes) that enough audited logs have."""
    all_signs = [sign for log_signs in audited["signs"].to_pylist() for sign in log_signs]
    signs, counts = np.unique(np.array(all_signs, dtype=str), return_counts=True)
    return [str(sign) for sign in signs[counts >= MIN_SIGN]]


def _fold_of_call(call_id: str) -> int:
    """Tell the fold of an audited log: by its hash, so that it is the same in every version."""
    return int(hashlib.sha256(call_id.encode()).hexdigest()[:8], 16) % FOLDS


def _find_targets(crimes: Ints, least: int) -> set[str]:
    """Find the targets that enough audited logs can teach, on either side."""
    has_any = crimes > 0
    sides = {"crime": has_any, "second": crimes[has_any] > 1}
    return {
        target for target, is_case in sides.items() if min(is_case.sum(), (~is_case).sum()) >= least
    }


def _grow_models(matrix: Floats, crimes: Ints, learnt: Collection[str]) -> dict[str, Model]:
    """Grow, for each target that is learnt, the trees that estimate its probability."""
    has_any = crimes > 0
    lessons = {"crime": (matrix, has_any), "second": (matrix[has_any], crimes[has_any] > 1)}
    return {
        target: _grow_forests(*lessons[target], DEPTHS[target])
        for target in TARGETS
        if target in learnt
    }


def _leave_unknown(count: int) -> pa.Array:
    """Give logs no probability, by a target that is not learnt; there the lexicon decides."""
    return pa.nulls(count, pa.float64())


def _grow_forests(matrix: Floats, is_case: NDArray[np.bool_], depth: int) -> Model:
    """Grow boosted and randomised trees for one target; the model averages what they say."""
    # importing scikit-learn takes a second or more, and most commands score nothing
    from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingClassifier

    boosted = [
        GradientBoostingClassifier(max_depth=depth, random_state=seed, **BOOSTED)
        for seed in range(SEEDS)
    ]
    randomised = ExtraTreesClassifier(random_state=0, n_jobs=2, **RANDOMISED)
    for trees in (*boosted, randomised):
        trees.fit(matrix, is_case)
    # Predict in one thread. Several threads add up the trees in the order in which they finish, and
    # another order gives another last bit.
    randomised.set_params(n_jobs=1)

    def predict_probability(features: Floats) -> Floats:
        of_boosted = np.mean([trees.predict_proba(features)[:, 1] for trees in boosted], axis=0)
        return np.asarray((of_boosted + randomised.predict_proba(features)[:, 1]) / 2)

    return predict_probability


def summarise_text_model(learnt: Weights) -> str:
    """Describe a version in a few lines, for the task's note."""
    counts = learnt.described["counts"]
    return (
        f"version {learnt.version}, learnt as of {learnt.as_of:%Y-%m-%d %H:%M} UTC\n"
        f"- words of {counts['logs']:,} logs, trees from {counts['audited']:,} audited logs with "
        f"{counts['crimes']:,} crimes"
    )


# ---------------------------------------------------------------------- scoring


def _make_features(
    logs: pa.Table, folder: Path, signs: Sequence[str]
) -> tuple[Floats, dict[str, NDArray[np.object_]]]:
    """Make the features of each log, and name the likeliest offence groups of its account.

    Args:
        logs: Lessons, or rows of `int_disclosure__text_features`.
        folder: The version's.
        signs: Signs that are features.

    Returns:
        One row per log; by column of `SCORES`, for each log the offence groups of its account, its
        word pairs, and those of them that the version has learnt.
    """
    word_weights = pq.read_table(folder / "words.parquet")
    texts: dict[str, Texts] = {}

    def find_runs(part: str, reading: str, length: int) -> Runs:
        chosen = word_weights.filter(
            (pc.field("part") == part)
            & (pc.field("reading") == reading)
            & (pc.field("length") == length)
        )
        # All readings of a part share its vocabulary, so that its texts are cut only once.
        if part not in texts:
            texts[part] = Texts(logs[f"{part}_text"].to_pylist(), chosen["gram"].to_pylist())
        return texts[part].find_runs(chosen["weight"].to_numpy(), length)

    columns: list[NDArray[Any]] = []
    told: dict[str, NDArray[Any]] = {}
    learnt = set(word_weights["reading"].unique().to_pylist())
    # A version that was learnt before a reading was thought of is still used until the next one.
    for reading in filter(learnt.__contains__, ACCOUNT_READINGS):
        for length in ACCOUNT_RUNS:
            runs = find_runs("account", reading, length)
            columns += [runs.best, runs.second, runs.beside, runs.opening, runs.width]
            if (reading, length) == GROUP_RUN:
                second_place = np.where(runs.second >= TOLD, runs.second_place, -1)
                told["offence_group"] = _likeliest_groups(texts["account"], runs.place, folder)
                told["second_group"] = _likeliest_groups(texts["account"], second_place, folder)
    columns += [
        find_runs("closing", reading, length).best
        for reading in CLOSING_READINGS
        for length in CLOSING_RUNS
    ]
    columns += [texts["account"].count_words(), texts["account"].count_entries()]
    told["pair_count"], told["known_pair_count"] = texts["account"].count_pairs()
    columns.append(logs["groups_told"].to_numpy(zero_copy_only=False))
    sign_numbers = {sign: number for number, sign in enumerate(signs)}
    has_sign = np.zeros((len(logs), len(signs)))
    for row, log_signs in enumerate(logs["signs"].to_pylist()):
        has_sign[row, [sign_numbers[sign] for sign in log_signs if sign in sign_numbers]] = 1
    numbers = np.nan_to_num(np.column_stack(columns).astype(float), nan=SILENT)
    return np.column_stack([numbers, has_sign]), told


def _likeliest_groups(texts: Texts, place: Ints, folder: Path) -> NDArray[np.object_]:
    """Name the likeliest offence group of the run at each place; None where there is no run."""
    weights = pq.read_table(folder / "groups.parquet")
    groups = weights.column_names[1:]
    likeliest = np.full(len(place), None, object)
    with_run = np.flatnonzero(place >= 0)
    if not groups or not len(with_run):
        return likeliest
    rows, ngrams = texts.ngrams_of_runs(place[with_run], GROUP_LENGTH)
    sums = np.column_stack(
        [
            np.bincount(rows, weights[group].to_numpy()[ngrams], minlength=len(with_run))
            for group in groups
        ]
    )
    likeliest[with_run] = np.array(groups, object)[sums.argmax(axis=1)]
    return likeliest


def score_features(features: pa.Table, folder: Path) -> pa.Table:
    """Score logs by a version.

    Args:
        features: Rows of `int_disclosure__text_features`.
        folder: The version's.

    Returns:
        One row per log: `crime_probability` (at least one crime should be recorded),
        `second_probability` (two or more should be, if any; null if audits held too few such logs
        to learn from), the likeliest `offence_group`, the `second_group` of a second account in the
        log (None if there is none), the pairs of words in the account (`pair_count`), and those
        that the version has learnt (`known_pair_count`).
    """
    parts = [SCORES.empty_table()]
    if not len(features):
        return parts[0]
    examples = pq.read_table(folder / "examples.parquet")
    crimes = examples["crimes"].to_numpy()
    examples = examples.drop_columns("crimes")
    signs = [name for name in examples.column_names if not NUMBER.fullmatch(name)]
    matrix = np.column_stack([column.to_numpy() for column in examples.columns])
    models = _grow_models(matrix, crimes, _find_targets(crimes, MIN_CASES))
    for start in range(0, len(features), CHUNK):
        chunk = features.slice(start, CHUNK)
        matrix, told = _make_features(chunk, folder, signs)
        scores = {
            f"{target}_probability": models[target](matrix)
            if target in models
            else _leave_unknown(len(chunk))
            for target in TARGETS
        }
        parts.append(
            pa.table(
                {"content_hash": chunk["content_hash"], **scores, **told},
                schema=SCORES,
            )
        )
    return pa.concat_tables(parts)


def open_text_weights(con: duckdb.DuckDBPyConnection, learnt: Weights | None) -> None:
    """Give a build its version, and the version's scores of the audited logs.

    Args:
        con: The build's private file, with the schema `landing`.
        learnt: The version, or None: then both tables are empty.
    """
    con.execute("create table landing.text_weights (version varchar, folder varchar)")
    audited = (
        "select null::varchar as call_id, null::double as crime_probability, "
        "null::double as second_probability where false"
    )
    if learnt is not None:
        con.execute(
            "insert into landing.text_weights values (?, ?)", [learnt.version, str(learnt.folder)]
        )
        audited = f"from read_parquet({literal(str(learnt.folder / 'audited.parquet'))})"
    con.execute(
        "create view landing.audited_readings as "
        f"select * replace (md5_number_lower(call_id) as call_id) from ({audited})"
    )
