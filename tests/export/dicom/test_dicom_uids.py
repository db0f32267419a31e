from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from calcimeasure.io.dicom_uids import content_uid

PARTS = st.lists(st.one_of(st.text(max_size=8), st.binary(max_size=8)), min_size=1, max_size=4)


@given(parts=PARTS)
def test_uids_are_valid_and_follow_from_content(parts: list[str | bytes]) -> None:
    uid = content_uid(*parts)

    assert UID(uid).is_valid
    assert len(uid) <= 64
    assert uid == content_uid(*parts)


@given(one=PARTS, other=PARTS)
def test_other_content_gives_another_uid(one: list[str | bytes], other: list[str | bytes]) -> None:
    def as_bytes(parts: list[str | bytes]) -> list[bytes]:
        return [part if isinstance(part, bytes) else part.encode() for part in parts]

    assert (content_uid(*one) == content_uid(*other)) == (as_bytes(one) == as_bytes(other))


def test_a_uid_never_changes_between_releases() -> None:
    # Tracking UIDs of old studies must still be made by new versions.
    assert content_uid("deposit", "abc", 1) == "2.25.96111863478587961999694899290479520390"
