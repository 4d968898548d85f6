"""A signed manifest of C2PA in a finished file (C2PA specification 2), by c2pa-python.

It says that the input was opened, as the file's ingredient, and what was done to it, with IPTC's
digital source type; and it holds a hash of the file. Nothing is asked of the network: no time stamp
is fetched, no remote manifest and no OCSP. Who reads it decides whether to trust the certificate.
"""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from videnhance.errors import CheckError, ContainerError, OutputError, UsageError, line_of
from videnhance.files import written
from videnhance.media.reading.marks import TERMS
from videnhance.media.writing.marks import Mark

OPTION = "--sign"
FITTING = (".mp4", ".m4v", ".mov", ".avi", ".png")
"""Outputs that can hold a manifest."""
_MIME = {
    **{".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".avi": "video/avi"},
    **{".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"},
    **{".tif": "image/tiff", ".tiff": "image/tiff", ".mkv": "video/x-matroska"},
}
_OTHER = "application/octet-stream"
_OFFLINE = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
_UNTRUSTED = "signingCredential.untrusted"
"""What is found of every certificate that is on no list; which to trust is the reader's choice."""
_BLANK = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c63600000000200014873a40a0000000049454e44ae426082"
)
"""A PNG of one pixel, signed to find out whether that can be done."""


@dataclass(frozen=True)
class Signatory:
    """Who signs: a certificate chain, its own first, and the key of that one, both PEM."""

    name: str
    """The certificate's common name."""
    algorithm: str
    """C2PA's name of it."""
    certificates: bytes
    key: bytes

    @staticmethod
    def of(pair: tuple[str, str], output: Path) -> Signatory:
        """Read the two files, and try them; raises UsageError, and ContainerError for an output
        that cannot hold a manifest."""
        if output.suffix.lower() not in FITTING:
            raise ContainerError(
                f"{output}: holds no C2PA manifest ({OPTION}); name it {', '.join(FITTING[:-1])} "
                f"or {FITTING[-1]}"
            )
        try:
            import c2pa  # noqa: F401
        except ImportError:
            raise UsageError(
                f'{OPTION}: needs c2pa-python; install it with: pip install "videnhance[c2pa]"'
            ) from None
        chain, key = (_content(Path(file)) for file in pair)
        name, algorithm = _examined(pair, chain, key)
        signatory = Signatory(name, algorithm, chain, key)
        try:
            signatory._sign(_TRIAL, "image/png", io.BytesIO(_BLANK), io.BytesIO())
        except Exception as error:  # of the library, whose errors have no base of their own
            raise UsageError(
                f"{OPTION} {pair[0]}: C2PA does not take it ({line_of(error)}); name a certificate "
                "for signing documents or mail, with its chain"
            ) from None
        return signatory

    def sign(self, part: Path, output: Path, mark: Mark, source: Path, sha256: str | None) -> None:
        """Put a signed manifest into the finished file `part`, which is to become `output`.

        `source`: the input, of that SHA-256, which is named as what it was made from. The signed
        file is written anew beside `part` and takes its place once it has been read back. Raises
        OutputError, CheckError.
        """
        mime = _MIME[output.suffix.lower()]
        signed = part.with_name(f"{part.name}.signed")
        try:
            with written(part, signed):
                with part.open("rb") as before, signed.open("w+b") as after:
                    manifest = _manifest(output.name, mark)
                    self._sign(manifest, mime, before, after, (source, sha256))
                    os.fsync(after.fileno())
                require_valid(output, signed, mime)
        except (CheckError, OutputError):
            raise
        except Exception as error:
            raise OutputError(
                f"{output}: cannot be signed ({line_of(error)}); leave {OPTION} out, and the rest "
                "is used"
            ) from error

    def _sign(
        self,
        manifest: dict[str, Any],
        mime: str,
        before: BinaryIO,
        after: BinaryIO,
        source: tuple[Path, str | None] | None = None,
    ) -> None:
        import c2pa

        context = c2pa.Context(c2pa.Settings.from_dict(_OFFLINE))
        info = c2pa.C2paSignerInfo(self.algorithm, self.certificates, self.key, None)
        with c2pa.Builder.from_json(json.dumps(manifest), context=context) as builder:
            if source is not None:
                path, sha256 = source
                said = {"description": f"SHA-256 {sha256}"} if sha256 else {}
                own = {"title": path.name, "relationship": "parentOf", **_LINK, **said}
                with path.open("rb") as file:
                    kind = _MIME.get(path.suffix.lower(), _OTHER)
                    builder.add_ingredient(json.dumps(own), kind, file)
            builder.sign(c2pa.Signer.from_info(info), mime, before, after)


_LINK = {"label": "source", "instance_id": "source"}


def _manifest(title: str, mark: Mark) -> dict[str, Any]:
    """What was done: the input was opened, and edited, or only encoded anew."""
    done: dict[str, Any] = {"action": "c2pa.transcoded"}
    if mark.term is not None:
        done = {
            "action": "c2pa.edited",
            "digitalSourceType": TERMS + mark.term,
            "description": mark.about,
        }
    opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": [_LINK["label"]]}}
    return _claimed(title, mark.tool, [opened, done])


def _claimed(title: str, tool: str, actions: list[dict[str, Any]]) -> dict[str, Any]:
    """The definition of a manifest. `tool`: program and version, which did these things."""
    name, _, version = tool.partition(" ")
    agent = {"name": name, "version": version}
    done = [{**action, "softwareAgent": agent} for action in actions]
    return {
        "claim_generator_info": [agent],
        "title": title,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": done}}],
    }


_CREATED = {"action": "c2pa.created", "digitalSourceType": f"{TERMS}screenCapture"}
_TRIAL = _claimed("trial", "videnhance 0", [_CREATED])


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{OPTION} {path}: cannot be read ({error.strerror}); name a certificate chain and its "
            "key, two files of PEM"
        ) from None


def _examined(pair: tuple[str, str], chain: bytes, key: bytes) -> tuple[str, str]:
    """The common name and the algorithm; raises UsageError where the two do not belong together,
    or not to this day."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509.oid import NameOID

    try:
        own = x509.load_pem_x509_certificates(chain)[0]
    except ValueError as error:
        raise UsageError(
            f"{OPTION} {pair[0]}: is no certificate chain in PEM ({line_of(error)}); name the "
            "certificate first, then its key"
        ) from None
    try:
        private = load_pem_private_key(key, None)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{OPTION} {pair[1]}: is no private key in PEM without a password ({line_of(error)}); "
            "name the certificate first, then its key"
        ) from None
    if private.public_key() != own.public_key():
        raise UsageError(
            f"{OPTION} {pair[1]}: is not the key of the first certificate in {pair[0]}; name the "
            "two that belong together"
        )
    begin, end = own.not_valid_before_utc, own.not_valid_after_utc
    if not begin <= datetime.now(UTC) <= end:
        raise UsageError(
            f"{OPTION} {pair[0]}: its certificate is valid from {begin:%Y-%m-%d} to {end:%Y-%m-%d} "
            "only; name one that is valid today"
        )
    names = own.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    name = str(names[0].value) if names else own.subject.rfc4514_string()
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return name, {256: "es256", 384: "es384"}.get(private.curve.key_size, "es512")
    if isinstance(private, rsa.RSAPrivateKey):
        return name, "ps256"
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return name, "ed25519"
    raise UsageError(f"{OPTION} {pair[1]}: C2PA takes no such key; name an EC, RSA or Ed25519 key")


def require_valid(output: Path, signed: Path, mime: str) -> None:
    """Raises CheckError where the manifest is not found or its hashes do not fit the file."""
    import c2pa

    context = c2pa.Context(c2pa.Settings.from_dict(_OFFLINE))
    with signed.open("rb") as file, c2pa.Reader(mime, file, context=context) as reader:
        found = json.loads(reader.json())
    wrong = found["validation_results"]["activeManifest"]["failure"]
    codes = sorted({one["code"] for one in wrong} - {_UNTRUSTED})
    if codes:
        raise CheckError(
            f"{output}: its C2PA manifest does not hold ({', '.join(codes)}); leave {OPTION} out, "
            "and please report this"
        )
