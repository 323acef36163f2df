"""EXIF, edited in place: what a camera said, once the pixels were turned.

    EXIF of the input -> [adapted] -> EXIF that is true of the output

EXIF is a small TIFF: directories of 12-byte entries, whose longer values lie elsewhere in it, found
by their offset. Makers' notes hold offsets of their own that nobody but the maker knows, so nothing
is moved here: single values are overwritten where they are.

Source: EXIF 2.32 (CIPA DC-008-2019), 4.6.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["PREFIX", "adapted", "density", "has_position"]

PREFIX = b"Exif\0\0"  # of a JPEG segment; elsewhere the TIFF stands alone

ORIENTATION, EXIF_DIRECTORY = 0x0112, 0x8769
COLOR_SPACE, WIDTH, HEIGHT, INTEROPERABILITY = 0xA001, 0xA002, 0xA003, 0xA005
THUMBNAIL, THUMBNAIL_BYTES = 0x0201, 0x0202
INTEROPERABILITY_INDEX = 0x0001
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
GPS_DIRECTORY, LATITUDE, LONGITUDE = 0x8825, 2, 4
SHORT, LONG, RATIONAL = 3, 4, 5
PER_INCH = {2: 1.0, 3: 2.54}  # units of density: 1 is none
ADOBE_RGB, SRGB, UNCALIBRATED = 2, 1, 0xFFFF


@dataclass(frozen=True)
class Entry:
    """One entry of a directory."""

    at: int  # of the value, or of the offset to a longer one
    kind: int
    value: int  # of a short or long, and of an offset


class Editor:
    """An EXIF structure whose values can be looked up and overwritten."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data.removeprefix(PREFIX))
        self._order = {b"II": "<", b"MM": ">"}.get(bytes(self.data[:2]), "")

    @property
    def sound(self) -> bool:
        """Whether the first directory can be read."""
        return bool(self._order) and len(self.data) >= 8 and bool(self.directory(self.first()))

    def first(self) -> int:
        """Return where the first directory is."""
        return self._number("I", 4)

    def following(self, start: int) -> int:
        """Return where the directory after the one at `start` is; 0 for none."""
        return self._number("I", self._end(start))

    def directory(self, start: int) -> dict[int, Entry]:
        """Return the entries of the directory at `start` by their tags, as far as they go."""
        return dict(self._entries(start)) if 8 <= start <= len(self.data) - 2 else {}

    def ratio(self, entry: Entry) -> float | None:
        """Return the value of a rational; None if there is none."""
        above, below = (self._number("I", entry.value + at) for at in (0, 4))
        return above / below if entry.kind == RATIONAL and below else None

    def put(self, entry: Entry, value: int) -> None:
        """Overwrite a short or long."""
        if entry.kind in (SHORT, LONG):
            struct.pack_into(self._order + "HI"[entry.kind - SHORT], self.data, entry.at, value)

    def cut_thumbnail(self) -> None:
        """Leave out the second directory, and the small picture that it leads to."""
        if not 8 <= self.first() <= len(self.data) - 2:
            return
        start = self.following(self.first())
        found = self.directory(start)
        if self._end(self.first()) + 4 <= len(self.data):
            struct.pack_into(self._order + "I", self.data, self._end(self.first()), 0)
        if THUMBNAIL not in found or THUMBNAIL_BYTES not in found:
            return
        begin, size = found[THUMBNAIL].value, found[THUMBNAIL_BYTES].value
        end = min(begin + size, len(self.data))
        if 8 <= begin < end:
            self.data[begin:end] = bytes(end - begin)
            if end >= len(self.data) - 3:  # it is the last, as nearly always
                del self.data[begin:]

    def _entries(self, start: int) -> Iterator[tuple[int, Entry]]:
        count = self._number("H", start)
        for at in range(start + 2, min(start + 2 + 12 * count, len(self.data) - 11), 12):
            tag, kind, _, value = struct.unpack_from(self._order + "HHII", self.data, at)
            if kind == SHORT:
                value = self._number("H", at + 8)
            yield tag, Entry(at + 8, kind, value)

    def _end(self, start: int) -> int:
        return start + 2 + 12 * self._number("H", start)

    def _number(self, form: str, at: int) -> int:
        size = struct.calcsize("=" + form)
        whole = at + size <= len(self.data)
        return int(struct.unpack_from(self._order + form, self.data, at)[0]) if whole else 0


def density(exif: bytes) -> tuple[float, float] | None:
    """Return the density that EXIF tells, horizontal and vertical dots per inch; None if none."""
    editor = Editor(exif)
    main = editor.directory(editor.first()) if editor.sound else {}
    if X_RESOLUTION not in main or Y_RESOLUTION not in main:
        return None
    factor = PER_INCH.get(main[RESOLUTION_UNIT].value if RESOLUTION_UNIT in main else 2)
    x, y = (editor.ratio(main[tag]) for tag in (X_RESOLUTION, Y_RESOLUTION))
    return (x * factor, y * factor) if x and y and factor else None


def has_position(exif: bytes) -> bool:
    """Whether EXIF tells where on earth the picture was taken."""
    editor = Editor(exif)
    main = editor.directory(editor.first()) if editor.sound else {}
    where = editor.directory(main[GPS_DIRECTORY].value) if GPS_DIRECTORY in main else {}
    return LATITUDE in where or LONGITUDE in where


def adapted(exif: bytes, *, turned: bool, converted: bool) -> bytes:
    """Return EXIF that is true of a picture that was turned upright.

    Parameters
    ----------
    exif : with or without the "Exif" prefix of JPEG
    turned : whether rows and columns were exchanged
    converted : whether colors were converted to sRGB

    Returns
    -------
    bytes, without the prefix
        The orientation is 1, sizes and color space are those of the output, and the thumbnail is
        gone, for it shows the picture as it was. All else is as it was. b"" if it is no EXIF.
    """
    editor = Editor(exif)
    if not editor.sound:
        return b""
    main = editor.directory(editor.first())
    if ORIENTATION in main:
        editor.put(main[ORIENTATION], 1)
    details = editor.directory(main[EXIF_DIRECTORY].value) if EXIF_DIRECTORY in main else {}
    if turned and WIDTH in details and HEIGHT in details:
        width, height = details[WIDTH], details[HEIGHT]
        editor.put(width, height.value)
        editor.put(height, width.value)
    if converted:
        _say_srgb(editor, details)
    editor.cut_thumbnail()
    return bytes(editor.data)


def _say_srgb(editor: Editor, details: dict[int, Entry]) -> None:
    """Say what the colors are now, where the camera said that they are Adobe RGB or unknown."""
    if COLOR_SPACE in details and details[COLOR_SPACE].value in (ADOBE_RGB, UNCALIBRATED):
        editor.put(details[COLOR_SPACE], SRGB)
    if INTEROPERABILITY in details:
        index = editor.directory(details[INTEROPERABILITY].value).get(INTEROPERABILITY_INDEX)
        if index and editor.data[index.at : index.at + 3] == b"R03":  # the rule for Adobe RGB
            editor.data[index.at : index.at + 3] = b"R98"
