"""Report of a redrive, for a person or for a program."""

import sys

from carteiro.cli.dead.plan import RedrivePlan
from carteiro.cli.dead.redrive import RedriveResult
from carteiro.cli.dead.table import print_dead_letters
from carteiro.cli.json_lines import print_json
from carteiro.cli.plural import pluralise


class RedriveReport:
    """Report for a person. Warnings go to standard error in any case."""

    def __init__(self, plan: RedrivePlan) -> None:
        self._plan = plan

    def print_skipped(self, max_redrives: int) -> None:
        """Print the dead letters that are skipped, before any is sent."""
        plan = self._plan
        if plan.already_redriven:
            self._print_line(f"{plan.already_redriven} already redriven: skipped")
        if plan.over_limit:
            self._print_line(
                f"{plan.over_limit} skipped, redriven {pluralise(max_redrives, 'time')} or more and failed again "
                "(--max-redrives)"
            )
        if plan.unrecordable:
            _warn(
                f"{plan.unrecordable} of these will show as waiting again, and be sent again by the next redrive: "
                "too many dead letters before them are left waiting. Redrive the older ones first, or all"
            )

    def print_plan(self) -> None:
        """Print the plan, if nothing is sent."""
        if not len(self._plan):
            self._print_line("nothing to redrive")
            return
        print_dead_letters(self._plan.rows)
        self._print_line(f"would redrive {self._plan.destinations()}")

    def print_result(self, result: RedriveResult) -> None:
        """Print the result, after any end of the redrive."""
        for dead_letter, reason in result.refused.items():
            print(f"carteiro: {dead_letter} is rejected by the topic: {reason}", file=sys.stderr)
        self._print_totals(result)
        if (unforeseen := result.unrecorded - self._plan.unrecordable) > 0:
            _warn(
                f"{unforeseen} of these will show as waiting again, and be sent again by the next redrive: "
                "the broker keeps too little with a commit (the embedded one keeps only the offset)"
            )

    def _print_totals(self, result: RedriveResult) -> None:
        if result.already_redriven:
            self._print_line(f"{result.already_redriven} were redriven by another command meanwhile")
        self._print_line(f"{result.sent} of {len(self._plan)} redriven")

    def _print_line(self, line: str) -> None:
        print(line)


class JsonRedriveReport(RedriveReport):
    """Report with the result as one JSON object on standard output, and the lines on standard error."""

    def print_plan(self) -> None:
        if not len(self._plan):
            self._print_line("nothing to redrive")
        for row in self._plan.rows:
            print_json({"id": row.id, "would_redrive": True})
        self._print_json(RedriveResult())

    def _print_totals(self, result: RedriveResult) -> None:
        self._print_json(result)

    def _print_json(self, result: RedriveResult) -> None:
        plan = self._plan
        topics = {batch.requests_topic: len(batch) for batch in plan.task_redrives}
        print_json(
            {"chosen": len(plan), "to": topics, "redriven": result.sent, "refused": result.refused}
            | {
                "already": plan.already_redriven + result.already_redriven,
                "worn": plan.over_limit,
                "forgotten": max(result.unrecorded, plan.unrecordable),
            }
        )

    def _print_line(self, line: str) -> None:
        print(line, file=sys.stderr)


def _warn(text: str) -> None:
    print(f"carteiro: warning: {text}", file=sys.stderr)
