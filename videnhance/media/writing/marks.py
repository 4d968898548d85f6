"""How a file says of itself that it was enhanced, and how: IPTC's digital source type.

MP4, MOV    a packet of XMP in a uuid box behind all else (Adobe's XMP specification, part 3, 1.1)
PNG         the same packet as text of its own keyword
Matroska    two tags (also in WebM)
AVI         the same in its comment

Nothing in it depends on the time or the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from videnhance.media.reading.marks import TERMS, UNMARKED, XMP_BOX, FoundMarks

INVENTED = "compositeWithTrainedAlgorithmicMedia"
"""IPTC's term for a recording with parts that a trained network made up."""
ENHANCED = "algorithmicallyEnhanced"
"""That for one that was corrected by an algorithm."""
PNG_KEYWORD = "XML:com.adobe.xmp"
"""Of the text that holds XMP (XMP specification, part 3, 1.1.5)."""
TAGS = ("DIGITAL_SOURCE_TYPE", "ENHANCED_WITH")
"""Names of the tags in Matroska."""

_STRENGTH = {
    "trainedAlgorithmicMedia": 4,
    INVENTED: 3,
    "compositeSynthetic": 3,
    "virtualRecording": 2,
    "algorithmicMedia": 2,
    ENHANCED: 1,
}
"""Of two marks a file gets the one that says more of what is not recorded; others have 0."""


@dataclass(frozen=True)
class Mark:
    """What a result says of itself."""

    term: str | None = None
    """INVENTED or ENHANCED; None where nothing was done to what is seen."""
    about: str = ""
    """By what, in a few words."""
    tool: str = ""
    """Program and version."""
    found: FoundMarks = UNMARKED
    """What the source says of itself, which is carried on."""

    @property
    def strongest(self) -> str | None:
        """The term that the file gets: of what was done, or of its source if that says more."""
        every = [term for term in (self.term, *self.found.terms) if term is not None]
        return max(every, key=lambda term: _STRENGTH.get(term, 0), default=None)

    @property
    def url(self) -> str | None:
        return None if self.strongest is None else TERMS + self.strongest

    @property
    def sentence(self) -> str:
        """For people who look at the file's properties."""
        own = f"{self.tool}: {self.about}" if self.term is not None else ""
        source = f"its source was marked {', '.join(self.found.terms)}" if self.found.terms else ""
        return "; ".join(filter(None, (own, source)))

    @property
    def xmp(self) -> str:
        """A packet of XMP; empty where there is nothing to say."""
        if self.url is None:
            return ""
        return (
            '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
            '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
            '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
            '<rdf:Description rdf:about=""'
            ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
            ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
            ' xmlns:xmp="http://ns.adobe.com/xap/1.0/">\n'
            f"<Iptc4xmpExt:DigitalSourceType>{self.url}</Iptc4xmpExt:DigitalSourceType>\n"
            f"<xmp:CreatorTool>{escape(self.tool)}</xmp:CreatorTool>\n"
            '<dc:description><rdf:Alt><rdf:li xml:lang="x-default">'
            f"{escape(self.sentence)}</rdf:li></rdf:Alt></dc:description>\n"
            "</rdf:Description>\n</rdf:RDF>\n</x:xmpmeta>\n"
            '<?xpacket end="w"?>'
        )

    @property
    def text(self) -> dict[str, str]:
        """For a PNG (writing.png)."""
        return {PNG_KEYWORD: self.xmp} if self.xmp else {}

    def tags(self, muxer: str, there: Mapping[str, str]) -> dict[str, str]:
        """The metadata by which FFmpeg's muxer of that name writes it, where that can; `there` is
        what the file says besides."""
        if self.url is None:
            return {}
        if muxer in ("matroska", "webm"):
            return dict(zip(TAGS, (self.url, self.sentence), strict=True))
        if muxer == "avi":
            own, before = f"{self.sentence} ({self.url})", there.get("comment", "")
            return {} if own in before else {"comment": "; ".join(filter(None, (before, own)))}
        return {}

    def append(self, path: Path, muxer: str) -> None:
        """Write it behind all else of a finished MP4 or MOV: no offset in the file changes."""
        if muxer not in ("mp4", "mov") or not self.xmp:
            return
        content = XMP_BOX + self.xmp.encode()
        with path.open("ab") as file:
            file.write((8 + len(content)).to_bytes(4, "big") + b"uuid" + content)

    def as_json(self) -> dict[str, Any]:
        """For the record."""
        return {
            "digital source type": self.url,
            "says": self.sentence,
            "of the source": [TERMS + term for term in self.found.terms],
            "source is signed": self.found.is_signed,
        }


NO_MARK = Mark()
