"""Another machine, reached by the ssh program: its engine's socket and its ports, as if they were here.

Who may log in, by which key, and which host key is known is ssh's own business (~/.ssh/config, known_hosts, an agent);
SSH_CONFIG names another file of its settings. Nothing is asked at a terminal: what ssh would ask is refused. A tunnel
ends with the process that opened it, however that ends, since the far end waits for its input.
"""

import atexit
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from infra import process
from validation.script import OutsideError, Refusal

SOCKET = "/var/run/docker.sock"  # of the engine there, where the address names no other
LOGIN_SECONDS = 20.0
KEPT = 30  # seconds of silence after which the other end is asked whether it is still there
REFUSED = re.compile(
    r"^.*(host key|permission denied|could not resolve|refused|timed out|no route|unreachable|identification|forward)"
    r".*$",
    re.IGNORECASE | re.MULTILINE,
)


class Machine:
    """A machine that ssh logs in to, by an address as ssh://user@host:22/run/user/1000/docker.sock."""

    def __init__(self, address: str) -> None:
        parts = _parts(address)
        self.name = _name(parts)
        self.destination = f"{parts.username}@{self.name}" if parts.username else self.name
        self._port = ["-p", str(parts.port)] if parts.port else []
        self._remote = parts.path if parts.path.strip("/") else SOCKET
        self._folder = Path(tempfile.mkdtemp(prefix="ssh-"))  # nobody else may enter it
        self._tunnel: subprocess.Popen[bytes] | None = None
        self._ports: dict[tuple[str, int], int] = {}
        atexit.register(self.close)

    def engine(self) -> str:
        """Log in, and return the address of the engine's socket here. Raises OutsideError with ssh's own reason."""
        socket, said = self._folder / "engine", self._folder / "said"
        with said.open("wb") as output:
            self._tunnel = subprocess.Popen(
                [*self._ssh("-M", "-L", f"{socket}:{self._remote}", "-T"), self.destination, "cat"],
                stdin=subprocess.PIPE,  # closed when this process is gone, and `cat` ends
                stdout=subprocess.DEVNULL,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for us: what is taken back then still needs the tunnel
            )
        up = process.wait(
            lambda: socket.exists() or self._tunnel is None or self._tunnel.poll() is not None, LOGIN_SECONDS
        )
        if not up or not socket.exists():
            text = said.read_text(errors="replace")
            self.close()
            raise OutsideError(f"ssh to {self.destination} failed: {_reason(text)}")
        return f"unix://{socket}"

    def reach(self, port: int, address: str = "127.0.0.1") -> int:
        """Return a port here that leads to a port of an address of that machine's own. Raises OutsideError."""
        if (address, port) not in self._ports:
            with process.listen(0) as listener:
                here = process.port_of(listener)
            ends = f"127.0.0.1:{here}:{address}:{port}"
            done = subprocess.run(
                [*self._ssh("-O", "forward", "-L", ends), self.destination], capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise OutsideError(f"ssh to {self.destination} gives no way to port {port}: {_reason(done.stderr)}")
            self._ports[address, port] = here
        return self._ports[address, port]

    def close(self) -> None:
        """Log out."""
        if self._tunnel is not None and self._tunnel.stdin is not None:
            self._tunnel.stdin.close()
            try:
                self._tunnel.wait(5)
            except subprocess.TimeoutExpired:
                self._tunnel.kill()
                self._tunnel.wait()
        self._tunnel = None
        self._ports.clear()
        shutil.rmtree(self._folder, ignore_errors=True)
        atexit.unregister(self.close)

    def _ssh(self, *more: str) -> list[str]:
        told = {
            "BatchMode": "yes",
            "ControlPath": quoted(str(self._folder / "control")),
            "ControlPersist": "no",
            "ExitOnForwardFailure": "yes",
            "ServerAliveInterval": str(KEPT),
            "ConnectTimeout": str(int(LOGIN_SECONDS / 2)),
        }
        config = ["-F", os.environ["SSH_CONFIG"]] if os.environ.get("SSH_CONFIG") else []
        return [
            "ssh",
            *config,
            *(part for name, text in told.items() for part in ("-o", f"{name}={text}")),
            *self._port,
            *more,
        ]


def quoted(value: str) -> str:
    """Write a value as ssh's settings want it: a path may have spaces in it, and signs that mean something else."""
    return '"' + value.replace("%", "%%") + '"'


def _parts(address: str) -> SplitResult:
    """Take an address apart. Raises Refusal; a name that begins with a dash would be an option of ssh."""
    fault = Refusal(f"DOCKER_HOST={address}: an address by ssh is ssh://user@host, or ssh://user@host:22/path/of.sock")
    try:
        parts = urlsplit(address)
        unsafe = not parts.hostname or (parts.port or 22) < 1 or bool(parts.password or parts.query or parts.fragment)
    except ValueError:
        raise fault from None
    if unsafe or any((name or "a").startswith("-") for name in (parts.hostname, parts.username)):
        raise fault
    return parts


def _name(parts: SplitResult) -> str:
    """Return the machine's name as it was written: ssh's settings tell capitals apart, and urlsplit does not."""
    written = parts.netloc.rpartition("@")[2]
    return written.partition("]")[0].lstrip("[") if written.startswith("[") else written.partition(":")[0]


def _reason(text: str) -> str:
    """Pick out of what ssh said the line that tells why."""
    found = [match.group().strip() for match in REFUSED.finditer(text)]
    lines = found or [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else f"it did not answer within {LOGIN_SECONDS:g} s"
