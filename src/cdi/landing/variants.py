"""Keyed hashes by which two texts with a typing error between them are known to be alike.

Keyed hashes can only be equal or not, so what shall be compared loosely later must be hashed in
parts now. The parts are the text itself and the text with any one letter left out: two texts that
differ by one letter too many, one too few, another one, or two that changed places share at least
one of them. That is the deletion neighbourhood of Bocek, Hunt and Stiller 2007 (Fast Similarity
Search in Large Dictionaries).
"""

import hashlib
import hmac
from collections.abc import Callable
from functools import lru_cache

import duckdb

from cdi.keys import derive_key

# With fewer letters, a text that lacks one says next to nothing: LEE and LEA are two names.
LEAST_LETTERS = 4
# A longer text is no name and no street, and has as many variants of its own length as it has
# letters: those of a text of a megabyte would fill a terabyte.
MOST_LETTERS = 200
# Four bytes are enough: a variant is compared with the few of one other row alone.
BYTES = 4
DISTINCT_TEXTS = 100_000  # whose variants are kept while a batch is read


def list_variants(text: str) -> set[str]:
    """List a text and all that is left of it where one letter is left out; nothing for no text.

    Of a very short or very long text, only the text itself.
    """
    variants = {text} - {""}
    if LEAST_LETTERS <= len(text) <= MOST_LETTERS:
        variants |= {text[:place] + text[place + 1 :] for place in range(len(text))}
    return variants


def hash_variants(key: bytes, text: str) -> list[int]:
    """Hash the variants of a text.

    Args:
        key: Key of the agency for this purpose.
        text: A normalised text.

    Returns:
        Each hash once, in order; 32 bits of an HMAC-SHA256.
    """
    variants = list_variants(text)
    hashes = {hmac.digest(key, variant.encode(), hashlib.sha256)[:BYTES] for variant in variants}
    return sorted(int.from_bytes(each, "big") for each in hashes)


def prepare_variants(con: duckdb.DuckDBPyConnection, agency_id: str) -> None:
    """Give a connection the function that `variants_expression` calls.

    Args:
        con: The connection.
        agency_id: The agency whose key hashes.
    """
    con.create_function("hash_variants", _hash_for(agency_id), ["VARCHAR"], "UINTEGER[]")


def _hash_for(agency_id: str) -> Callable[[str], list[int]]:
    """Make a function that hashes the variants of a text, and remembers those of many texts."""
    key = derive_key(agency_id, "variants")
    return lru_cache(DISTINCT_TEXTS)(lambda text: hash_variants(key, text))
