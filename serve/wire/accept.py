"""Which of two forms a client wants its answer in, by RFC 9110, section 12.5.1."""


def wants_json(accept: str) -> bool:
    """Whether an Accept header asks for JSON rather than for plain text; one that has no preference does not."""
    weights = dict(_range(item) for item in accept.lower().split(","))
    named = "application/json" in weights
    json, text = (
        next((weights[kind] for kind in (exact, f"{exact.split('/')[0]}/*", "*/*") if kind in weights), 0.0)
        for exact in ("application/json", "text/plain")
    )
    return json > text or (named and json == text > 0)


def _range(item: str) -> tuple[str, float]:
    """Split one media range into its type and its weight; a weight that is no number makes it unwanted."""
    kind, *parameters = (part.strip() for part in item.split(";"))
    weight = next((part[2:] for part in parameters if part.startswith("q=")), "1")
    try:
        return kind, float(weight)
    except ValueError:
        return kind, 0.0
