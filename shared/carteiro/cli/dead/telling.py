"""What a redrive says of itself: to a person, or to a program."""

import sys

from carteiro.cli.dead.listing import print_letters
from carteiro.cli.dead.plan import Plan
from carteiro.cli.dead.redriving import Redriven
from carteiro.cli.json_lines import print_json


class Telling:
    """Lines for a person. Warnings go to standard error, whoever reads the rest."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def left(self, max_redrives: int) -> None:
        """Which letters are left alone, before any is sent."""
        plan = self._plan
        if plan.already:
            self._say(f"{plan.already} already redriven: left")
        if plan.worn:
            self._say(f"{plan.worn} left, redriven {max_redrives} times or more and given up again (--max-redrives)")
        if plan.unsure:
            _warn(
                f"{plan.unsure} of these will show as waiting again, and be sent again by the next redrive: too many "
                "letters before them are left waiting. Redrive the older ones first, or all"
            )

    def planned(self) -> None:
        """What would be sent, where nothing is."""
        if not len(self._plan):
            self._say("nothing to redrive")
            return
        print_letters(self._plan.rows)
        self._say(f"would redrive {self._plan.where()}")

    def done(self, done: Redriven) -> None:
        """What was sent, however the redrive ended."""
        for letter, reason in done.refused.items():
            print(f"carteiro: {letter} is not taken: {reason}", file=sys.stderr)
        self._sum(done)
        if (unforeseen := done.forgotten - self._plan.unsure) > 0:
            _warn(
                f"{unforeseen} of these will show as waiting again, and be sent again by the next redrive: "
                "the broker keeps too little with a commit (the embedded one keeps the offset alone)"
            )

    def _sum(self, done: Redriven) -> None:
        if done.already:
            self._say(f"{done.already} were redriven by somebody else meanwhile")
        self._say(f"{done.sent} of {len(self._plan)} redriven")

    def _say(self, line: str) -> None:
        print(line)


class PlainTelling(Telling):
    """The same with the outcome as one JSON object on standard output, and the lines on standard error."""

    def planned(self) -> None:
        if not len(self._plan):
            self._say("nothing to redrive")
        for row in self._plan.rows:
            print_json({"id": row.id, "would_redrive": True})
        self._outcome(Redriven())

    def _sum(self, done: Redriven) -> None:
        self._outcome(done)

    def _outcome(self, done: Redriven) -> None:
        plan = self._plan
        topics = {batch.requests: len(batch) for batch in plan.batches}
        print_json(
            {"chosen": len(plan), "to": topics, "redriven": done.sent, "refused": done.refused}
            | {"already": plan.already + done.already, "worn": plan.worn, "forgotten": max(done.forgotten, plan.unsure)}
        )

    def _say(self, line: str) -> None:
        print(line, file=sys.stderr)


def _warn(text: str) -> None:
    print(f"carteiro: warning: {text}", file=sys.stderr)
