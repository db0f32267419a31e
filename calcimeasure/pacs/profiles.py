"""Archives and how to reach them, from a configuration file; secrets from elsewhere.

A profile is a table of a TOML file:

    [hospital]
    kind = "dicomweb"
    url = "https://pacs.example.org/dicom-web"
    username = "research"
    password_env = "PACS_PASSWORD"

    [modality]
    kind = "dimse"
    host = "10.0.0.5"
    port = 11112
    called_ae = "ARCHIVE"
    calling_ae = "CALCIMEASURE"

A password or token never stands in it: it comes from the environment (``password_env``, ``token_env``) or from a file
that only its owner can read (``password_file``, ``token_file``).
"""

from __future__ import annotations

import os
import stat
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from calcimeasure.errors import UsageError

CONFIG_VARIABLE = "CALCIMEASURE_PACS_CONFIG"
_SECRETS = ("password", "token", "secret")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_LONGEST_AE = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """Time-outs for connecting and for each part of an answer, attempts, and the first wait (it doubles)."""

    connect_s: float = 10.0
    answer_s: float = 60.0
    attempts: int = 4
    first_wait_s: float = 1.0

    def __post_init__(self) -> None:
        if min(self.connect_s, self.answer_s) <= 0 or self.attempts < 1 or self.first_wait_s < 0:
            raise UsageError("time-outs and attempts must be positive", where="profile")


@dataclass(frozen=True, kw_only=True, slots=True)
class WebProfile:
    """An archive behind DICOMweb."""

    name: str
    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    ca_bundle: Path | None = None
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True, kw_only=True, slots=True)
class DimseProfile:
    """An archive behind DIMSE: titles are those of the archive and ours; C-MOVE needs a port, else C-GET is used.

    `move_address` is the address of ours to listen on for C-MOVE, `move_sender_ae` the title under which the archive
    delivers where that is not its own.
    """

    name: str
    host: str
    port: int
    called_ae: str
    calling_ae: str = "CALCIMEASURE"
    move_port: int | None = None
    move_address: str | None = None
    move_sender_ae: str | None = None
    tls: bool = False
    ca_bundle: Path | None = None
    patience: Patience = field(default_factory=Patience)


Profile = WebProfile | DimseProfile

_COMMON = {"kind", "connect_s", "answer_s", "attempts", "first_wait_s", "ca_bundle"}
_WEB = _COMMON | {"url", "username", "password_env", "password_file", "token_env", "token_file", "allow_plain_http"}
_DIMSE = _COMMON | {"host", "port", "called_ae", "calling_ae", "move_port", "move_address", "move_sender_ae", "tls"}


def default_config_path() -> Path:
    """Return the default file of profiles."""
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "calcimeasure" / "pacs.toml"


def load_profile(name: str, path: Path | None = None) -> Profile:
    """Return one profile of a configuration file.

    Raises
    ------
    UsageError
        When the file or the profile is missing, a key is unknown or of the wrong kind, a secret stands in the file or
        can be read by others, or a secret would travel unencrypted.
    """
    path = path or default_config_path()
    table = _tables(path).get(name)
    where = f"{path.name}, profile {name}"
    if not isinstance(table, dict):
        known = ", ".join(key for key, value in _tables(path).items() if isinstance(value, dict)) or "none"
        raise UsageError(f"there is no profile '{name}'", where=str(path), remedy=f"Profiles there: {known}.")
    for key in _SECRETS:
        if key in table:
            raise UsageError(
                f"'{key}' does not belong in this file", where=where, remedy=f"Use {key}_env or {key}_file instead."
            )
    kind = table.get("kind")
    if kind == "dicomweb":
        _refuse_unknown(table, _WEB, where)
        return _web_profile(name, table, where)
    if kind == "dimse":
        _refuse_unknown(table, _DIMSE, where)
        return _dimse_profile(name, table, where)
    raise UsageError(f"kind '{kind}' is neither dicomweb nor dimse", where=where)


def _tables(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise UsageError(
            "there is no file of archive profiles",
            where=str(path),
            remedy=f"Name one with --config or {CONFIG_VARIABLE}; docs/pacs.md shows how it looks.",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"it is no TOML file: {error}", where=str(path)) from None


def _refuse_unknown(table: dict[str, object], known: set[str], where: str) -> None:
    if unknown := sorted(set(table) - known):
        raise UsageError(f"unknown key '{unknown[0]}'", where=where, remedy=f"Keys: {', '.join(sorted(known))}.")


def _web_profile(name: str, table: dict[str, object], where: str) -> WebProfile:
    url = _text(table, "url", where, required=True) or ""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"'{parts.scheme}' is no web address", where=where, remedy="Give https://host/path.")
    if parts.username or parts.password:
        raise UsageError("a secret does not belong in the address", where=where)
    plain_allowed = parts.hostname in LOOPBACK or table.get("allow_plain_http") is True
    if parts.scheme == "http" and not plain_allowed:
        raise UsageError(
            "the address is not encrypted, and films carry names",
            where=where,
            remedy="Use https, or set allow_plain_http = true inside a network that you trust.",
        )
    return WebProfile(
        name=name,
        url=url.rstrip("/"),
        username=_text(table, "username", where),
        password=_secret(table, "password", where),
        token=_secret(table, "token", where),
        ca_bundle=_file(table, "ca_bundle", where),
        patience=_patience(table, where),
    )


def _dimse_profile(name: str, table: dict[str, object], where: str) -> DimseProfile:
    keys = ("called_ae", "calling_ae", "move_sender_ae")
    titles = {key: _text(table, key, where, required=key == "called_ae") for key in keys}
    for key, title in titles.items():
        if title is not None and not (0 < len(title) <= _LONGEST_AE and title.isascii()):
            raise UsageError(f"'{title}' is no application entity title", where=f"{where}, {key}")
    if table.get("tls") is True and table.get("move_port") is not None:
        raise UsageError(
            "C-MOVE would bring films back without TLS",
            where=where,
            remedy="Leave move_port out: objects then come by C-GET over the encrypted connection.",
        )
    return DimseProfile(
        name=name,
        host=_text(table, "host", where, required=True) or "",
        port=_port(table, "port", where) or 104,
        called_ae=titles["called_ae"] or "",
        calling_ae=titles["calling_ae"] or "CALCIMEASURE",
        move_port=_port(table, "move_port", where),
        move_address=_text(table, "move_address", where),
        move_sender_ae=titles["move_sender_ae"],
        tls=table.get("tls") is True,
        ca_bundle=_file(table, "ca_bundle", where),
        patience=_patience(table, where),
    )


def _patience(table: dict[str, object], where: str) -> Patience:
    default = Patience()
    values = {
        key: _number(table, key, where, getattr(default, key)) for key in ("connect_s", "answer_s", "first_wait_s")
    }
    return Patience(attempts=int(_number(table, "attempts", where, default.attempts)), **values)


def _number(table: dict[str, object], key: str, where: str, default: float) -> float:
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(f"'{value}' is no number", where=f"{where}, {key}")
    return float(value)


def _port(table: dict[str, object], key: str, where: str) -> int | None:
    value = table.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 65536:
        raise UsageError(f"'{value}' is no port", where=f"{where}, {key}")
    return value


def _text(table: dict[str, object], key: str, where: str, *, required: bool = False) -> str | None:
    value = table.get(key)
    if value is None and not required:
        return None
    if not isinstance(value, str) or not value:
        raise UsageError(f"'{key}' is missing" if value is None else f"'{key}' must be text", where=where)
    return value


def _file(table: dict[str, object], key: str, where: str) -> Path | None:
    text = _text(table, key, where)
    if text is None:
        return None
    path = Path(text).expanduser()
    if not path.is_file():
        raise UsageError(f"'{path.name}' is no file", where=f"{where}, {key}")
    return path


def _secret(table: dict[str, object], key: str, where: str) -> str | None:
    variable = _text(table, f"{key}_env", where)
    if variable is not None:
        value = os.environ.get(variable)
        if not value:
            raise UsageError(f"the variable {variable} is not set", where=where, remedy=f"It holds the {key}.")
        return value
    path = _file(table, f"{key}_file", where)
    if path is None:
        return None
    if sys.platform != "win32" and path.stat().st_mode & _OTHERS:
        raise UsageError(f"others can read '{path.name}'", where=where, remedy=f"chmod 600 {path.name}")
    return path.read_text(encoding="utf-8").strip()
