"""Secrets do not get past, however they are written."""

from __future__ import annotations

import base64
import json
import shlex
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aava_cli.redactor import Redactor, forms_of, secrets_of_text

SECRET = "p'w$ 7/ü\"x"  # noqa: S105 - not one of anybody's
NOBODY = Redactor(())


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote(SECRET, safe="").lower(),
        quote_plus(SECRET),
        json.dumps(SECRET)[1:-1],
        shlex.quote(SECRET),
        "'" + SECRET.replace("'", "''") + "'",
        SECRET.replace("$", "$$"),
        SECRET.encode().hex(),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(f"me:{SECRET}".encode()).decode(),
    ],
)
def test_known_secret_in_every_form(written: str) -> None:
    """As programs quote, escape and encode it."""
    shown = Redactor((SECRET,)).text(f"before {written} behind")
    assert shown.startswith("before ")
    assert "***" in shown
    assert not any(form in shown for form in forms_of(SECRET))


@given(st.binary(max_size=5), st.text(min_size=6, max_size=40), st.binary(max_size=5))
def test_known_secret_within_base64_of_more(before: bytes, secret: str, behind: bytes) -> None:
    """A file that was encoded whole gives nothing away: what is left of it says nothing."""
    secret = secret.strip()
    if len(secret.encode("utf-8", "surrogatepass")) < 6 or len(secret) < 6:
        return
    whole = base64.b64encode(before + secret.encode("utf-8", "surrogatepass") + behind).decode()
    shown = Redactor((secret,)).text(f"{whole} ")
    assert "***" in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("API_KEY=hush", "API_KEY=***"),
        ("#  export API_KEY = hush hush # old", "#  export API_KEY = ***"),
        ("api_key: 'hush # x'", "api_key: '***'"),
        ('{"a": 1, "api_key": "hu\\"sh", "b": 2}', '{"a": 1, "api_key": "***", "b": 2}'),
        ('{"m": "{\\"api_key\\": \\"hush\\", \\"b\\": 2}"}', None),
        ("//host/:_authToken=hush", "//host/:_authToken=***"),
        ("curl --token hush x", "curl --token *** x"),
        ("curl --token=hush x", "curl --token=*** x"),
        ("wss://me:hu@sh@host/x", "wss://***@host/x"),
        ("https://host/x?sig=hush#hush, then", "https://host/x?*** then"),
        ("> Authorization: Basic aHVzaA== x", "> Authorization: ***"),
        ("set-cookie: hush=1; path=/", "set-cookie: ***"),
        ("machine h login me password hush", "machine h login me password ***"),
        ("token hf_abcdefghijklmnopqrst", "token ***"),
        ("a bearer abc123def4", "a ***"),
        ("-----BEGIN RSA PRIVATE KEY-----\nhush\n-----END RSA PRIVATE KEY-----\nx", "***\nx"),
        ("hush\n-----END PRIVATE KEY-----\nx", "***\nx"),
        ("x\n-----BEGIN PRIVATE KEY-----\nhush", "x\n***"),
        ('bad token: password="hush"', "bad token: ***"),
        ('bad token: password= "hush hush" x', "bad token: *** x"),
        ("invalid key: secret='hush'", "invalid key: ***"),
        ("Traceback: KeyError: api_key='hush'", "Traceback: KeyError: ***"),
        ("a DBPASS: hush x", "a DBPASS: *** x"),
        ("gsk_abcdefghijhushabcdefg x", "*** x"),
        ("AIzaSyA-abcdefghijklhushuvwxyz01234 x", "*** x"),
        ("at /services/T00/B00/XXhush, x", "at ***, x"),
        ("/bot123456:AAhushabcdefghijklm/getMe", "***/getMe"),
        ("curl -u me:hush -o x", "curl -u *** -o x"),
        ("Server=x;Uid=me;Pwd=hush;a", "Server=x;Uid=me;Pwd=***;a"),
        ("<sip:me:hush@host>", "<sip:me:***@host>"),
        ('["x-api-key", "hush"]', '["x-api-key", "***"]'),
        ("[(b'x-api-key', b'hush'), (b'a', b'c')]", "[(b'x-api-key', b'***'), (b'a', b'c')]"),
        ("http://me:hu/sh-hush@host:1/x", "http://***@host:1/x"),
        ("http://host:80/@scope/x", "http://host:80/@scope/x"),
        ("docker run --user 1000:1000 x", "docker run --user 1000:1000 x"),
        ("<sip:me@host>", "<sip:me@host>"),
        ("KEY=", "KEY="),
        ("KEY=''", "KEY=''"),
        ("LOCAL_LLM_MAX_TOKENS=64", "LOCAL_LLM_MAX_TOKENS=64"),
        ("12:30:01 monkey: eats", "12:30:01 monkey: eats"),
        ("a basic knowledge", "a basic knowledge"),
    ],
)
def test_unknown_secret_is_told_by_its_looks(text: str, shown: str | None) -> None:
    """Under the name of one, in an address, or shaped like one; other words stay."""
    made = NOBODY.text(text)
    assert "hush" not in made
    assert shown in (None, made)


def test_json_is_judged_by_its_names() -> None:
    """Everything under the name of a secret goes; what is known goes everywhere."""
    redactor = Redactor(("hushhush",))
    value = {
        "auth": {"user": "hush", "tries": 3, "ok": True, "none": None, "empty": ""},
        "env": [{"name": "HF_TOKEN", "value": "hush"}, {"name": "MODE", "value": "full"}],
        "argv": ("serve", "--token", "hush", "--port", "1"),
        "headers": [["x-api-key", "hush"], ["accept", "text"], ["token", "hush"]],
        "curl": ["curl", "-u", "me:hush", "--user", "1:1", "--pass=x", "y"],
        "hushhush": ["a hushhush b", 1.5],
        "tokens": 7,
        "counts": {"pass": 7},
        "pass": "hush",
    }
    assert {
        "auth": {"user": "***", "tries": "***", "ok": True, "none": None, "empty": ""},
        "env": [{"name": "HF_TOKEN", "value": "***"}, {"name": "MODE", "value": "full"}],
        "argv": ["serve", "--token", "***", "--port", "1"],
        "headers": [["x-api-key", "***"], ["accept", "text"], ["token", "***"]],
        "curl": ["curl", "-u", "***", "--user", "1:1", "--pass=***", "y"],
        "***": ["a *** b", 1.5],
        "tokens": 7,
        "counts": {"pass": 7},
        "pass": "***",
    } == redactor.value(value)


def test_secrets_are_found_where_people_write_them() -> None:
    """Values of `.env`, of comments in it, and what addresses carry."""
    text = (
        "A_TOKEN='first one'\n# B_TOKEN=second # note\nMODE=full\n"
        "URL=https://me:third%21@host/x?X-Signature=fourthfourth&page=2\n"
    )
    found = secrets_of_text(text)
    assert {"first one", "second # note", "third!", "fourthfourth"} <= set(found)
    assert not {"full", "2", "note"} & set(found)


def test_lines_of_a_secret_are_secrets() -> None:
    """A log may have but one line of it; what is short is in every text by chance."""
    redactor = Redactor(("line-one\nline-two\nx",))
    assert "***, *** and x" == redactor.text("line-one, line-two and x")
