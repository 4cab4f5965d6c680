"""The files that a browser is given: pages that know nothing of the model, and ask for its facts with a credential.

A browser that opens an address sends no credential, so these are public; /page.json and /openapi.json, which they ask
for, are not. They come from memory, and the policy on them lets a page load, and ask, from here alone.
"""

from pathlib import Path

PAGE = "page.json"  # of a bundle: what the page shows of figures, plots and card
HTML, SCRIPT, STYLE = "text/html; charset=utf-8", "text/javascript; charset=utf-8", "text/css; charset=utf-8"
FILES = {  # by route
    "/": ("page.html", HTML),
    "/docs": ("docs.html", HTML),
    "/page/page.js": ("page.js", SCRIPT),
    "/page/form.js": ("form.js", SCRIPT),
    "/page/docs.js": ("docs.js", SCRIPT),
    "/page/ask.js": ("ask.js", SCRIPT),
    "/page/page.css": ("page.css", STYLE),
}


def contents() -> dict[str, tuple[bytes, str]]:
    """Read every file; return content and media type by route."""
    here = Path(__file__).parent
    return {route: ((here / name).read_bytes(), kind) for route, (name, kind) in FILES.items()}
