"""The guard: an ASGI application around another one that lets in only what it should.

    guard = Guard(settings, {"/predict": "predict", "/healthz": None, "/v2/*": "predict"})
    application = guard.around(app)

A route names the scope that a caller needs, None is public, `/*` at its end covers what lies below. What is not named
needs `admin`: a route that somebody forgot here is closed, not open.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from serve.guard import logs
from serve.guard.body import has_body, limited
from serve.guard.credential import credential_of
from serve.guard.exchange import ADMITTED, Application, Exchange, Receive, Scope, Send
from serve.guard.keys import SCOPES, Caller, Keys, KeysFile, parse
from serve.guard.limits import Buckets, who
from serve.guard.local import is_foreign
from serve.guard.refused import POLICY, SECURITY, STRICT, Header, Refused, forbidden, later, unknown
from serve.guard.room import Room
from serve.guard.settings import Limits, Settings

if TYPE_CHECKING:
    from serve.guard.tokens import Tokens

Address = tuple[str, int] | None
ANYBODY = frozenset(SCOPES)


class Guard:
    """Credentials, limits and the last word on errors, in front of an application.

    Raises SettingError when the keys cannot be read.
    """

    def __init__(
        self,
        settings: Settings,
        scopes_by_route: Mapping[str, str | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self._know(settings.limits, scopes_by_route)
        self._more = (*SECURITY, *([STRICT] if settings.tls_cert else []))
        self._keys: list[Keys | KeysFile] = []
        if settings.api_keys:
            self._keys.append(parse(settings.api_keys, "API_KEYS"))
        if settings.api_keys_file:
            self._keys.append(KeysFile(settings.api_keys_file, clock, _tell))
        self._tokens: Tokens | None = None
        if settings.oidc is not None:
            from serve.guard import tokens  # PyJWT and cryptography take memory and time to load

            self._tokens = tokens.Tokens(settings.oidc, _tell, clock)
        self._buckets = Buckets(self._limits.requests_per_second, self._limits.burst, clock)
        self._room = Room(settings.limits, settings.open == "loopback")
        self.counted: Callable[[Scope, int], None] = lambda *_: None  # told each answer that is the guard's own
        self.begin = self._room.enter  # gives a place to a request that `admit` let in; tells whether there was one

    @property
    def always(self) -> Sequence[Header]:
        """The headers of an answer that has no policy of its own, behind its id."""
        return (*self._more, POLICY)

    def _know(self, limits: Limits, scopes_by_route: Mapping[str, str | None]) -> None:
        self.scopes, self._limits = scopes_by_route, limits
        self._exact = {route: scope for route, scope in scopes_by_route.items() if not route.endswith("/*")}
        self._below = {route[:-1]: scope for route, scope in scopes_by_route.items() if route.endswith("/*")}

    def follow(self, limits: Limits, scopes_by_route: Mapping[str, str | None]) -> None:
        """Go by other limits and routes from now on; callers, tokens and what is under way stay known."""
        self.settings = replace(self.settings, limits=limits)
        self._know(limits, scopes_by_route)
        self._buckets.follow(limits.requests_per_second, limits.burst)
        self._room.follow(limits)

    def around(self, app: Application) -> Application:
        """Put the guard around an application."""

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                await app(scope, receive, send)
            elif scope["type"] == "http":
                await self._serve(app, scope, receive, send)

        return application

    async def _serve(self, app: Application, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        admitted: Exchange | None = scope.setdefault("state", {}).pop(ADMITTED, None)
        exchange = admitted or Exchange(headers, self._more)
        exchange.answer_by(send)
        try:
            needed = None if admitted else self._needs(scope["path"], exchange)
            if needed is not None:
                caller = self._caller(scope.get("client"), headers, scope["headers"])
                self._let_in(exchange, caller or await self._checked(headers, scope["headers"]), needed)
            scope["state"]["request_id"] = exchange.id.decode()
            receive = limited(receive, headers, self._limits.max_body_bytes)
            if needed is not None and has_body(headers):
                receive = self._room.through(receive, exchange)
            elif (needed is not None or admitted) and not exchange.placed:
                self._room.must_enter(exchange)
            await app(scope, receive, exchange.send)
            if exchange.broken:
                await exchange.apologise(None)
        except Refused as refused:
            if not exchange.status:
                self.counted(scope, refused.status)
                await exchange.refuse(refused)
        except Exception as error:  # whatever breaks is answered and logged here, without a traceback
            if not (exchange.status or exchange.broken):
                self.counted(scope, 500)
            await exchange.apologise(error)
        finally:
            self._room.leave(exchange)
        exchange.answered(self.settings.access_log)

    def admit(
        self, path: str, client: Address, headers: Mapping[bytes, bytes], pairs: Sequence[Header]
    ) -> Exchange | None:
        """Let a request in at once, until `leave`; None when it is not, or a token must be checked first.

        It has no place yet among those that are worked on; `begin` gives it one, when its body is whole.

        The application that `around` makes answers those, and asks nothing anew of one that is handed over to it, its
        exchange under ADMITTED.
        """
        exchange = Exchange(headers, self._more)
        try:
            needed = self._needs(path, exchange)
            caller = self._caller(client, headers, pairs)
            if needed is None or caller is None:
                return None
            self._let_in(exchange, caller, needed)
        except Refused:
            return None
        return exchange

    def at_work(self) -> bool:
        """Tell whether a request is worked on: one whose body is still on its way is not."""
        return self._room.taken

    def leave(self, exchange: Exchange) -> None:
        """Let a request go that is answered."""
        self._room.leave(exchange)
        exchange.answered(self.settings.access_log)

    def _let_in(self, exchange: Exchange, caller: Caller, needed: str) -> None:
        exchange.caller, exchange.holder = caller.shown, caller.name
        self._may(caller, needed)

    def _needs(self, path: str, exchange: Exchange) -> str | None:
        if path in self._exact:
            exchange.route = path
            return self._exact[path]
        for above, scope in self._below.items():
            if path.startswith(above):
                exchange.route = above + "*"
                return scope
        exchange.route = "other"
        return "admin"

    def _may(self, caller: Caller, needed: str) -> None:
        """Raise Refused when a caller lacks the scope, or asks too often."""
        if needed not in caller.scopes:
            raise forbidden(needed)
        if self.settings.open != "loopback":  # all callers of this machine have one address
            seconds = self._buckets.take(caller.name)
            if seconds:
                raise later(429, f"more than {self._limits.requests_per_second:g} requests a second", seconds)

    def _caller(self, client: Address, headers: Mapping[bytes, bytes], pairs: Sequence[Header]) -> Caller | None:
        """Say who asks; None when a token has to be checked. Raises Refused with 401, or 403 for a foreign web page."""
        if self.settings.open:
            if self.settings.open == "loopback" and is_foreign(headers):
                raise Refused(403, "a page of another origin asks; without a credential only this machine's may")
            return Caller(who(client[0] if client else ""), "", ANYBODY)
        credential, bearer = credential_of(headers, pairs)
        for keys in self._keys:
            caller = keys.find(credential)
            if caller is not None:
                return caller
        if bearer and self._tokens is not None:
            return self._tokens.known(credential)
        raise unknown("the key is not known")

    async def _checked(self, headers: Mapping[bytes, bytes], pairs: Sequence[Header]) -> Caller:
        """Say whose token a request shows, once it is checked. Raises Refused with 401."""
        if self._tokens is None:
            raise unknown("the key is not known")
        return await self._tokens.check(credential_of(headers, pairs)[0])


def _tell(sentence: str) -> None:
    logs.write("error", "credentials", message=sentence)
