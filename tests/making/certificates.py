"""Certificate chains for signing, made for the tests alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest


def chain(folder: Path, *, days: int = 30, mail: bool = True, rsa: bool = False) -> tuple[str, str]:
    """Paths of a chain (PEM, its own certificate first) and of the key; valid for `days` from
    yesterday on. Without `mail` the certificate is for nothing that C2PA takes.

    Skips the test that asks for it where the extra `c2pa` is not installed.
    """
    pytest.importorskip("c2pa", reason="the extra c2pa is not installed")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric import rsa as rsas
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    began = datetime.now(UTC) - timedelta(days=abs(days) + 1 if days < 0 else 1)
    root = ec.generate_private_key(ec.SECP256R1())
    own = rsas.generate_private_key(65537, 2048) if rsa else ec.generate_private_key(ec.SECP256R1())

    def named(name: str) -> x509.Name:
        organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tests")
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name), organisation])

    def signed(name: str, key: object, *, is_root: bool) -> x509.Certificate:
        usage = dict.fromkeys(
            (
                *("digital_signature", "content_commitment", "key_encipherment"),
                *("data_encipherment", "key_agreement", "key_cert_sign", "crl_sign"),
                *("encipher_only", "decipher_only"),
            ),
            False,
        )
        usage["key_cert_sign" if is_root else "digital_signature"] = True
        purpose = ExtendedKeyUsageOID.EMAIL_PROTECTION if mail else ExtendedKeyUsageOID.SERVER_AUTH
        builder = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named("root of the tests"))
            .public_key(key)  # type: ignore[arg-type]
            .serial_number(x509.random_serial_number())
            .not_valid_before(began)
            .not_valid_after(began + timedelta(days=abs(days)))
            .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()),
                critical=False,
            )
        )
        if not is_root:
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        return builder.sign(root, hashes.SHA256())

    pem = serialization.Encoding.PEM
    certificate, key = folder / "chain.pem", folder / "key.pem"
    both = [
        signed("signer of the tests", own.public_key(), is_root=False),
        signed("root of the tests", root.public_key(), is_root=True),
    ]
    certificate.write_bytes(b"".join(one.public_bytes(pem) for one in both))
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key.write_bytes(own.private_bytes(pem, form, plain))
    return str(certificate), str(key)
