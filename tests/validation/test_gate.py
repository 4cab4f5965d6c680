"""Gates close: what cannot be known fails."""

import json
import math

import pytest

from validation.gate import Measure, Verdict, decide, judged, read, sentences, shown, write
from validation.pages.cells import cell_text, table
from validation.script import Refusal, digest_of, to_json
from validation.words.bounds import Bound


@pytest.mark.parametrize(
    ("value", "bounds", "verdict"),
    [
        (0.9, {"at_least": 0.9}, "pass"),
        (0.8999, {"at_least": 0.9}, "fail"),
        (0.1, {"at_most": 0.1}, "pass"),
        (0.1001, {"at_most": 0.1}, "fail"),
        (0.1, {"at_least": 0.1, "at_most": 0.2}, "pass"),
        (0.2, {"at_least": 0.1, "at_most": 0.2}, "pass"),
        (0.2001, {"at_least": 0.1, "at_most": 0.2}, "fail"),
        (0.0999, {"at_least": 0.1, "at_most": 0.2}, "fail"),
        (math.nan, {"at_least": 0.9}, "fail"),
        (math.nan, {"at_most": 0.9}, "fail"),
        (math.inf, {"at_least": 0.9}, "fail"),
        (-math.inf, {"at_most": 0.9}, "fail"),
        (None, {"at_most": 0.9}, "fail"),
    ],
)
def test_a_bound_holds_or_fails(value, bounds, verdict) -> None:
    """A value at the bound passes; one that is no finite number never does."""
    assert judged("m", "", value, Bound(**bounds), 1, "w").verdict == verdict


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((-0.01, 0.005), "pass"),
        ((-0.01, 0.0051), "fail"),
        (None, "fail"),
        ((-0.01, math.nan), "fail"),
        ((math.nan, 0.001), "fail"),
        ((-math.inf, 0.001), "fail"),
    ],
)
def test_a_loss_is_held_by_the_end_of_its_interval(interval, verdict) -> None:
    """What may be lost is bounded at the unfavourable end, and without an interval nothing is known."""
    line = judged("m", "", 0.001, Bound(at_most=0.005, lost=True), 1, "w", interval)
    assert line.verdict == verdict
    assert "lose at most 0.005" == str(line.bound)


def test_a_line_tells_what_was_measured() -> None:
    """Every field of a judged line arrives; what is not finite is told as unknown."""
    bound = Bound(at_most=0.5)
    assert Measure("m", "g", 0.25, bound, 7, "pass", "w", (0.1, 0.4), 0.3) == judged(
        "m", "g", 0.25, bound, 7, "w", (0.1, 0.4), 0.3
    )
    assert Measure("m", "g", None, bound, 7, "fail", "w") == judged(
        "m", "g", math.nan, bound, 7, "w", (math.nan, 0.4), math.inf
    )


@pytest.mark.parametrize(("interval", "told"), [((0.1, 0.4), (0.1, 0.4)), ((0.1, math.nan), None), (None, None)])
def test_a_line_that_is_shown_has_no_bound(interval, told) -> None:
    """Value and interval arrive, and no verdict but that it is shown."""
    assert Measure("m", "g", 0.25, None, 7, "shown", "w", told) == shown("m", "g", 0.25, 7, "w", interval)
    assert shown("m", "g", math.nan, 7, "w").value is None


def test_a_value_of_no_row_fails() -> None:
    """What was measured on nothing is no pass."""
    assert "fail" == judged("m", "", 0.0, Bound(at_most=1), 0, "w").verdict


def test_a_bound_without_a_limit_is_an_error() -> None:
    """A measure without a limit cannot be judged."""
    with pytest.raises(ValueError, match="needs a limit"):
        Bound()


@pytest.mark.parametrize(
    "line",
    [
        {"value": 0.7},
        {"value": None},
        {"bound": None},
        {"bound": Bound(at_most=0.1)},
        {"bound": Bound(at_most=1, lost=True)},
    ],
)
def test_a_pass_that_its_bound_denies_cannot_be_written(line) -> None:
    """No code path, and no edited file, makes a pass of a value that breaks its bound."""
    fields = {"value": 0.9, "bound": Bound(at_least=0.8), **line}
    with pytest.raises(ValueError, match="does not pass"):
        Measure("m", "", n=1, verdict="pass", why="w", **fields)


def test_a_pass_on_no_row_cannot_be_written() -> None:
    """Nor of what was measured on nothing."""
    with pytest.raises(ValueError, match=r"0\.9 on 0 rows does not pass at least 0\.8"):
        Measure("m", "", 0.9, Bound(at_least=0.8), 0, "pass", "w")


def line(verdict: str = "pass", value: float = 0.9) -> Measure:
    return Measure("accuracy", "", value, Bound(at_least=0.8), 10, verdict, "because")


def test_a_verdict_that_judged_nothing_fails() -> None:
    """Lines that are shown, or too small to be judged, prove nothing."""
    assert not Verdict("g", "k", "d", (line("shown"), line("insufficient"))).passed
    assert Verdict("g", "k", "d", (line("shown"), line("first"))).passed


def test_a_verdict_that_measured_nothing_fails() -> None:
    """No measures: nothing is proven."""
    empty = Verdict("g", "k", "d", ())
    assert not empty.passed
    assert "nothing was judged" in sentences(empty)[0]


def test_an_unknown_word_is_no_verdict() -> None:
    """Only known words can pass."""
    with pytest.raises(ValueError, match="no verdict"):
        line("passed")


@pytest.fixture
def verdicts(tmp_path, monkeypatch):
    monkeypatch.setattr("validation.gate.VERDICTS", tmp_path)
    return tmp_path


def test_a_crash_leaves_no_older_verdict(verdicts) -> None:
    """When a gate crashes, the verdict of an earlier run is gone."""
    assert 0 == decide("g", "key 1", lambda: Verdict("g", "key 1", "d", (line(),)))

    def crash() -> Verdict:
        raise RuntimeError("gate crashed")

    with pytest.raises(RuntimeError, match="gate crashed"):
        decide("g", "key 2", crash)
    with pytest.raises(Refusal, match="missing"):
        read(verdicts / "g.json")


def test_an_unchanged_key_is_not_judged_again(verdicts) -> None:
    """While nothing that the gate looks at has changed, red stays red and green stays green."""
    assert decide("g", "key", lambda: Verdict("g", "key", "d", (line("fail", 0.7),))) == 1
    assert decide("g", "key", lambda: Verdict("g", "key", "d", (line("pass"),))) == 1
    assert 0 == decide("g", "other", lambda: Verdict("g", "other", "d", (line("pass"),)))


TAMPERED = {
    "overall verdict turned": lambda content: content.update(passed=True),
    "measure turned": lambda content: content["measures"][0].update(verdict="pass"),
    "measure and overall verdict turned": lambda content: (
        content["measures"][0].update(verdict="pass"),
        content.update(passed=True),
    ),
    "measure no longer judged": lambda content: (
        content["measures"][0].update(verdict="shown"),
        content.update(passed=True),
    ),
    "measure turned into a text": lambda content: content["measures"][0].update(verdict="ok"),
    "bound loosened": lambda content: content["measures"][0]["bound"].update(at_least=0.1),
    "evidence turned into a text": lambda content: content.update(evidence="x"),
    "number of rows turned to nought": lambda content: content["measures"][0].update(value=0.9, verdict="pass", n=0),
    "field added": lambda content: content.update(more=1),
    "field lost": lambda content: content.pop("key"),
    "seal lost": lambda content: content.pop("seal"),
    "another gate's": lambda content: content.update(gate="other"),
    "no measures": lambda content: content.update(measures=[], passed=True),
}


def red(verdicts) -> dict:
    """Write a red verdict; give its content."""
    decide("g", "key", lambda: Verdict("g", "key", "d", (line("fail", 0.7),)))
    return json.loads((verdicts / "g.json").read_text())


@pytest.mark.parametrize("tamper", TAMPERED.values(), ids=TAMPERED.keys())
def test_a_tampered_verdict_is_refused(verdicts, tamper) -> None:
    """A verdict file that is not as it was written is no verdict, in whatever it was changed."""
    content = red(verdicts)
    tamper(content)
    (verdicts / "g.json").write_text(to_json(content))
    with pytest.raises(Refusal):
        read(verdicts / "g.json")


@pytest.mark.parametrize(
    "tamper",
    [tamper for name, tamper in TAMPERED.items() if "turned" in name or name in ("field added", "no measures")],
)
def test_a_seal_that_was_made_anew_does_not_help_a_lie(verdicts, tamper) -> None:
    """A value that breaks its bound is no pass, under whatever seal."""
    content = red(verdicts)
    tamper(content)
    del content["seal"]
    (verdicts / "g.json").write_text(to_json(content | {"seal": digest_of(content)}))
    with pytest.raises(Refusal):
        read(verdicts / "g.json")


MALFORMED = {
    **{text: text.encode() for text in ("", "[]", "null", "{", '{"passed": true}', '{"seal": "s", "value": 1e400}')},
    "a byte of nought": b"\x00",
    "no text": b'{"seal": "\xe9"}',
    "a hundred thousand lists": b'{"seal": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a number of ten thousand digits": b'{"seal": ' + b"9" * 10_000 + b"}",
}


def test_evidence_that_is_no_object_is_said(verdicts) -> None:
    """The sentence names what is wrong with the file."""
    content = red(verdicts) | {"evidence": "x"}
    del content["seal"]
    (verdicts / "g.json").write_text(to_json(content | {"seal": digest_of(content)}))
    with pytest.raises(Refusal, match=r"no verdict \(TypeError: evidence is no object\); run its gate again"):
        read(verdicts / "g.json")


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_verdict_is_refused(verdicts, name) -> None:
    """What is no verdict is not taken for one, and its gate runs anew."""
    (verdicts / "g.json").write_bytes(MALFORMED[name])
    with pytest.raises(Refusal, match=r"g\.json is no verdict .*; run its gate again"):
        read(verdicts / "g.json")
    assert 0 == decide("g", "key", lambda: Verdict("g", "key", "d", (line(),)))


def test_a_verdict_that_was_cut_off_is_refused(verdicts) -> None:
    """Wherever a disk was full or a process ended: no beginning of a verdict is one."""
    content = red(verdicts) and (verdicts / "g.json").read_bytes()
    for size in range(len(content) - 1):
        (verdicts / "g.json").write_bytes(content[:size])
        with pytest.raises(Refusal):
            read(verdicts / "g.json")


def test_data_cannot_break_out_of_a_table() -> None:
    """Pipes, markup, mentions and line breaks from the data stay text."""
    wild = Measure("a|b\n<img src=x> @team `c` [x](y)", "", None, None, 1, "fail", "w")
    rows = table([wild]).splitlines()
    assert 3 == len(rows)
    assert not set("<`@[") & set(rows[2])
    assert "plain words, 1 > 0" == cell_text("plain words, 1 > 0")


LINES = (
    Measure("grün", "g", 0.9, Bound(at_least=0.8), 10, "pass", "w", (0.85, 0.95), 0.7),
    Measure("lost", "", 0.001, Bound(at_most=0.005, lost=True), 10, "pass", "w", (-0.001, 0.003)),
    Measure("told", "", None, None, 0, "shown", "w"),
)


def test_what_is_written_is_read(verdicts) -> None:
    """Every field of a verdict comes back as it was."""
    whole = Verdict("g", "k", "d", LINES, 3, "m", 2, "c", 1, {"curves": [1, 2.5, "ü"]})
    write(verdicts / "g.json", whole)
    assert whole == read(verdicts / "g.json")
    assert (verdicts / "g.json").read_bytes().decode("utf-8").count("grün") == 1


def test_what_fails_is_said_in_a_sentence() -> None:
    """Gate, version, measure, group, value, bound and reason; where the interval's end counts, the end too."""
    lines = (
        LINES[0],
        Measure("rate", "sex: Female", 0.3, Bound(at_most=0.2), 9, "fail", "why 1", (0.1, 0.4)),
        Measure("lost", "", 0.001, Bound(at_most=0.002, lost=True), 9, "fail", "why 2", (0.0, 0.0031)),
        Measure("gone", "", None, None, 0, "fail", "why 3"),
        Measure("lost", "", None, Bound(at_most=0.002, lost=True), 9, "fail", "why 4"),
    )
    assert [
        "g: model version 3: rate (sex: Female) is 0.3, bound: at most 0.2; why 1",
        "g: model version 3: lost is 0.001, up to 0.0031, bound: lose at most 0.002; why 2",
        "g: model version 3: gone is none, bound: none; why 3",
        "g: model version 3: lost is none, bound: lose at most 0.002; why 4",
    ] == sentences(Verdict("g", "k", "d", lines, 3))
    assert "g: the data: gone is none, bound: none; why 3" in sentences(Verdict("g", "k", "d", lines))
    assert [] == sentences(Verdict("g", "k", "d", LINES))
    assert ["g: the data: nothing was judged, so nothing is proven"] == sentences(Verdict("g", "k", "d", ()))


def test_a_verdict_is_printed_and_its_red_lines_are_logged(verdicts, monkeypatch, capsys) -> None:
    """The table is the result; a sentence a red line is the log, also while the verdict stands."""
    printed = []
    monkeypatch.setattr("validation.gate.result", printed.append)
    for passed, lines in ((True, LINES), (False, (line("fail", 0.7),))):
        key = f"key {passed}"
        for _ in range(2):
            decide("g", key, lambda lines=lines, key=key: Verdict("g", key, "d", lines))
        assert [f"### G: {'pass' if passed else 'FAIL'}\n\n{table(lines)}"] * 2 == printed[-2:]
    assert 2 == capsys.readouterr().err.count("g: the data: accuracy is 0.7, bound: at least 0.8; because")


def test_a_verdict_stands_only_while_its_gate_says_so(verdicts) -> None:
    """A key that is the same is not enough: the gate is asked, about the very verdict."""
    asked = []

    def still(verdict: Verdict, answer: bool = False) -> bool:
        asked.append(verdict)
        return answer

    first, second = (Verdict("g", "key", "d", lines) for lines in (LINES, LINES[:1]))
    decide("g", "key", lambda: first, still)
    assert [] == asked
    decide("g", "key", lambda: second, lambda verdict: still(verdict, True))
    assert first == read(verdicts / "g.json")
    decide("g", "key", lambda: second, still)
    assert [first, first] == asked
    assert second == read(verdicts / "g.json")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", r"g\.json is no verdict \(JSONDecodeError: .*\); run its gate again"),
        ("{}", r"g\.json is no verdict \(KeyError: 'seal'\); run its gate again"),
        ('{"seal": 1, "passed": true, "measures": []}', r"g\.json is no verdict \(TypeError: .*; run its gate again"),
    ],
)
def test_what_is_no_verdict_is_said(verdicts, text, sentence) -> None:
    """The sentence names the file, the fault and the way out."""
    (verdicts / "g.json").write_text(text)
    with pytest.raises(Refusal, match=sentence):
        read(verdicts / "g.json")
