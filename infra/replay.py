"""Shadow mode: requests are sent to the canary, and the same ones to stable, and no user gets their answers.

The canary's answers are held against what its bundle's own model gives for the same rows. So no shift has to be
expected of them, as it is of the requests of users: whatever the rows are, it is known what each of them should give.
What no answer comes to within TIMEOUT has failed. Where either side says that it is asked too often (429), both are
left alone for as long as it says, and the row is not counted. A stable that hangs, or that alone is too slow for enough
rows to come in time, is asked no more.
"""

import asyncio
import time
from itertools import chain, islice
from pathlib import Path
from typing import Any

import httpx

from infra.baking.heard import Heard, Replayed, reason_to_leave
from infra.baking.rows import Row, made_up, recorded
from serve.bundle import BundleError
from serve.model import Model
from serve.rows import BadRequest, Rows
from serve.smoke import credential, difference
from validation.contract import Deploy
from validation.script import Refusal, log

TIMEOUT = 10.0  # seconds; callers have long given up
LONGEST_PAUSE = 30.0  # seconds that a 429 is waited for


class Replay:
    """Replays up to DEPLOY.replay_requests rows: those of a recorded file, if one is named, then made-up ones.

    `canary` and `stable` are the addresses that the services answer at themselves; `bundle` is the canary's. Raises
    Refusal when the bundle or the file cannot be read.
    """

    def __init__(
        self, bundle: Path, canary: str, stable: str | None, deploy: Deploy, seed: int, file: Path | None = None
    ) -> None:
        try:
            self._model = Model(bundle / "model")
        except BundleError as error:
            raise Refusal(str(error)) from None
        self._contract = Rows(self._model.inputs, 1)
        kept = recorded(file, self._contract.names) if file else iter(())
        self._rows = islice(chain(kept, made_up(bundle / "model", seed)), deploy.replay_requests)
        self._deploy = deploy
        self._sides = [Heard(url.rstrip("/")) for url in (canary, stable) if url]
        self._compared = self._unlike = self._skipped = 0
        self._said = self._wrong = ""
        self._left: list[Row] = []
        self._resumes = 0.0  # before this moment of the clock a side wants to be left alone
        self._next = 0.0  # before this moment of the clock nobody is asked

    def __call__(self, seconds: float) -> Replayed:
        """Send for so many seconds; return all that has come back so far.

        Raises Refusal when a side does not know the credential.
        """
        most = max(1, round(seconds * self._deploy.replay_per_second))
        rows = [*self._left, *islice(self._rows, most - len(self._left))]
        self._left = asyncio.run(self._send(rows, self._wanted(rows), seconds))
        if self._wrong:
            raise Refusal(self._wrong)
        canary, *stable = (side.settle() for side in self._sides)
        if not rows and self._skipped:
            log(f"infra.replay: {self._skipped} rows are not counted, since a side was asked too often (429)")
        known = (self._compared, self._unlike, self._said)
        aside = next((side.aside for side in self._sides if side.aside), "")
        taken = ", ".join(
            f"{name} in {side.taken:.1f} s" for name, side in zip(("canary", "stable"), self._sides, strict=False)
        )
        return Replayed(canary, stable[0] if stable else None, *known, not rows, self._skipped, aside, taken)

    def _wanted(self, rows: list[Row]) -> list[list[float] | None]:
        """Score rows by the bundle's own model; None for one that breaks its contract."""
        values: list[Any] = []
        for row in rows:
            try:
                values.append([column[0] for column in self._contract.from_rows([row], "rows")])
            except BadRequest:
                values.append(None)
        kept = [each for each in values if each is not None]
        outputs = iter(self._model.run(self._model.feeds(list(zip(*kept, strict=True)))).tolist() if kept else ())
        return [None if each is None else next(outputs) for each in values]

    async def _send(self, rows: list[Row], wanted: list[list[float] | None], seconds: float) -> list[Row]:
        """Send rows, one at least, never faster than DEPLOY says; return those for which there was no time."""
        end, sent = time.monotonic() + seconds, 0
        free = asyncio.Semaphore(self._deploy.replay_at_once)
        settings: dict[str, Any] = {"headers": credential(), "timeout": TIMEOUT, "trust_env": False}
        async with httpx.AsyncClient(**settings) as client, asyncio.TaskGroup() as tasks:
            for row, outputs in zip(rows, wanted, strict=True):
                await free.acquire()
                while (now := time.monotonic()) < min(self._resumes, end):
                    await asyncio.sleep(min(self._resumes, end) - now)
                if now < self._resumes:
                    break
                while (wait := self._next - time.monotonic()) > 0:
                    await asyncio.sleep(wait)
                if self._wrong or (sent and time.monotonic() > end):
                    break
                self._next = time.monotonic() + 1 / self._deploy.replay_per_second
                task = tasks.create_task(self._ask(client, row, outputs))
                task.add_done_callback(lambda _: free.release())
                sent += 1
        return rows[sent:]

    async def _ask(self, client: httpx.AsyncClient, row: Row, wanted: list[float] | None) -> None:
        """Ask all sides for one row at once, and count what comes back."""
        canary, *stable = self._sides
        sides = [canary, *(side for side in stable if not side.aside)]
        answers = await asyncio.gather(*(self._asked(client, side, row) for side in sides))
        pauses = [_pause(answer) for answer, _ in answers if answer is not None and answer.status_code == 429]
        if pauses:
            self._skipped += 1
            self._resumes = max(self._resumes, time.monotonic() + max(pauses))
            return
        for side, (answer, seconds) in zip(sides, answers, strict=True):
            side.take(None if answer is None else answer.status_code, seconds)
        for side in stable:
            if not side.aside and (reason := reason_to_leave(side, canary, self._deploy)):
                side.aside = reason
                log(f"infra.replay: {reason}")
        answer = answers[0][0]
        if wanted is not None and answer is not None and answer.status_code == 200:
            self._compared += 1
            if why := difference(_prediction(answer), wanted, self._model.target):
                self._unlike += 1
                self._said = self._said or f"one of {self._compared} {why}"

    async def _asked(self, client: httpx.AsyncClient, side: Heard, row: Row) -> tuple[httpx.Response | None, float]:
        began = time.perf_counter()
        try:
            answer: httpx.Response | None = await client.post(f"{side.url}/predict", json=row)
            side.hung = 0
        except httpx.HTTPError as error:
            answer = None
            side.hung = side.hung + 1 if isinstance(error, httpx.TimeoutException) else 0
        if answer is not None and answer.status_code in (401, 403):
            self._wrong = (
                f"{side.url}/predict answers {answer.status_code}: SERVICE_KEY needs a key with the scope predict"
            )
        return answer, time.perf_counter() - began


def _pause(answer: httpx.Response) -> float:
    told = answer.headers.get("retry-after", "")
    return min(float(told) if told.isdigit() else 1.0, LONGEST_PAUSE)


def _prediction(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()["prediction"]
    except (ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}
