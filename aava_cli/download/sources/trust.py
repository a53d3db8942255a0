"""Whom TLS trusts, and who it says that we are."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from typing import TYPE_CHECKING

from aava_cli.errors import NetworkError

if TYPE_CHECKING:
    from pathlib import Path

    from aava_cli.download.sources.http import Access


def trust_of(access: Access) -> ssl.SSLContext:
    """Return whom to trust, and who to be, where *access* is needed.

    Raises:
        NetworkError: the certificates that it names cannot be used.
    """
    named = os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", "")
    return _trust(access.certificates, access.client_certificate, named)


@lru_cache
def _trust(
    certificates: Path | None, client_certificate: Path | None, environment: tuple[str, str]
) -> ssl.SSLContext:
    """Return a context that trusts *certificates*, the *environment*'s, or those of certifi.

    One does for all connections: reading the certificates takes tens of milliseconds.
    """
    try:
        context = _trusting(certificates)
        if client_certificate:
            context.load_cert_chain(client_certificate)
    except OSError as error:
        named = " or ".join(f"`{path}`" for path in (certificates, client_certificate) if path)
        message = f"the certificates of {named} cannot be used: {error.strerror or error}"
        raise NetworkError(message, hint="check the settings of pip or npm") from error
    if not certificates and not any(environment):
        import certifi

        # Minimal systems have no certificates of their own.
        context.load_verify_locations(certifi.where())
    return context


def _trusting(certificates: Path | None) -> ssl.SSLContext:
    if certificates and certificates.is_dir():
        return ssl.create_default_context(capath=certificates)
    return ssl.create_default_context(cafile=certificates)
