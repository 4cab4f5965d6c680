"""The words of config.py for where the registry is kept (stdlib only)."""

from dataclasses import dataclass

from validation.words.columns import require, text


@dataclass(frozen=True)
class Registry:
    """The branch on which the embedded registry outlives a run: its name, the largest file it takes, tries to push."""

    branch: str
    max_file_bytes: int
    tries: int

    def __post_init__(self) -> None:
        require(
            text(self.branch) and all(part and part[0].isalnum() for part in self.branch.split("/"))
            and all(c.isalnum() or c in "-_./" for c in self.branch) and ".." not in self.branch,
            f"Registry: {self.branch!r} is no name of a branch",
        )  # fmt: skip
        require(self.branch not in ("main", "master"), "Registry: the branch must be one of its own, not the code's")
        require(
            type(self.max_file_bytes) is int and 1_000_000 <= self.max_file_bytes <= 100_000_000,
            "Registry: max_file_bytes must be from 1,000,000 to 100,000,000; the platform refuses larger files",
        )
        require(type(self.tries) is int and 1 <= self.tries <= 100, "Registry: tries must be from 1 to 100")
