"""One patient client for every API: it asks again where that may help, and trusts no answer."""

import contextlib
import json
import math
import re
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

import httpx
import tenacity

from cdi.errors import SourceError
from cdi.sources.access import Access
from cdi.sources.answer import Answer, read_date
from cdi.sources.reader import SourceBusyError

# 498 and 499 are ArcGIS's own: a token that is wrong or expired, and one that is missing.
_REFUSED = {401, 403, 498, 499}
# 202 is Socrata's "I am at it, ask again".
_PASSING = {202, 408, 425, 429}
_SHOWN_LETTERS = 500  # so much of an answer is shown in an error

Found = TypeVar("Found")


def find_address(domain: str) -> str:
    """The address of a portal, by https if it does not say otherwise.

    Args:
        domain: The portal as agency.yaml has it, e.g. ``data.example.org``.
    """
    return domain if "://" in domain else f"https://{domain}"


@dataclass(frozen=True)
class Patience:
    """How long the client waits, and how much it takes.

    Attributes:
        attempts: How often one question is asked at most.
        first_wait: Seconds before the second attempt, if the server names none; they double.
        longest_wait: Seconds; a server that asks for a longer wait is left alone.
        timeout: Seconds in which a server must connect, and then send its next bytes.
        body_bytes: Size of the largest answer that is read into memory, decompressed.
        file_bytes: Size of the largest answer that is kept on disk, decompressed.
        sleep: What waits, so that a test need not.
    """

    attempts: int = 6
    first_wait: float = 2.0
    longest_wait: float = 300.0
    timeout: float = 60.0
    body_bytes: int = 256 << 20
    file_bytes: int = 8 << 30
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)


class _PassingError(Exception):
    """One attempt failed in a way that another one may not.

    Args:
        said: What went wrong.
        wait: Seconds that the server asks to wait.
        rule_id: The rule to name if no attempt succeeds.
    """

    def __init__(self, said: str, wait: float | None = None, rule_id: str = "SRC-HTTP") -> None:
        """Keep the parts for the last error."""
        super().__init__(said)
        self.wait = wait
        self.rule_id = rule_id


class PatientClient:
    """Asks one API, again and again where that may help.

    It follows no redirect: a token would go to a host that nobody named.

    Args:
        access: The connection; its secrets stay out of every error.
        name: What is read, for errors.
        base: Address below which all questions are asked.
        headers: Headers of each question, the token's among them.
        form: Fields of each question's form; if given, questions are sent by POST, whose fields
            stand in no log of addresses.
        patience: How long the client waits, and how much it takes.
        find_staleness: Tells from the headers of an answer why it is not up to date; None if it
            is. Such an answer is asked for again.
    """

    def __init__(
        self,
        access: Access,
        name: str,
        base: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        patience: Patience | None = None,
        find_staleness: Callable[[httpx.Headers], str | None] = lambda headers: None,
    ) -> None:
        """Prepare the client; nothing is asked yet."""
        self._access, self._name, self._form = access, name, form
        self._base = base.rstrip("/")
        self._patience = patience or Patience()
        self._find_staleness = find_staleness
        self._check_headers(headers or {})
        self._client = httpx.Client(
            # a cache between here and the portal would answer with what was true before
            headers={"Accept": "application/json", "Cache-Control": "no-cache", **(headers or {})},
            timeout=self._patience.timeout,
            follow_redirects=False,
        )

    def __enter__(self) -> Self:
        """Keep connections open for further questions."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self._client.close()

    def _check_headers(self, headers: Mapping[str, str]) -> None:
        """Refuse a token with a line break or the like, which httpx would quote in its error."""
        if not all(value.isascii() and value.isprintable() for value in headers.values()):
            raise SourceError(
                "SRC-ACCESS",
                f"{self._name}: the token of the connection {self._connection()} has characters "
                "that no header can have",
                "put the token alone into the password of the Airflow connection, without a line "
                "break",
            )

    def ask(self, path: str, **parameters: object) -> Answer:
        """Ask for an answer that fits into memory.

        Args:
            path: What follows the base address.
            parameters: Parameters of the question.

        Raises:
            SourceBusyError: SRC-HTTP if no attempt succeeds, SRC-STALE if no answer is up to date.
            SourceError: SRC-ACCESS if the token is refused, SRC-HTTP if the question is.
        """

        def ask_once() -> Answer:
            with self._open(path, parameters) as response:
                body = b"".join(self._pieces(response, self._patience.body_bytes))
                return Answer(self._name, self._parse(body), response.headers)

        return self._persist(ask_once)

    def ask_lines(self, path: str, **parameters: object) -> Iterator[dict[str, Any]]:
        """Ask for an answer of many lines, each one an object in JSON.

        The answer is complete on disk before its first line is given, as it may break off.

        Args:
            path: What follows the base address.
            parameters: Parameters of the question.

        Yields:
            The parsed lines.

        Raises:
            SourceBusyError: As in `ask`.
            SourceError: As in `ask`.
        """
        with tempfile.TemporaryFile() as file:

            def save_once() -> None:
                file.seek(0)
                file.truncate()
                with self._open(path, parameters) as response:
                    for piece in self._pieces(response, self._patience.file_bytes):
                        file.write(piece)
                file.seek(0)
                for line in deque(file, maxlen=1):  # a body that broke off ends within a line
                    _load(line)

            self._persist(save_once)
            file.seek(0)
            for line in file:
                if line.strip():
                    yield self._parse_line(line)

    def _persist(self, attempt: Callable[[], Found]) -> Found:
        """Try until it succeeds, as long as the patience lasts."""
        backoff = tenacity.wait_exponential_jitter(
            self._patience.first_wait, self._patience.longest_wait, jitter=self._patience.first_wait
        )

        def is_enough(state: tenacity.RetryCallState) -> bool:
            asked = _asked_wait(state) > self._patience.longest_wait
            return asked or state.attempt_number >= self._patience.attempts

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_PassingError),
            wait=lambda state: max(_asked_wait(state), backoff(state)),
            stop=is_enough,
            sleep=self._patience.sleep,
            reraise=True,
        )
        try:
            return retrying(attempt)
        except _PassingError as error:
            times = retrying.statistics["attempt_number"]
            attempts = "1 attempt" if times == 1 else f"{times} attempts; the last one"
            when = "later"
            if error.wait and error.wait > self._patience.longest_wait:
                when = f"in {math.ceil(error.wait / 60):,} minutes, as the portal asks"
            raise SourceBusyError(
                error.rule_id,
                f"{self._name}: no usable answer after {attempts}: {error}",
                f"run it again {when}; if it stays so, ask the portal's owner",
            ) from None

    @contextlib.contextmanager
    def _open(self, path: str, parameters: Mapping[str, object]) -> Iterator[httpx.Response]:
        """Send a question; any break of the connection is passing, also in the block."""
        texts = {key: str(value) for key, value in parameters.items()}
        address = f"{self._base}/{path}".rstrip("/")
        try:
            with (
                self._client.stream("GET", address, params=texts)
                if self._form is None
                else self._client.stream("POST", address, data={**texts, **self._form})
            ) as response:
                self._check(response)
                yield response
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise SourceError(
                "SRC-HTTP",
                f"{self._name}: the address cannot be asked: {self._hide(str(error))}",
                "correct the address in agency.yaml; it begins with https://",
            ) from None
        except httpx.RequestError as error:
            said = f"{type(error).__name__}, {error}"
            raise _PassingError(self._hide(said)) from None

    def _pieces(self, response: httpx.Response, most_bytes: int) -> Iterator[bytes]:
        """The body as it comes, up to a size."""
        size = 0
        for piece in response.iter_bytes():
            size += len(piece)
            if size > most_bytes:
                raise SourceError(
                    "SRC-HTTP",
                    f"{self._name}: the answer is larger than {most_bytes:,} bytes",
                    "map fewer columns, or read a shorter window",
                )
            yield piece

    def _check(self, response: httpx.Response) -> None:
        """Refuse what is no answer in JSON, and what is not up to date."""
        status = response.status_code
        if response.is_redirect:
            new = response.headers.get("Location", "").split("?")[0]
            self._refuse(status, f"the portal sends on to {new}")
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        # some ArcGIS servers call their JSON text/plain
        if status == 200 and not ("json" in kind or kind == "text/plain"):
            # only HTML is shown, a page of a proxy; anything else may be rows about people
            said = self._read_text(response) if kind == "text/html" else "not shown"
            raise _PassingError(f"an answer of type {kind or 'unknown'}: {said}")
        if status != 200:
            self._refuse(status, self._read_text(response), _read_wait(response.headers))
        if staleness := self._find_staleness(response.headers):
            raise _PassingError(self._hide(staleness), rule_id="SRC-STALE")

    def _read_text(self, response: httpx.Response) -> str:
        """The words of a body, be it HTML or not."""
        body = b"".join(self._pieces(response, self._patience.body_bytes))
        markup = r"(?s)<(script|style)\b.*?</\1>|<[^>]+>"
        words = re.sub(markup, " ", body.decode("utf-8", "replace")).split()
        return self._hide(" ".join(words) or "no text")

    def _parse(self, body: bytes) -> Any:
        parsed = _load(body)
        self._check_no_error(parsed)
        return parsed

    def _parse_line(self, line: bytes) -> dict[str, Any]:
        with contextlib.suppress(_PassingError):
            parsed = _load(line)
            if isinstance(parsed, dict):
                return parsed
        raise SourceBusyError(
            "SRC-HTTP",
            f"{self._name}: a line of {len(line):,} bytes is not a JSON object",
            "run it again later; if it stays so, ask the portal's owner",
        )

    def _check_no_error(self, parsed: Any) -> None:
        """Find an error in a body whose status is 200: of ArcGIS, CKAN, Socrata, Opendatasoft."""
        if not isinstance(parsed, dict) or not (parsed.get("error") or parsed.get("error_code")):
            return
        error = parsed.get("error")
        code = error.get("code") if isinstance(error, dict) else None
        said = json.dumps(error if isinstance(error, dict) else parsed, ensure_ascii=False)
        self._refuse(code if isinstance(code, int) else 400, said)

    def _refuse(self, status: int, said: str, wait: float | None = None) -> NoReturn:
        """Raise the error for a status, be it the answer's or one in its body."""
        said = self._hide(said)
        if status in _PASSING or status >= 500:
            raise _PassingError(f"status {status}, {said}", wait)
        if status in _REFUSED:
            raise SourceError(
                "SRC-ACCESS",
                f"{self._name}: the portal refuses the token of the connection "
                f"{self._connection()}, status {status}: {said}",
                "put a valid token into the password of the Airflow connection",
            )
        raise SourceError(
            "SRC-HTTP",
            f"{self._name}: the portal refuses the question, status {status}: {said}",
            "correct the address, dataset and columns in agency.yaml",
        )

    def _connection(self) -> str:
        return self._access.connection or "(none is named in agency.yaml)"

    def _hide(self, said: str) -> str:
        """Take secrets out first: a cut would leave the beginning of one."""
        return self._access.hide_secrets(said)[:_SHOWN_LETTERS]


def _load(body: bytes) -> Any:
    """Parse JSON; numbers with a point stay as they are written."""
    try:
        return json.loads(body, parse_float=str)
    except ValueError:
        raise _PassingError(f"{len(body):,} bytes that are not JSON") from None


def _asked_wait(state: tenacity.RetryCallState) -> float:
    """Seconds that the server asked to wait in its last answer."""
    error = state.outcome.exception() if state.outcome else None
    return (error.wait or 0.0) if isinstance(error, _PassingError) else 0.0


def _read_wait(headers: httpx.Headers) -> float | None:
    """Seconds of the header Retry-After, which has them or a time by the server's clock."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    until, now = read_date(text), read_date(headers.get("Date", ""))
    return max((until - now).total_seconds(), 0.0) if until and now else None
