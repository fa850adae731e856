"""Operators that run the steps of `cdi.steps`, write notes, and say clearly why they failed."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTimeout,
)

from cdi.clock import day_and_time
from cdi_airflow.notes import runs_at_force, write_note
from cdi_airflow.pools import pool_of

if TYPE_CHECKING:
    from cdi.errors import CdiError
    from cdi.sources.access import Access
    from cdi.steps.step import Step


ASK_AGAIN = timedelta(minutes=5)  # so often is asked for files that are late
EVENT = "event"  # the key of the XCom with what a step made


class StepOperator(BaseOperator):
    """Runs a step of `cdi.steps` by its name.

    The step's note becomes the task's note. If a step has nothing to do, its task is skipped, and
    so are the tasks after it. An expected error (`cdi.errors.CdiError`) fails the task without
    retry, since the same input would fail again. Other errors are retried as the DAG says, and so
    are `cdi.errors.BusyError`, as another process is working on the same thing, and
    `cdi.errors.MachineError`, e.g. a full disk.

    Args:
        step: Module and function in `cdi.steps`, e.g. `build.check_marts`.
        arguments: Its arguments (templated); blank texts are passed as None.
        tells_run: Whether the note is that of the DAG run as well.
    """

    template_fields: Sequence[str] = ("arguments",)

    def __init__(
        self, *, step: str, arguments: dict[str, Any], tells_run: bool = False, **kwargs: Any
    ) -> None:
        """Keep what to call; nothing is imported before the task runs."""
        super().__init__(**kwargs)
        self.step = step
        self.arguments = arguments
        self.tells_run = tells_run

    def call(self) -> "Callable[[], Step]":
        """Give the step, bound to its arguments."""
        import functools
        from importlib import import_module

        module, function = self.step.split(".")
        step = getattr(import_module(f"cdi.steps.{module}"), function)
        arguments = {name: value or None for name, value in self.arguments.items()}
        if (as_of := arguments.get("as_of")) is not None:
            arguments["as_of"] = parse_moment(as_of)
        return functools.partial(step, **arguments)

    def wait_instead(self, context: Any, error: "CdiError") -> None:
        """Defer the task rather than fail; by default it does not."""

    def tell_timeout(self) -> str:
        """Say that the task took too long."""
        return (
            f"[TASK-TIMEOUT] it was not done within {self.execution_timeout}\n"
            "  Next step: find out whether the source or the disk hangs; if the work needs so "
            "long, give more `task_hours` in agency.yaml"
        )

    def execute(self, context: Any) -> str | None:
        """Run the step.

        Returns:
            The name of what the step made, for the next task.

        Raises:
            AirflowFailException: On an expected error, with its rule id and next step.
            AirflowSkipException: If there was nothing to do.
            AirflowTaskTimeout: If it took too long.
        """
        from cdi.errors import BusyError, CdiError, MachineError, name_machine_failures
        from cdi.scratch import keep_private

        keep_private()
        try:
            with name_machine_failures():
                step = self.call()()
        except (BusyError, MachineError) as error:
            # only then does the run fail, and its note says why
            is_last = context["ti"].try_number > context["ti"].max_tries
            outline = outline_error(error.rule_id)
            write_note(context, str(error), outline=outline, of_run=is_last)
            raise
        except AirflowTaskTimeout:
            told = self.tell_timeout()
            write_note(context, told, outline=told, of_run=True)
            raise
        except CdiError as error:
            self.wait_instead(context, error)
            # the run's note says why it failed
            write_note(context, str(error), outline=outline_error(error.rule_id), of_run=True)
            raise AirflowFailException(str(error)) from error
        self.log.info("%s", step.note)
        write_note(context, step.note, outline=step.outline, of_run=self.tells_run)
        if not step.is_new:
            raise AirflowSkipException(step.note)
        if step.event and not runs_at_force(self):
            context["ti"].xcom_push(key=EVENT, value=dict(step.event))
            tell_events(self, context, step.event)
        return step.result


class BrokenAgencyOperator(BaseOperator):
    """The one task of a DAG that stands in for those of a broken agency; it fails and says why.

    Args:
        why: What is wrong, and the next step.
    """

    def __init__(self, *, why: str, **kwargs: Any) -> None:
        """Keep what to say."""
        super().__init__(**kwargs)
        self.why = why

    def execute(self, context: Any) -> None:
        """Say what is wrong.

        Raises:
            AirflowFailException: Always.
        """
        write_note(context, self.why, outline=self.why, of_run=True)
        raise AirflowFailException(self.why)


class ExtractOperator(StepOperator):
    """Extracts one dataset of an agency for one data interval.

    A scheduled run waits for files that are late, as long as agency.yaml says, and holds no slot of
    a worker meanwhile: the task is deferred to the triggerer. Other runs fail at once.

    Args:
        agency: Name of the agency.
        dataset: Name of the dataset.
        connection: Airflow connection of the source; None if it needs none.
        wait_hours: So long after the interval's end files may still come; None if nobody waits.

    The interval is the run's own, unless the DAG's params name another.
    """

    template_fields: Sequence[str] = ("arguments", "interval_start", "interval_end")

    def __init__(
        self,
        *,
        agency: str,
        dataset: str,
        connection: str | None,
        wait_hours: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Keep what to extract."""
        if connection is not None:
            kwargs["pool"] = pool_of(connection)
        super().__init__(
            step="extract.extract", arguments={"agency": agency, "dataset": dataset}, **kwargs
        )
        self.connection = connection
        self.wait_hours = wait_hours
        self.interval_start = "{{ params.interval_start or data_interval_start.isoformat() }}"
        self.interval_end = "{{ params.interval_end or data_interval_end.isoformat() }}"

    def wait_instead(self, context: Any, error: "CdiError") -> None:
        """Defer the task if its files are late and may still come.

        Raises:
            TaskDeferred: To ask again after `ASK_AGAIN`.
        """
        if self.wait_hours is None or error.rule_id != "SRC-NOT-FOUND":
            return
        until = parse_moment(self.interval_end) + timedelta(hours=self.wait_hours)
        now = datetime.now(UTC)
        if context["dag_run"].run_type != "scheduled" or now >= until:
            return
        waiting = f"waiting until {day_and_time(until)} UTC, as files are late"
        write_note(context, f"{waiting}: {error}", outline=waiting)
        self.defer(
            trigger=DateTimeTrigger(moment=min(now + ASK_AGAIN, until)), method_name="ask_again"
        )

    def ask_again(self, context: Any, event: Any = None) -> str | None:
        """Run the step again after the wait; `event` is the trigger's, and says nothing."""
        return self.execute(context)

    def access(self) -> "Access | None":
        """Read the connection; None without one. Airflow masks its secrets in all logs."""
        if self.connection is None:
            return None
        from airflow.sdk import BaseHook

        from cdi.sources.access import Access

        connection = BaseHook.get_connection(self.connection)
        return Access(
            kind=connection.conn_type or "",
            host=connection.host,
            port=connection.port,
            login=connection.login,
            password=connection.password,
            database=connection.schema,
            extra=connection.extra_dejson,
            connection=self.connection,
        )

    def call(self) -> "Callable[[], Step]":
        """Give the extraction, bound to its interval and to how its source is reached."""
        import functools

        from cdi.agency.interval import Interval
        from cdi.steps.extract import extract

        interval = Interval(parse_moment(self.interval_start), parse_moment(self.interval_end))
        return functools.partial(extract, **self.arguments, interval=interval, access=self.access())


class AnyNewOperator(BaseOperator):
    """The last task of a run with several parts; it succeeds if one of the tasks before it did.

    Otherwise the run has made nothing. Then this task is skipped, so that it triggers no other DAG,
    and the run's note says why.

    Args:
        otherwise: The note of a run that has made nothing.
    """

    def __init__(self, *, otherwise: str, **kwargs: Any) -> None:
        """Keep what to say; all parts may be skipped, and none may have failed."""
        super().__init__(trigger_rule="none_failed", **kwargs)
        self.otherwise = otherwise

    def execute(self, context: Any) -> None:
        """Ask Airflow for the states of the tasks before it.

        Raises:
            AirflowSkipException: If all tasks before it were skipped.
        """
        ti = context["ti"]
        states = ti.get_task_states(
            dag_id=ti.dag_id, run_ids=[ti.run_id], task_ids=sorted(self.upstream_task_ids)
        )
        if "success" not in states[ti.run_id].values():
            write_note(context, self.otherwise, outline=self.otherwise, of_run=True)
            raise AirflowSkipException(self.otherwise)
        if not runs_at_force(self):
            tasks = sorted(self.upstream_task_ids)
            made = zip(tasks, ti.xcom_pull(task_ids=tasks, key=EVENT) or (), strict=False)
            events = {task.partition(".")[0]: event for task, event in made if event}
            tell_events(self, context, events)
            # A run that failed and was cleared would otherwise keep the note of its failure.
            lines = [f"- {task}: {_write_event(event)}" for task, event in events.items()]
            told = "\n".join([f"new: {', '.join(events)}", *lines])
            write_note(context, told, outline=told, of_run=True)


def _write_event(event: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}"
        for name, value in event.items()
    )


def tell_events(task: BaseOperator, context: Any, content: Mapping[str, Any]) -> None:
    """Write into the event of each asset that a task makes what it made.

    Tasks at a force's own worker do not: where their data stays, so do rate and rows.
    """
    for asset in task.outlets:
        context["outlet_events"][asset].extra.update(content)


def outline_error(rule_id: str) -> str:
    """Say of an error what may leave a force: its text may name files, people or what they said."""
    return f"[{rule_id}] the log of this task, at the force, says what is wrong and what to do"


def parse_moment(text: str) -> datetime:
    """Read a moment in ISO 8601 form; without an offset it is in UTC."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
