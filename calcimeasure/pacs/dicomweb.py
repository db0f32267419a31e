"""An archive behind DICOMweb: QIDO-RS, WADO-RS and STOW-RS (PS3.18).

Errors never contain the address of the request: a query carries patient identifiers.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests
from dicomweb_client.web import DICOMwebClient
from requests.adapters import HTTPAdapter

from calcimeasure import __version__
from calcimeasure.errors import PacsError
from calcimeasure.io.dicom_header import discreet
from calcimeasure.io.film_parts import MAX_FILE_BYTES
from calcimeasure.pacs.pacs_records import Instance, Query, SeriesRecord
from calcimeasure.pacs.retries import TransientError, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from pydicom.dataset import Dataset

    from calcimeasure.pacs.profiles import Patience, WebProfile

    Json = dict[str, Any]

_TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
# More than the largest film, and longer than it takes.
MOST_ANSWER_BYTES = MAX_FILE_BYTES + 64 * 1024**2
LONGEST_ANSWER_S = 1800.0
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_MOST_FOUND = 100_000
_TELL = "Nothing was kept. Tell whoever runs the archive."
_PAGE = 500
_MOST_PAGES = 200
_SERIES_FIELDS = ("PatientID", "StudyDate", "BodyPartExamined", "Modality", "NumberOfSeriesRelatedInstances")
_ADDRESS = "Check that the profile's url is the DICOMweb root of the archive."


class _BoundedAdapter(HTTPAdapter):
    """Reads no more of an answer, unpacked, than any film has, and not for longer than any takes."""

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request; its answer ends with an error where it goes on without end."""
        response = super().send(*args, **kwargs)
        whole = response.raw.stream

        def bounded(*amount: Any, **options: Any) -> Iterator[bytes]:
            end_s, size = time.monotonic() + LONGEST_ANSWER_S, 0
            for chunk in whole(*amount, **options):
                size += len(chunk)
                if size > MOST_ANSWER_BYTES or time.monotonic() > end_s:
                    response.close()
                    raise PacsError("the archive's answer goes on without end", where="the archive", remedy=_TELL)
                yield chunk

        response.raw.stream = bounded
        return response


class _Session(requests.Session):
    """A session whose own authority counts: requests puts REQUESTS_CA_BUNDLE of the environment above it."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a request, and refuse an answer that would unpack to more than it is."""
        response = super().send(request, **kwargs)
        if _DEFLATED in response.content:
            raise PacsError("the archive sent a deflated object, which is not taken", where="the archive", remedy=_TELL)
        return response

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        verify = verify if self.verify is True else self.verify
        return super().merge_environment_settings(url, proxies, stream, verify, cert)


class WebArchive:
    """An archive reached over HTTP."""

    def __init__(self, profile: WebProfile) -> None:
        self._profile = profile
        self._session = _Session()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, _BoundedAdapter())
        self._session.headers["User-Agent"] = f"calcimeasure/{__version__}"
        # requests verifies certificates unless told otherwise, and nothing here can tell it so.
        if profile.ca_bundle is not None:
            self._session.verify = str(profile.ca_bundle)
        if profile.token is not None:
            self._session.headers["Authorization"] = f"Bearer {profile.token}"
        elif profile.username is not None:
            self._session.auth = (profile.username, profile.password or "")
        patience = profile.patience
        self._client = DICOMwebClient(
            profile.url, session=self._session, timeout=(patience.connect_s, patience.answer_s)
        )
        # Attempts are counted in one place for both ways of reaching an archive.
        self._client.set_http_retry_params(retry=False)

    @property
    def patience(self) -> Patience:
        """Time-outs and retries."""
        return self._profile.patience

    def __enter__(self) -> WebArchive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def check(self) -> str:
        """Ask for one study, and say that the archive answers."""
        with self._plain_errors():
            self._client.search_for_studies(limit=1)
        return f"{self._profile.name}: the archive answers over DICOMweb"

    def find_series(self, query: Query) -> list[SeriesRecord]:
        """Search the studies, then the series of each."""
        filters = {
            "PatientID": query.patient_id,
            "StudyDate": query.date_range,
            "ModalitiesInStudy": query.modality,
            "StudyInstanceUID": query.study_uid,
        }
        given = {key: value for key, value in filters.items() if value is not None}
        studies = self._pages(
            lambda offset: self._client.search_for_studies(search_filters=given, limit=_PAGE, offset=offset),
            "0020000D",
        )
        found = [series for study in studies for series in self._series_of(study, query)]
        return [series for series in found if series.fits(query)]

    def _series_of(self, study: Json, query: Query) -> list[SeriesRecord]:
        uid = _value(study, "0020000D")
        asked = {
            key: value
            for key, value in (("Modality", query.modality), ("BodyPartExamined", query.body_part))
            if value is not None
        }
        answers = self._pages(
            lambda offset: self._client.search_for_series(
                uid, search_filters=asked, fields=_SERIES_FIELDS, limit=_PAGE, offset=offset
            ),
            "0020000E",
        )
        return [
            SeriesRecord(
                patient_id=_value(answer, "00100020") or _value(study, "00100020"),
                study_uid=uid,
                series_uid=_value(answer, "0020000E"),
                study_date=_value(answer, "00080020") or _value(study, "00080020"),
                modality=_value(answer, "00080060"),
                # An archive that does not return the body part has still matched on it.
                body_part=_value(answer, "00180015") or (query.body_part or ""),
                instance_count=_count(_value(answer, "00201209")),
            )
            for answer in answers
        ]

    def list_instances(self, series: SeriesRecord) -> list[Instance]:
        """Search the objects of a series."""
        answers = self._pages(
            lambda offset: self._client.search_for_instances(
                series.study_uid, series.series_uid, limit=_PAGE, offset=offset
            ),
            "00080018",
        )
        return [
            Instance(
                series=series,
                sop_instance_uid=_value(answer, "00080018"),
                sop_class_uid=_value(answer, "00080016"),
            )
            for answer in answers
        ]

    def _pages(self, search: Callable[[int], list[Json]], key: str) -> list[Json]:
        """Collect every page of an answer; an archive that ignores the offset gives one page."""
        found: dict[str, Json] = {}
        for _ in range(_MOST_PAGES):
            with self._plain_errors():
                page = search(len(found))
            fresh = {_value(answer, key): answer for answer in page if _value(answer, key) not in found}
            fresh.pop("", None)
            if not fresh:
                break
            found.update(fresh)
            if len(page) < _PAGE or len(found) > _MOST_FOUND:
                break
        return list(found.values())

    def retrieve(self, instance: Instance) -> Dataset:
        """Retrieve one object in the transfer syntax in which it is stored."""
        with self._plain_errors():
            return self._client.retrieve_instance(
                instance.series.study_uid,
                instance.series.series_uid,
                instance.sop_instance_uid,
                media_types=(("application/dicom", "*"),),
            )

    def store(self, dataset: Dataset) -> None:
        """Store one object."""
        with self._plain_errors():
            answer = self._client.store_instances([dataset])
        failed = answer.get("FailedSOPSequence") or []
        if failed:
            raise refusal("the object", int(failed[0].get("FailureReason", 0)), self._profile.name)

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        """Turn what the libraries raise into our own errors, without the address of the request."""
        where = self._profile.name
        try:
            # What is wrong with an object is checked afterwards.
            with discreet():
                yield
        except requests.exceptions.SSLError as error:
            raise PacsError(
                "the archive's certificate is not trusted",
                where=where,
                remedy="Set ca_bundle in the profile to the authority that signed it.",
            ) from error
        except (requests.exceptions.ConnectTimeout, requests.exceptions.ReadTimeout) as error:
            raise TransientError(
                "the archive did not answer in time", where=where, remedy="Raise answer_s in the profile."
            ) from error
        except requests.exceptions.ConnectionError as error:
            raise TransientError(
                "there is no connection to the archive, or it was dropped",
                where=where,
                remedy="Check address, port and network.",
            ) from error
        except requests.exceptions.ChunkedEncodingError as error:
            raise TransientError("the answer was cut off", where=where) from error
        except requests.exceptions.HTTPError as error:
            raise self._status_error(error) from error
        except (requests.exceptions.JSONDecodeError, requests.exceptions.ContentDecodingError) as error:
            raise PacsError("the answer is not what DICOMweb says", where=where, remedy=_ADDRESS) from error
        except requests.exceptions.RequestException as error:
            raise PacsError(f"the request failed ({type(error).__name__})", where=where) from error
        except PacsError as error:
            error.where = where
            raise
        except Exception as error:
            # The client and pydicom let many kinds out on a garbled body, with parts of it in some messages.
            raise TransientError(
                f"the answer cannot be read as DICOM ({type(error).__name__})", where=where, remedy=_ADDRESS
            ) from error

    def _status_error(self, error: requests.exceptions.HTTPError) -> PacsError:
        status = error.response.status_code if error.response is not None else 0
        where = self._profile.name
        if status in (401, 403):
            return PacsError(
                f"the archive does not let us in ({status})", where=where, remedy="Check user, password or token."
            )
        if status == 404:
            return PacsError("the archive does not have it (404)", where=where, remedy=_ADDRESS)
        if status == 409:
            return refusal("the object", _failure_reason(error.response), where)
        if status in _TRANSIENT_STATUSES:
            return TransientError(f"the archive is in trouble ({status})", where=where, remedy="Try again later.")
        return PacsError(f"the archive refused the request ({status})", where=where)


def _failure_reason(response: requests.Response | None) -> int:
    if response is None:
        return 0
    try:
        failed = response.json()["00081198"]["Value"][0]
        return int(failed["00081197"]["Value"][0])
    except (ValueError, KeyError, IndexError, TypeError):
        return 0


def _value(answer: Json, tag: str) -> str:
    values = answer.get(tag, {}).get("Value") or [""]
    return str(values[0]).strip() if values[0] is not None else ""


def _count(text: str) -> int | None:
    return int(text) if text.isdigit() else None
