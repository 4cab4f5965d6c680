"""What is wrong with a request, in one sentence."""

KINDS = ("json", "contract", "size", "media", "internal", "gone")  # of errors, as /metrics counts them


class BadRequest(Exception):
    """A request that breaks the contract: HTTP status, one sentence, field and row where they are known."""

    def __init__(self, status: int, sentence: str, field: str | None = None, row: int | None = None) -> None:
        super().__init__(sentence)
        self.status, self.field, self.row = status, field, row

    @property
    def kind(self) -> str:
        """The word by which /metrics counts it."""
        return {400: "json", 413: "size", 415: "media"}.get(self.status, "contract")


class Gone(Exception):
    """The client left before its request was whole: nobody is there to be answered."""
