"""What a run wrote for people and programs: clean, reversible, free of secrets (promise I12)."""
import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "system"))
from pool import unescape  # noqa: E402

LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d \S+ --> \[(DEBUG  |INFO   |WARNING|ERROR  )\] .+")
# Controls, what turns the direction of text, and (as surrogates) bytes that are no UTF-8.
UNCLEAN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def escape(data):
    """How the bytes of a name are written, the inverse of unescape()."""
    text = data.replace(b"\\", b"\\\\").decode("utf-8", "surrogateescape")

    def escaped(match):
        return "".join(f"\\x{byte:02x}" for byte in match[0].encode("utf-8", "surrogateescape"))
    return re.sub(f"\n|{UNCLEAN.pattern}", escaped, text)


def strings_of(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from strings_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings_of(inner)


def unclean_text(what, text):
    found = UNCLEAN.search(text)
    if found:
        line = text[text.rfind("\n", 0, found.start()) + 1:].partition("\n")[0]
        yield f"{what} has the character {found[0]!r}: {line!r}"


def unclean_log(text):
    yield from unclean_text("the log", text)
    for line in text.split("\n")[:-1]:
        if not LOG_LINE.fullmatch(line):
            yield f"the log has a line that is none: {line!r}"
    if text and not text.endswith("\n"):
        yield f"the log ends within a line: {text[-200:]!r}"


def unclean_document(document):
    for text in strings_of(document):
        yield from unclean_text("the document", text)
        if "\n" in text:
            yield f"the document has a string of several lines: {text!r}"
    for peer in document.get("peers", []):
        for skipped in peer.get("skipped", []):
            yield from irreversible(skipped["name"])


def irreversible(name):
    """A name that is written in a way that does not lead back to it."""
    try:
        back = escape(unescape(name))
    except (ValueError, IndexError) as error:
        yield f"the name {name!r} cannot be turned back: {error}"
        return
    if back != name:
        yield f"the name {name!r} should be written {back!r}"


def secrets_in(what, text, secrets):
    for secret in secrets:
        if secret in text:
            yield f"{what} holds the secret {secret[:8]}..."


def secrets_of_key(path):
    """What must not be seen of a private key: each of its lines that nobody else has."""
    if not path.exists():
        return []
    return [line for line in path.read_text().splitlines() if len(line) > 30 and "-----" not in line][1:]


def unclean(log, result, secrets):
    """Everything that is wrong with the records of a run. `result` may be None."""
    yield from unclean_log(log)
    texts = {"the log": log}
    if result is not None:
        texts |= {"standard output": result.stdout, "standard error": result.stderr}
        yield from unclean_text("standard output", result.stdout)
        yield from unclean_text("standard error", result.stderr)
        try:
            document = json.loads(result.stdout)
        except ValueError:
            document = None
        if isinstance(document, dict):
            yield from unclean_document(document)
    for what, text in texts.items():
        yield from secrets_in(what, text, secrets)
