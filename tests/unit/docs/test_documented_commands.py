"""Each command that README.md and docs/ print exists, and needs nothing but PATH and HOME."""

import os
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import typer
import yaml

from cdi import cli, paths
from cdi_force import __main__ as force
from cdi_proofs import __main__ as proofs

PAGES = [paths.REPO / "README.md", *sorted((paths.REPO / "docs").glob("*.md"))]
CDI = ".venv/bin/cdi"
# what every machine has that has a shell, Git and Docker; what they are given is theirs to check
SYSTEM = {
    "cat",
    "cd",
    "cp",
    "echo",
    "find",
    "git",
    "grep",
    "install",
    "mkdir",
    "mv",
    "rm",
    "tar",
    "umask",
}
IN_IMAGE = {"airflow", "cat", "pg_dump", "psql", "rm", "tar"}
FENCE = re.compile(r"^ *```(\S*)\n(.*?)^ *```$", re.M | re.S)
INLINE = re.compile(r"(?<!`)`((?:make|cdi|\.venv/bin/[^\s`]+|python3?|docker compose) [^`]*)`(?!`)")
PLACEHOLDER = re.compile(r"<[A-Za-z][^<>]*>(?:\.\.\.)?")


# what Typer raises for arguments that it cannot take; it has its own copy of click
UsageError = typer.BadParameter.__base__


def simple_commands(text: str) -> Iterator[list[str]]:
    """Split shell text into its simple commands, each a list of words."""
    text = PLACEHOLDER.sub("placeholder", text.replace("\\\n", " "))
    for line in text.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        for word in lexer:
            if word in {"|", "||", "&&", ";"}:
                yield words
                words = []
            else:
                words.append(word)
        if words:
            yield words


def without_redirections(words: list[str]) -> list[str]:
    """The words of a simple command before its first redirection."""
    ends = [index for index, word in enumerate(words) if word in {"<", ">", ">>", ">&"}]
    return words[: min(ends, default=len(words))]


def fenced() -> list[tuple[str, str]]:
    """Page and text of each simple command in a shell block."""
    return [
        (page.name, shlex.join(without_redirections(words)))
        for page in PAGES
        for label, body in FENCE.findall(page.read_text(encoding="utf-8"))
        if label == "sh"
        for words in simple_commands(body)
    ]


def inline() -> list[tuple[str, str]]:
    """Page and text of each command within a sentence that names what it acts on."""
    found = []
    for page in PAGES:
        text = FENCE.sub("", page.read_text(encoding="utf-8"))
        for command in INLINE.findall(text):
            # optional arguments in square brackets, and what a sentence leaves out
            command = command.replace("\n", " ").replace("[", "").replace("]", "")
            complete = re.sub(r"=(?=\s|$)", "=placeholder", command)
            found += [(page.name, shlex.join(words)) for words in simple_commands(complete)]
    return found


SOURCES = [
    file
    for folder in ("src", "dags", "plugins", "scripts", "expectations", "dbt_project/models")
    for file in sorted((paths.REPO / folder).rglob("*"))
    if file.suffix in {".py", ".j2", ".sql", ".yml", ".yaml"}
]
# how code and templates name a command: for this checkout or the image, or in words for a reader
PRINTED = re.compile(
    r"(?:\{paths\.CDI\}|\{\{ cdi \}\}|\{cdi\}|\.venv/bin/cdi) "
    r"([a-z][a-z-]*)(?: ([a-z-]+))?([^\n`]*)"
)


def subcommands(command: Any) -> Any:
    """The commands of a group by name; none of a command that is no group."""
    return getattr(command, "commands", {})


# ------------------------------------------------------------------ what a command needs


@cache
def compose() -> dict[str, Any]:
    """The services of the server."""
    text = (paths.REPO / "docker-compose.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text)["services"])


@cache
def empty_run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the checkout, with nothing in its environment but PATH and HOME."""
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    return subprocess.run(
        command, cwd=paths.REPO, env=env, capture_output=True, text=True, check=False
    )


# what `python -m` runs of this project
MODULES = {"cdi_force": force.app, "cdi_proofs": proofs.app}


def check_cdi(arguments: list[str], is_complete: bool, app: typer.Typer = cli.app) -> None:
    """Let Typer parse the arguments, without running the command."""
    if arguments == ["placeholder"] and not is_complete:
        return  # any command
    command: Any = typer.main.get_command(app)
    context = None
    while hasattr(command, "commands"):
        assert arguments, "a subcommand is missing"
        name, *arguments = arguments
        assert name in command.commands, f"there is no command {name}"
        context = command.make_context(name, [], parent=context, resilient_parsing=True)
        command = command.commands[name]
    if is_complete:
        command.make_context(command.name, list(arguments), parent=context)
    else:  # a sentence names the command and leaves arguments out
        options = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in arguments if word.startswith("--")} <= options
        parsed = command.make_context(
            command.name, list(arguments), parent=context, resilient_parsing=True
        )
        assert not parsed.args, f"{command.name} does not take {parsed.args}"


def check_make(arguments: list[str]) -> None:
    """Let make say what it would run; each variable must be one of the Makefile."""
    makefile = (paths.REPO / "Makefile").read_text(encoding="utf-8")
    for name in (word.partition("=")[0] for word in arguments if "=" in word):
        assert re.search(rf"^{name} \?=", makefile, re.M), f"the Makefile has no variable {name}"
    done = empty_run("make", "--dry-run", *arguments)
    assert done.returncode == 0, done.stderr


def check_docker(arguments: list[str], is_complete: bool) -> None:
    """Service and command of `docker compose exec` and `run` must be there."""
    first, verb, *rest = arguments
    assert first == "compose"
    assert verb in {"build", "up", "ps", "exec", "run", "config", "restart"}
    if verb == "restart":
        assert set(rest) <= set(compose())
    if verb in {"exec", "run"}:
        while rest[0].startswith("-"):
            assert rest[0] in {"-T", "--rm", "--no-deps", "-e", "-v"}
            rest = rest[2 if rest[0] in {"-e", "-v"} else 1 :]
        service, *inside = rest
        assert service in compose()
        is_script = inside[:2] == ["sh", "-c"]
        commands = simple_commands(inside[2]) if is_script else [inside]
        for program, *given in map(without_redirections, commands):
            if program == "cdi":
                check_cdi(given, is_complete)
            elif [program, *given[:1]] == ["python", "-m"]:
                check_cdi(given[2:], is_complete, MODULES[given[1]])
            else:
                assert program in IN_IMAGE


def check(command: str, *, is_complete: bool = True) -> None:
    """Fail if a command, or what it names, does not exist."""
    program, *arguments = shlex.split(command)
    while setting := re.fullmatch(r"([A-Z_]+)=.*", program):  # for this command alone
        assert re.search(rf"\b{setting[1]}\b", paths.__doc__ or ""), f"no setting {setting[1]}"
        program, *arguments = arguments
    if program == CDI:
        check_cdi(arguments, is_complete)
    elif program == "make":
        check_make(arguments)
    elif program == "docker":
        check_docker(arguments, is_complete)
    elif program == ".venv/bin/python" and arguments[0] == "-m" and arguments[1] in MODULES:
        check_cdi(arguments[2:], is_complete, MODULES[arguments[1]])
    elif program in {".venv/bin/python", "python3"}:
        script = arguments[2] if arguments[:2] == ["-m", "pytest"] else arguments[0]
        assert (paths.REPO / script).is_file(), f"there is no {script}"
    elif program == ".venv/bin/uv":  # `make` puts it there
        assert arguments[:2] == ["pip", "install"]
        (lock,) = (word for word in arguments if word.startswith("requirements/"))
        assert (paths.REPO / lock).is_file(), f"there is no {lock}"
    else:
        assert program in SYSTEM, f"{program} does not exist"


# ------------------------------------------------------------------ the tests


def test_there_are_commands_to_look_at() -> None:
    commands = {command for _, command in fenced()}
    assert {"make run", "make test", "docker compose build", "echo 'from release;'"} <= commands
    for beginning in (
        f"{CDI} audit draw placeholder --auditor 1207",
        f"{CDI} erase placeholder placeholder --dry-run",
        "make shell",
        "make explain AGENCY=simulated CALL=placeholder",
        "docker compose exec -T scheduler tar -C /opt/cdi/var --exclude=./airflow",
        ".venv/bin/python bench/link_job.py",
    ):
        assert any(command.startswith(beginning) for command in commands), beginning
    assert len(commands) > 35
    assert {
        f"{CDI} decide",
        "make scorecard MONTHS=12",
        "docker compose run --rm scheduler python -m cdi_force",
    } <= {command for _, command in inline()}


@pytest.mark.parametrize(("page", "command"), sorted(set(fenced())))
def test_a_fenced_command_exists(page: str, command: str) -> None:
    check(command)


@pytest.mark.parametrize(("page", "command"), sorted(set(inline())))
def test_a_command_in_a_sentence_exists(page: str, command: str) -> None:
    check(command, is_complete=False)


@pytest.mark.parametrize(
    "command",
    [
        "cdi run",
        f"{CDI} walk",
        f"{CDI} audit walk",
        f"CDI_HOME=/srv/restored {CDI} walk",
        f"CDI_NONSENSE=1 {CDI} peers",
        f"{CDI} run --nonsense",
        f"{CDI} audit draw nopd --auditor 1 --logs many",
        f"{CDI} explain nopd",
        "make walk",
        "make run NONSENSE=1",
        ".venv/bin/python bench/nothing.py",
        "docker compose exec scheduler cdi walk",
        "docker compose exec scheduler sh -c 'cat > a.csv; cdi walk a.csv'",
        "docker compose restart nobody",
        "docker compose exec nobody python -m cdi_force",
        "$cdi run",
    ],
)
def test_what_does_not_exist_is_noticed(command: str) -> None:
    with pytest.raises((AssertionError, UsageError)):
        check(command)


def test_a_sentence_gives_a_command_no_argument_that_it_does_not_take() -> None:
    with pytest.raises(AssertionError, match="does not take"):
        check(f"{CDI} ui placeholder", is_complete=False)


def test_the_code_prints_only_commands_that_exist() -> None:
    known = subcommands(typer.main.get_command(cli.app))
    bare = re.compile(
        rf"(?<![\w./-])cdi (?:{'|'.join(known)})\b"
        r"|(?<!\.venv/bin/)python -m cdi|python -m cdi\b(?!_)"
    )
    printed = set()
    for file in SOURCES:
        text = file.read_text(encoding="utf-8")
        assert not bare.search(text), f"{file} prints a command that does not exist"
        for name, second, rest in PRINTED.findall(text):
            assert name in known, f"{file}: {name}"
            group = subcommands(known[name])
            assert not group or second in group, f"{file}: {name} {second}"
            command = group[second] if group else known[name]
            options = {"--help"} | {name for parameter in command.params for name in parameter.opts}
            named = set(re.findall(r"--[a-z][a-z-]+", rest))
            assert named <= options, f"{file}: {name} {second} {named - options}"
            printed.add(name)
    assert {"decide", "release", "explain", "audit", "erase"} <= printed


def test_code_says_how_a_command_is_typed_here() -> None:
    assert paths.CDI == CDI
    assert (paths.REPO / paths.CDI).is_file()


def test_the_image_has_the_command_on_its_search_path() -> None:
    script = tomllib.loads((paths.REPO / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(script["project"]["scripts"]) == {"cdi"}
    image = (paths.REPO / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^RUN pip install .*--editable /opt/cdi$", image, re.M)
    assert "PYTHONPATH" not in image


def test_each_block_says_what_it_is_and_no_command_stands_outside_one() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        labels = {label for label, _ in FENCE.findall(text)}
        assert labels <= {"sh", "sql", "python", "text", "nginx", "yaml"}, page.name
        outside = FENCE.sub("", text)
        assert not re.search(r"^ {4,}(make|cdi|docker|python3?|\.venv/\S+) ", outside, re.M), page


def test_the_command_line_runs_in_an_empty_environment() -> None:
    shown = empty_run(CDI, "--help")
    assert shown.returncode == 0, shown.stderr
    asked = empty_run(CDI, "check-agency", "--agency", "atlantis")
    assert (asked.returncode, asked.stdout) == (1, "")
    assert "choose one of austin, nopd, " in asked.stderr
