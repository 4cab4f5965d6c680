"""What is wrong with a request, in one sentence."""

import codecs

# What begins a body that is something else than JSON in UTF-8, and what its sender did
BEGINS = {
    b"\x1f\x8b": "it is compressed by gzip; send it as it is",
    b"\x28\xb5\x2f\xfd": "it is compressed by zstd; send it as it is",
    codecs.BOM_UTF8: "it begins with a byte order mark; send it without",
    **dict.fromkeys((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, b"{\0", b"\0"), "it is in UTF-16 or UTF-32; send UTF-8"),
}
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


def no_json(body: bytes, error: Exception) -> BadRequest:
    """Say why a body could not be parsed, by how it begins or else by the parser's words."""
    if isinstance(error, UnicodeDecodeError):
        why = "a text in it is not in UTF-8"
    else:
        why = next((said for begin, said in BEGINS.items() if body.startswith(begin)), str(error))
    return BadRequest(400, f"the body is no JSON: {why}")


class Gone(Exception):
    """The client left before its request was whole: nobody is there to be answered."""
