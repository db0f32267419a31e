from __future__ import annotations

from pathlib import Path

import pytest

from calcimeasure.errors import UsageError
from calcimeasure.pacs.profiles import DimseProfile, Patience, WebProfile, default_config_path, load_profile

WEB = '[site]\nkind = "dicomweb"\nurl = "https://pacs.example.org/dicom-web/"\n'
DIMSE = '[site]\nkind = "dimse"\nhost = "10.0.0.5"\nport = 11112\ncalled_ae = "ARCHIVE"\n'


@pytest.fixture
def config(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "pacs.toml"
        path.write_text(text)
        return path

    return write


def test_a_web_profile_takes_its_password_from_the_environment(config, monkeypatch) -> None:
    monkeypatch.setenv("MY_PASSWORD", "s3cret")
    text = WEB + 'username = "me"\npassword_env = "MY_PASSWORD"\nattempts = 2\nanswer_s = 5\n'

    assert load_profile("site", config(text)) == WebProfile(
        name="site",
        url="https://pacs.example.org/dicom-web",
        username="me",
        password="s3cret",  # noqa: S106 - as set above
        patience=Patience(attempts=2, answer_s=5.0),
    )


def test_a_secret_file_must_be_its_owners_alone(config, tmp_path: Path) -> None:
    secret = tmp_path / "token.txt"
    secret.write_text("abc\n")
    text = WEB + f'token_file = "{secret.as_posix()}"\n'
    secret.chmod(0o600)
    assert load_profile("site", config(text)).token == "abc"  # noqa: S105 - as written above
    secret.chmod(0o640)
    with pytest.raises(UsageError, match=r"others can read 'token\.txt'.*chmod 600"):
        load_profile("site", config(text))


def test_a_dimse_profile_has_sensible_defaults(config) -> None:
    assert load_profile("site", config(DIMSE)) == DimseProfile(
        name="site", host="10.0.0.5", port=11112, called_ae="ARCHIVE", calling_ae="CALCIMEASURE"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (WEB + 'password = "x"\n', "'password' does not belong in this file"),
        (WEB + 'token = "x"\n', "'token' does not belong in this file"),
        (WEB + "verify = false\n", "unknown key 'verify'"),
        (WEB.replace("https", "http"), "not encrypted, and films carry names"),
        (WEB.replace("pacs.", "me:pw@pacs."), "a secret does not belong in the address"),
        (WEB.replace("https", "ftp"), "'ftp' is no web address"),
        (WEB + 'password_env = "NOT_SET_ANYWHERE"\n', "the variable NOT_SET_ANYWHERE is not set"),
        (WEB + 'ca_bundle = "absent.pem"\n', "'absent.pem' is no file"),
        (WEB + 'attempts = "many"\n', "'many' is no number"),
        (WEB + "attempts = 0\n", "must be positive"),
        (WEB.replace("dicomweb", "ftp"), "neither dicomweb nor dimse"),
        (DIMSE.replace("11112", "99999"), "'99999' is no port"),
        (DIMSE.replace("ARCHIVE", "ARCHIVE_WITH_A_LONG_NAME"), "no application entity title"),
        (DIMSE.replace('host = "10.0.0.5"\n', ""), "'host' is missing"),
        ("[other]\n", "there is no profile 'site'. Profiles there: other"),
        ("[site\n", "it is no TOML file"),
    ],
)
def test_mistakes_are_told(config, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_profile("site", config(text))
    assert message in str(caught.value)


def test_plain_http_is_for_loopback_or_said_aloud(config) -> None:
    assert load_profile("site", config(WEB.replace("https://pacs.example.org", "http://localhost:8042")))
    assert load_profile("site", config(WEB.replace("https", "http") + "allow_plain_http = true\n"))


def test_the_file_is_looked_for_where_it_is_said_to_be(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CALCIMEASURE_PACS_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert default_config_path() == tmp_path / "calcimeasure" / "pacs.toml"
    with pytest.raises(UsageError, match="there is no file of archive profiles"):
        load_profile("site")
    monkeypatch.setenv("CALCIMEASURE_PACS_CONFIG", str(tmp_path / "mine.toml"))
    assert default_config_path() == tmp_path / "mine.toml"


def test_films_never_come_back_without_tls_where_it_is_demanded(config) -> None:
    with pytest.raises(UsageError, match="without TLS"):
        load_profile("site", config(DIMSE + "tls = true\nmove_port = 11113\n"))
