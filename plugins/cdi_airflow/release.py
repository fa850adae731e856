"""Two tasks in which people release a failed check: one proposes with a reason, another confirms.

They wait in Airflow's *Required Actions* if the build was started with `wait_for_approval` and a
check failed; otherwise both succeed at once and ask nobody. What may be released, and for how much,
is decided by `cdi.quality.waivers`.
"""

from collections.abc import Collection
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowFailException

from cdi_airflow.notes import runs_at_force, write_note
from cdi_airflow.operators import outline_error

STOP = "Stop"


class _AskOperator(HITLOperator):
    """Waits for a person's answer about the failed checks of one private version."""

    template_fields: Collection[str] = (*HITLOperator.template_fields, "version")

    def __init__(self, *, agency: str, version: Any, answer: str, **kwargs: Any) -> None:
        # People may take their time. Airflow would also count the timeout of the other tasks as a
        # limit to this.
        super().__init__(options=[answer, STOP], execution_timeout=None, **kwargs)
        self.agency = agency
        self.version = version

    def execute(self, context: Any) -> Any:
        """Ask, unless no failed check is held: then the task is done.

        A skipped task would be pink on every good run.
        """
        from cdi.steps.build import read_held

        held = read_held(self.agency, self.version)
        if not held:
            self.log.info("all checks that can stop a version passed: nobody is asked")
            return None
        if runs_at_force(self):
            failures = ", ".join(sorted({h.rule_id for h in held}))
        else:
            failures = "\n".join(f"- **{h.rule_id}**: {h.told}" for h in held)
        self.body = (
            f"{self.body or ''}Version {self.version} of {self.agency} broke\n\n{failures}\n"
        )
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """Stop the run unless the person said yes.

        Returns:
            What was typed in, and `by`: the person's name in Airflow.
        """
        answer = super().execute_complete(context, event)
        by = str((answer["responded_by_user"] or {}).get("name", ""))
        if STOP in answer["chosen_options"]:
            told = f"{by} did not approve it"
            write_note(context, told, outline=told, of_run=True)
            raise AirflowFailException("the failure was not approved")
        return {**answer["params_input"], "by": by}


class ProposeRelease(_AskOperator):
    """Asks whether the failed checks should be released, and why."""

    def __init__(self, **kwargs: Any) -> None:
        """Ask for a reason."""
        why = Param(
            "",
            type="string",
            title="Reason",
            source="task",
            description="Why the version may be published anyway. The reason is published too.",
        )
        kwargs["params"] = {"reason": why}  # in place of the DAG's, which Airflow passes as well
        super().__init__(
            task_display_name="approve: only if a check failed",
            answer="Approve",
            subject="Approve a failed check?",
            **kwargs,
        )

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """Stop the run also if no reason was given."""
        proposal = super().execute_complete(context, event)
        if not proposal["reason"].strip():
            told = "no reason was given: clear this task and answer again"
            write_note(context, told, outline=told)
            raise AirflowFailException("no reason was given")
        return proposal


class ConfirmRelease(_AskOperator):
    """Asks another person to confirm, then writes the release down and repeats the check.

    Args:
        proposal: Output of `ProposeRelease`.
    """

    template_fields: Collection[str] = (*_AskOperator.template_fields, "proposal")

    def __init__(self, *, proposal: Any, **kwargs: Any) -> None:
        """Keep the proposal."""
        super().__init__(
            task_display_name="confirm: only if a check failed",
            answer="Confirm",
            subject="Confirm the approval, as another person",
            **kwargs,
        )
        self.proposal = proposal

    def execute(self, context: Any) -> Any:
        """Ask, and say who proposed it and why."""
        if self.proposal:
            self.body = f"{self.proposal['by']} proposes: {self.proposal['reason']}\n\n"
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> None:
        """Release the failed checks and check again.

        Raises:
            AirflowFailException: If both are one person, or a rule may never be released.
        """
        from cdi.errors import CdiError
        from cdi.steps.build import release_and_check

        second = super().execute_complete(context, event)["by"]
        reason, by = self.proposal["reason"], self.proposal["by"]
        try:
            step = release_and_check(self.agency, self.version, reason, by, second)
        except CdiError as error:
            write_note(context, str(error), outline=outline_error(error.rule_id), of_run=True)
            raise AirflowFailException(str(error)) from error
        told = f"released by {by} and {second}: {reason}"
        write_note(context, f"{told}\n{step.note}", outline=f"{told}\n{step.outline}")
