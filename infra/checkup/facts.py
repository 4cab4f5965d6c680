"""What the platform and this tree told, as the checks read it: recorded once, then only looked at (stdlib only)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from infra.checkup.answer import Answer, code, unseen

Kind = TypeVar("Kind")
OFFLINE, FAILED = 0, 599  # statuses of ours: nobody was or could be asked; the platform gave no answer
LAPTOP = f"on a laptop, as an administrator: {code('gh auth login')}, then {code('make doctor')}"
LOGIN = f"install [gh](https://cli.github.com), {code('gh auth login')}"
ADMINISTRATOR = f"let an administrator of the repository run {code('make doctor')}"


class Hidden(Exception):
    """A fact that cannot be seen; it carries the answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.text)
        self.answer = answer


@dataclass(frozen=True)
class Reply:
    """One reply of the platform."""

    status: int
    content: Any = None

    @property
    def upgrade(self) -> bool:
        """Whether the plan does not offer what was asked for."""
        return self.status == 403 and str(peek(self.content, "message")).startswith("Upgrade to")


@dataclass(frozen=True)
class Here:
    """What this tree and this environment say themselves."""

    repository: str = ""  # owner/name
    job: bool = False  # a job of the platform, and not a laptop
    workflows: Mapping[str, str] = field(default_factory=dict)  # texts by file name
    actions: tuple[str, ...] = ()  # owner/name@commit
    owners: str | None = None  # the text of CODEOWNERS
    branch: str = "ml-registry"
    server: tuple[bool, bool, bool] = (False, False, False)  # address, user, password: which of them are set here


@dataclass(frozen=True)
class Facts:
    """Replies by name, beside what is known here; `silent`: why nobody could be asked, and the fix."""

    here: Here
    replies: Mapping[str, Reply] = field(default_factory=dict)
    silent: tuple[str, str] = ("it was not asked for", "")

    def reply(self, name: str, *statuses: int) -> Reply:
        """Return a reply of status 200, or of one of `statuses`.

        Raises Hidden for any other.
        """
        reply = self.replies.get(name, Reply(OFFLINE))
        if reply.status == 200 or reply.status in statuses:
            return reply
        raise Hidden(self._hidden(reply))

    def seen(self, name: str, kind: type[Kind]) -> Kind:
        """Return the content of a reply of status 200. Raises Hidden."""
        return of_kind(self.reply(name).content, kind, name)

    def _hidden(self, reply: Reply) -> Answer:
        if reply.status == OFFLINE:
            return (
                unseen(str(reply.content), "run it where there is a network") if reply.content else unseen(*self.silent)
            )
        if reply.status == 401:
            return unseen("the platform refuses the token", LOGIN)
        if reply.status == 301:
            return unseen("the repository has another name by now", code("git remote set-url origin ADDRESS"))
        if reply.status in (403, 404):
            return unseen("this token may not see it", LAPTOP if self.here.job else ADMINISTRATOR)
        said = reply.content if reply.status == FAILED else f"the platform answered with status {reply.status}"
        return unseen(str(said), "run it again", failed=True)


def of_kind(value: Any, kind: type[Kind], name: str) -> Kind:
    """Return a value that is of a kind. Raises Hidden: the platform does not answer as it documents."""
    if not isinstance(value, kind):
        raise Hidden(unseen(f"the platform's answer has no proper {name}", "run it again", failed=True))
    return value


def entry(value: Any, name: str, kind: type[Kind]) -> Kind:
    """Return an entry of an object. Raises Hidden as `of_kind` does."""
    return of_kind(of_kind(value, dict, name).get(name), kind, name)


def entries(value: Any, name: str = "") -> list[dict[str, Any]]:
    """Return a list of objects, itself or as an entry of an object. Raises Hidden as `of_kind` does."""
    found = entry(value, name, list) if name else of_kind(value, list, "list")
    return [of_kind(one, dict, name or "list") for one in found]


def peek(value: Any, *names: str) -> Any:
    """Return what may be absent, by the way to it; None where there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def words(value: Any) -> list[str]:
    """Return a list that may be absent as texts."""
    return [str(one) for one in value] if isinstance(value, list) else []
