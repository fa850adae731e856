"""The trained reader of logs: two forests on what the words, the lexicon and the codes say.

Its labels are audit findings only, never what the police decided: trained on their decisions it
would learn to miss what they miss (estimation notes, trap 7). An audited log is scored by a model
that has not seen it. Same lessons, same bytes.

A version (`cdi.learning.weights`, kind `text`) holds plain data: ``words.parquet`` (weights of words by
reading), ``groups.parquet`` (by offence group), ``examples.parquet`` (what is seen of the audited
logs, and their crimes) and ``audited.parquet`` (how likely a model that had not seen each of them
found it). The trees are grown from the examples when something is to be read: that takes seconds,
and the same examples grow the same trees. Beside them lie the readings: what a version read is
kept, and never read again while the rules are the same.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cdi.agency import datasets
from cdi.landing.batches import Batch
from cdi.learning import ngrams
from cdi.learning.ngrams import Runs, Texts, learn_ngram_weights
from cdi.learning.weights import Weights
from cdi.sql import literal

MODEL = "int_disclosure__text_lessons"
FOLDS = 5
MIN_LOGS = 200  # audited; fewer teach nothing and the lexicon reads alone
MIN_CASES = 20  # of a target, and of its opposite
MIN_SIGN = 5  # audited logs with a sign before the trees may ask for it
CHUNK = 100_000  # logs read at a time
NUMBER = re.compile(r"n\d+")  # names the examples' columns that are no signs

# which runs of words are read: how long, and what for (columns of the lessons). Short runs catch a
# bare "stole my bike", long ones know a whole sentence
ACCOUNT_RUNS = (6, 10, 14)
CLOSING_RUNS = (10, 16)
CLOSING_READINGS = (
    "closed_with_reason", "closed_as_no_crime", "closed_as_recorded", "opened_as_crime",
)  # fmt: skip
GROUP_RUN = 10  # that tells which offence group
TOLD = 3.0  # log odds from which a further run of words tells of a crime

# chosen on simulated seeds 31 to 33, from which no figure is quoted: boosted trees find the rules,
# randomised ones forget single logs, and their mean is better than either
BOOSTED = {
    "n_estimators": 200, "learning_rate": 0.06, "subsample": 0.7, "min_samples_leaf": 5,
    "max_features": 0.3,
}  # fmt: skip
DEPTHS = {"crime": 4, "second": 2}
SEEDS = 2  # of the boosted trees
RANDOMISED = {"n_estimators": 400, "min_samples_leaf": 2, "max_features": 0.3}
TARGETS = ("crime", "second")
READINGS = pa.schema(
    {
        "content_hash": pa.uint64(),
        "crime_probability": pa.float64(),
        "second_probability": pa.float64(),
        "offence_group": pa.string(),
        "second_group": pa.string(),
    }
)
AUDITED = pa.schema(
    {
        "call_id": pa.string(),
        "crime_probability": pa.float64(),
        "second_probability": pa.float64(),
    }
)


# ---------------------------------------------------------------------- learning


def count_audited(batches: Mapping[str, Sequence[Batch]]) -> int:
    """Rows of audited logs that were landed: a cheap look before anything is learnt."""
    return sum(
        int(file["accepted"])
        for dataset in ("audit_logs", datasets.READINGS)
        for batch in batches.get(dataset, ())
        for file in batch.manifest["files"]
    )


def has_enough_lessons(part: Path) -> bool:
    """Whether the audited logs of a private file are enough to learn from."""
    crimes = _audited(_lessons(part))["crimes"].to_numpy()
    with_crime = int((crimes > 0).sum())
    return len(crimes) >= MIN_LOGS and min(with_crime, len(crimes) - with_crime) >= MIN_CASES


def write_text_model(part: Path, folder: Path) -> Mapping[str, int]:
    """Learn from a private file and write all that reading needs.

    Args:
        part: A DuckDB file with the model `MODEL`.
        folder: Where to write.

    Returns:
        Counts that describe it.
    """
    lessons = _lessons(part)
    audited = _audited(lessons)
    crimes = audited["crimes"].to_numpy()
    _learn_words(lessons, folder)
    signs = _signs(audited)
    matrix, _ = _matrix(audited, folder, signs)
    examples = {sign: matrix[:, place - len(signs)] for place, sign in enumerate(signs)}
    numbers = {f"n{place}": matrix[:, place] for place in range(matrix.shape[1] - len(signs))}
    pq.write_table(
        pa.table(numbers | examples | {"crimes": crimes}),
        folder / "examples.parquet",
        compression="zstd",
    )
    folds = np.array([_fold(call_id) for call_id in audited["call_id"].to_pylist()])
    scores = {target: np.zeros(len(audited)) for target in TARGETS}
    for fold in range(FOLDS):
        own = folds == fold
        if own.any():
            for target, model in _grow(matrix[~own], crimes[~own]).items():
                scores[target][own] = model(matrix[own])
    columns = {f"{target}_probability": scores[target] for target in TARGETS}
    pq.write_table(
        pa.table({"call_id": audited["call_id"], **columns}, schema=AUDITED),
        folder / "audited.parquet",
    )
    return {"logs": len(lessons), "audited": len(audited), "crimes": int(crimes.sum())}


def _lessons(part: Path) -> pa.Table:
    with duckdb.connect(str(part), read_only=True) as con:
        return con.sql(f"from disclosure.{MODEL} order by call_id").to_arrow_table()


def _audited(lessons: pa.Table) -> pa.Table:
    return lessons.filter(pc.is_valid(lessons["crimes"]))


def _learn_words(lessons: pa.Table, folder: Path) -> None:
    """Weights of words by reading, and of words by offence group."""
    found: dict[str, list[Any]] = {
        "part": [],
        "reading": [],
        "length": [],
        "gram": [],
        "weight": [],
    }

    def keep(part: str, reading: str, length: int, texts: Texts) -> NDArray[np.int64]:
        is_case = lessons[reading].to_numpy(zero_copy_only=False).astype(bool)
        weights = learn_ngram_weights(texts, is_case, length)
        found["part"] += [part] * len(weights)
        found["reading"] += [reading] * len(weights)
        found["length"] += [length] * len(weights)
        found["gram"] += texts.vocabulary
        found["weight"] += weights.tolist()
        return weights

    account = Texts(lessons["account_text"].to_pylist())
    for length in ACCOUNT_RUNS:
        weights = keep("account", "opened_as_crime", length, account)
        if length == GROUP_RUN:
            _learn_groups(account, weights, lessons["opened_group"].to_pylist(), folder)
    closing = Texts(lessons["closing_text"].to_pylist())
    for reading in CLOSING_READINGS:
        for length in CLOSING_RUNS:
            keep("closing", reading, length, closing)
    pq.write_table(pa.table(found), folder / "words.parquet", compression="zstd")


def _learn_groups(
    texts: Texts, weights: NDArray[np.int64], opened: list[str | None], folder: Path
) -> None:
    """Naive Bayes: under which crime types logs are opened whose strongest run says a word."""
    place = texts.runs(weights, GROUP_RUN).place
    names = np.array(opened, object)
    says, logs = {}, {}
    for group in sorted({group for group in opened if group}):
        of_group = place[(names == group) & (place >= 0)]
        _, said = texts.said_in(of_group, GROUP_RUN)
        says[group] = np.bincount(said, minlength=len(texts.vocabulary))
        logs[group] = len(of_group)
    # what a group was never heard to say it says as often as all do: a small group is not likelier
    # for each word that it lacks
    share = (sum(says.values()) + 0.5) / (sum(logs.values()) + 1)
    columns: dict[str, Any] = {"gram": texts.vocabulary}
    for group in says:
        odds = np.log((says[group] + share) / (logs[group] + 1))
        columns[group] = np.rint(odds * ngrams.SCALE).astype(np.int64)
    pq.write_table(pa.table(columns), folder / "groups.parquet", compression="zstd")


def _signs(audited: pa.Table) -> list[str]:
    """What the lexicon and the codes say often enough for the trees to ask."""
    signs, counts = np.unique(
        np.array([s for some in audited["signs"].to_pylist() for s in some], dtype=str),
        return_counts=True,
    )
    return [str(sign) for sign in signs[counts >= MIN_SIGN]]


def _fold(call_id: str) -> int:
    """The fold of an audited log: the same whenever it is learnt from."""
    return int(hashlib.sha256(call_id.encode()).hexdigest()[:8], 16) % FOLDS


Model = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def _grow(matrix: NDArray[np.float64], crimes: NDArray[np.int64]) -> dict[str, Model]:
    """For each target the trees that say how likely it is."""
    has_any = crimes > 0
    return {
        "crime": _forests(matrix, has_any, DEPTHS["crime"]),
        "second": _forests(matrix[has_any], crimes[has_any] > 1, DEPTHS["second"]),
    }


def _forests(matrix: NDArray[np.float64], is_case: NDArray[np.bool_], depth: int) -> Model:
    from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingClassifier

    if min(is_case.sum(), (~is_case).sum()) < MIN_CASES:
        return lambda logs: np.zeros(len(logs))  # too few to learn from: said of no log
    boosted = [
        GradientBoostingClassifier(max_depth=depth, random_state=seed, **BOOSTED)
        for seed in range(SEEDS)
    ]
    randomised = ExtraTreesClassifier(random_state=0, n_jobs=2, **RANDOMISED)
    for trees in (*boosted, randomised):
        trees.fit(matrix, is_case)
    # threads add what their trees say as they finish: another order is another last bit
    randomised.set_params(n_jobs=1)

    def model(logs: NDArray[np.float64]) -> NDArray[np.float64]:
        first = np.mean([trees.predict_proba(logs)[:, 1] for trees in boosted], axis=0)
        return np.asarray((first + randomised.predict_proba(logs)[:, 1]) / 2)

    return model


def summarise_text_model(learnt: Weights) -> str:
    """A few lines for the task's note."""
    counts = learnt.described["counts"]
    return (
        f"version {learnt.version}, learnt as of {learnt.as_of:%Y-%m-%d %H:%M} UTC\n"
        f"- words of {counts['logs']:,} logs, trees from {counts['audited']:,} audited logs with "
        f"{counts['crimes']:,} crimes"
    )


# ---------------------------------------------------------------------- reading


def _matrix(
    features: pa.Table, folder: Path, signs: Sequence[str]
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.object_]]]:
    """What the trees see of each log, and the likeliest offence groups of its account."""
    known = pq.read_table(folder / "words.parquet")
    texts: dict[str, Texts] = {}

    def runs(part: str, reading: str, length: int) -> Runs:
        chosen = known.filter(
            (pc.field("part") == part)
            & (pc.field("reading") == reading)
            & (pc.field("length") == length)
        )
        if part not in texts:
            texts[part] = Texts(features[f"{part}_text"].to_pylist(), chosen["gram"].to_pylist())
        return texts[part].runs(chosen["weight"].to_numpy(), length)

    columns: list[NDArray[Any]] = []
    groups: dict[str, NDArray[np.object_]] = {}
    for length in ACCOUNT_RUNS:
        found = runs("account", "opened_as_crime", length)
        columns += [found.best, found.second, found.beside, found.opening, found.width]
        if length == GROUP_RUN:
            told = np.where(found.second >= TOLD, found.second_place, -1)
            for name, place in (("offence_group", found.place), ("second_group", told)):
                groups[name] = _groups(texts["account"], place, folder)
    columns += [
        runs("closing", reading, length).best
        for reading in CLOSING_READINGS
        for length in CLOSING_RUNS
    ]
    columns += [texts["account"].words(), texts["account"].entries()]
    columns.append(features["groups_told"].to_numpy(zero_copy_only=False))
    number = {sign: place for place, sign in enumerate(signs)}
    said = np.zeros((len(features), len(signs)))
    for row, some in enumerate(features["signs"].to_pylist()):
        said[row, [number[sign] for sign in some if sign in number]] = 1
    numbers = np.nan_to_num(np.column_stack(columns).astype(float), nan=ngrams.SILENT)
    return np.column_stack([numbers, said]), groups


def _groups(texts: Texts, place: NDArray[np.int64], folder: Path) -> NDArray[np.object_]:
    weights = pq.read_table(folder / "groups.parquet")
    names = weights.column_names[1:]
    found = np.full(len(place), None, object)
    spoken = np.flatnonzero(place >= 0)
    if not names or not len(spoken):
        return found
    rows, said = texts.said_in(place[spoken], GROUP_RUN)
    sums = np.column_stack(
        [np.bincount(rows, weights[n].to_numpy()[said], minlength=len(spoken)) for n in names]
    )
    found[spoken] = np.array(names, object)[sums.argmax(axis=1)]
    return found


def score_features(features: pa.Table, folder: Path) -> pa.Table:
    """Score logs by a version.

    Args:
        features: Rows of `int_disclosure__text_features`.
        folder: The version's.

    Returns:
        One row per log: `crime_probability` (at least one crime should be recorded),
        `second_probability` (two or more, if any), the likeliest `offence_group`, and the
        `second_group` of a further run of words that tells of a crime (None: there is none).
    """
    parts = [READINGS.empty_table()]
    if not len(features):
        return parts[0]
    examples = pq.read_table(folder / "examples.parquet")
    crimes = examples["crimes"].to_numpy()
    examples = examples.drop_columns("crimes")
    signs = [name for name in examples.column_names if not NUMBER.fullmatch(name)]
    models = _grow(np.column_stack([column.to_numpy() for column in examples.columns]), crimes)
    for start in range(0, len(features), CHUNK):
        chunk = features.slice(start, CHUNK)
        matrix, groups = _matrix(chunk, folder, signs)
        scores = {f"{target}_probability": model(matrix) for target, model in models.items()}
        parts.append(
            pa.table(
                {"content_hash": chunk["content_hash"], **scores, **groups},
                schema=READINGS,
            )
        )
    return pa.concat_tables(parts)


def score_new_features(features: pa.Table, folder: Path, kept: Path) -> pa.Table:
    """Score logs that were not read before, and keep what was read.

    Args:
        features: Rows of `int_disclosure__text_features`.
        folder: The version's.
        kept: Folder of its readings; made if absent. A file appears whole, by one rename.
    """
    found = score_features(features, folder)
    if len(found):
        kept.mkdir(parents=True, exist_ok=True)
        hashes = np.sort(found["content_hash"].to_numpy())
        file = kept / f"{hashlib.sha256(hashes.tobytes()).hexdigest()[:16]}.parquet"
        pq.write_table(found, file.with_suffix(".next"), compression="zstd")
        file.with_suffix(".next").rename(file)
    return found


def open_text_weights(con: duckdb.DuckDBPyConnection, learnt: Weights | None, rules: str) -> None:
    """Make the tables of a build: which version reads, what it has read, and the audited logs.

    Args:
        con: The build's private file; schema `landing`.
        learnt: A version, or None: all three are empty.
        rules: Name of the rules and code; what was read under others is read again.
    """
    con.execute("create table landing.text_weights (version varchar, folder varchar, kept varchar)")
    audited, readings = _nothing(AUDITED), _nothing(READINGS)
    if learnt is not None:
        kept = learnt.folder / "readings" / rules
        con.execute(
            "insert into landing.text_weights values (?, ?, ?)",
            [learnt.version, str(learnt.folder), str(kept)],
        )
        audited = _rows([learnt.folder / "audited.parquet"])
        # each build reads what none before it has read, so no text is in two files
        files = sorted(kept.glob("*.parquet"))
        readings = _rows(files) if files else readings
    con.execute(f"create view landing.audited_readings as {audited}")
    con.execute(f"create view landing.text_readings as {readings}")


def _nothing(schema: pa.Schema) -> str:
    kinds = {pa.string(): "varchar", pa.float64(): "double", pa.uint64(): "ubigint"}
    columns = (f"cast(null as {kinds[field.type]}) as {field.name}" for field in schema)
    return f"select {', '.join(columns)} where false"


def _rows(files: Sequence[Path]) -> str:
    return f"from read_parquet([{', '.join(literal(str(file)) for file in files)}])"
