"""Certificates as browsers will judge them: those in files, before they are used here, and those
that a TLS server shows. Whom this machine trusts is OpenSSL's to say (SSL_CERT_FILE is obeyed).
"""

import asyncio
import ssl
import stat
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from ..model.address import bracketed
from ..model.errors import cause
from ..model.publication import Check
from ..model.text import plain

SOON = timedelta(days=14)
"""An end that is told of. Let's Encrypt's are renewed 30 days before theirs."""

_LET_IN = (
    "Does the web server listen there (sudo ss -ltnp), and does every firewall on the way let"
    " visitors in?"
)
_ORDER = "That of this server comes first, and those that vouch for it behind it."
_WHOLE_CHAIN = (
    "If that is an intermediate one, use the file with the whole chain (certbot: fullchain.pem)."
)
_NO_QUOTES = str.maketrans("“”", "''")
_LARGEST = 1 << 20
_SMALLEST_RSA = 2048
_LARGEST_RSA = 8192
_PATIENCE = 10.0

# OpenSSL's X509_V_ERR_…
_EXPIRED = (9, 10)
_SELF_SIGNED = 18
_UNKNOWN_AUTHORITY = (2, 19, 20, 21, 27)

# What a host shows can be damaged, or of a kind that is not known here. Some of that is found when
# a part of it is asked for.
_UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


class _Unfit(Exception):
    """Why a file cannot be used, and what to do about it."""

    def __init__(self, says: str, advice: str) -> None:
        super().__init__(says)
        self.says = says
        self.advice = advice


def check_files(
    certificate: Path,
    key: Path,
    names: Sequence[str],
    *,
    insist: bool = False,
    called: tuple[str, str] | None = None,
) -> list[Check]:
    """Whether a server on this machine can show the certificate, and browsers will take it.

    :param certificate: PEM: the certificate, and behind it those that vouch for it.
    :param key: PEM; it may be the same file.
    :param names: by which browsers reach it, as DNS has them, or addresses.
    :param insist: take what no authority vouches for that this machine trusts.
    :param called: how the two files are called in what is said, if not by their paths.
    """
    shown, key_shown = (plain(name, 300) for name in called or (str(certificate), str(key)))
    try:
        chain = _read_chain(certificate, shown)
    except _Unfit as unfit:
        return [_failed("certificate", unfit.says, unfit.advice)]
    checks = [_judge(chain[0], names, shown)]
    try:
        _check_key(key, key_shown, chain, shown)
        group = _may_be_read_by_group(key, key_shown)
    except _Unfit as unfit:
        return [*checks, _failed("key", unfit.says, unfit.advice)]
    if group:
        checks.append(Check("key", "note", f"{key_shown} may be read by its group, too."))
    else:
        checks.append(Check("key", "ok", f"{key_shown} is the certificate's key, and yours alone."))
    fault = _refused_by_clients(certificate, key)
    if _is_out_of_date(fault) and not _is_of_today(chain[0]):
        return checks  # that was said: nobody looks further
    return [*checks, _trust(chain[0], fault, insist=insist)]


def check_chain(
    data: bytes, shown: str, names: Sequence[str], *, insist: bool = False
) -> list[Check]:
    """What can be told of a certificate without its key, before a server shows it: whether
    authorities vouch for it that browsers trust is not.

    :param data: PEM: the certificate, and behind it those that vouch for it.
    :param shown: how it is called in what is said.
    :param names: as for `check_files`.
    :param insist: take what nobody vouches for.
    """
    try:
        leaf, *others = _parse_chain(data, shown)
    except _Unfit as unfit:
        return [_failed("certificate", unfit.says, unfit.advice)]
    if not _is_for(leaf, names) and any(_is_for(one, names) for one in others):
        says = f"{shown} holds the certificates in the wrong order."
        return [_failed("certificate", says, _ORDER)]
    judged = _judge(leaf, names, shown)
    if not _is_of_today(leaf):
        return [judged]  # nobody looks further
    above = [one for one in others if _is_signed_by(leaf, one)]
    if _is_signed_by(leaf, leaf):
        return [judged, _self_signed(insist=insist)]
    if not above:
        says = f"{shown} does not hold the certificate of its issuer, “{_issuer(leaf)}”."
        return [judged, Check("trust", "note", says, advice=_WHOLE_CHAIN)]
    return [judged] if any(map(_is_of_today, above)) else [judged, _out_of_date()]


def is_of_key(data: bytes, public: bytes) -> bool | None:
    """Whether a certificate is for the key of which that is the public half; None where either
    cannot be read.

    :param data: PEM, as for `check_chain`.
    :param public: PEM.
    """
    try:
        leaf, *_ = _parse_chain(data, "")
        return leaf.public_key() == serialization.load_pem_public_key(public)
    except (_Unfit, *_UNREADABLE):
        return None


async def check_presented(
    address: str, port: int, name: str, *, insist: bool = False, patience: float = _PATIENCE
) -> Check:
    """What the TLS server at an address shows to those who ask for `name`.

    :param insist: take what no authority vouches for that this machine trusts.
    :param patience: seconds.
    """
    place = f"{bracketed(address)}:{port}"
    try:
        async with asyncio.timeout(patience):
            fault = await _fault_presented(address, port, name)
            leaf = await _presented(address, port, name)
    except TimeoutError:
        return _failed("certificate", f"{place} did not answer within {patience:g} s.", _LET_IN)
    except ssl.SSLError as error:
        reason = plain(error.reason or str(error), 100)
        says = f"{place} does not speak TLS as browsers do: {reason}."
        return _failed("certificate", says, "Does something else listen there?")
    except OSError as error:
        says = f"{place} is not reached: {plain(cause(error), 100)}."
        return _failed("certificate", says, _LET_IN)
    judged = _judge(leaf, [name], f"What {place} shows")
    return judged if judged.verdict == "failed" else _worse(judged, leaf, fault, insist=insist)


def _worse(
    judged: Check, leaf: x509.Certificate, fault: ssl.SSLError | None, *, insist: bool
) -> Check:
    trust = _trust(leaf, fault, insist=insist)
    return (
        judged
        if trust.verdict == "ok"
        else Check(
            judged.name,
            trust.verdict,
            trust.says,
            advice=trust.advice,
            remedy=trust.remedy,
            details=judged.details,
        )
    )


def _failed(name: str, says: str, advice: str = "", details: Sequence[str] = ()) -> Check:
    return Check(name, "failed", says, advice=advice, remedy="certificate", details=tuple(details))


# In files.


def _read(path: Path, shown: str, what: str) -> bytes:
    """:raises _Unfit: it cannot be read."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise _Unfit(f"{shown} is no file.", f"Name the file that holds the {what}.")
        if found.st_size > _LARGEST:
            raise _Unfit(f"{shown} is too large for a {what}.", "Is it another file?")
        return path.read_bytes()
    except OSError as error:
        advice = f"Name the file that holds the {what}."
        if isinstance(error, PermissionError):
            advice = "Jupyter reads it as you: ask who runs this machine for a copy that is yours."
        raise _Unfit(f"{shown} cannot be read: {error.strerror}.", advice) from None


def _read_chain(path: Path, shown: str) -> list[x509.Certificate]:
    """:raises _Unfit: there is none."""
    return _parse_chain(_read(path, shown, "certificate"), shown)


def _parse_chain(data: bytes, shown: str) -> list[x509.Certificate]:
    """:raises _Unfit: it holds none."""
    try:
        found = x509.load_pem_x509_certificates(data)
        for one in found:
            _ = one.not_valid_before_utc, one.not_valid_after_utc  # that is when they are read
    except _UNREADABLE:
        advice = (
            "It begins with “-----BEGIN CERTIFICATE-----”. If it is one in DER: openssl x509"
            f" -inform DER -in {shown} -out certificate.pem"
        )
        raise _Unfit(f"{shown} holds no certificate in PEM.", advice) from None
    return found


def _check_key(path: Path, shown: str, chain: Sequence[x509.Certificate], chain_shown: str) -> None:
    """:raises _Unfit: it cannot be used with that certificate."""
    data = _read(path, shown, "key")
    try:
        # Whether the primes are primes takes minutes to find out where a host has sent large ones,
        # and meanwhile this process does nothing else. Whether it signs is what matters.
        key = serialization.load_pem_private_key(
            data, password=None, unsafe_skip_rsa_key_validation=True
        )
    except TypeError:  # which says that a password is lacking
        advice = f"Write it without: openssl pkey -in {shown} -out key.pem"
        raise _Unfit(f"{shown} opens with a passphrase, which nobody types here.", advice) from None
    except _UNREADABLE:
        advice = "It begins with “-----BEGIN PRIVATE KEY-----” or the like."
        raise _Unfit(f"{shown} holds no private key in PEM.", advice) from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise _Unfit(f"{shown} is of a kind that browsers do not take.", "Take ECDSA or RSA.")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < _SMALLEST_RSA:
        says = f"{shown} has {key.key_size} bits, which can be broken."
        raise _Unfit(says, f"RSA takes {_SMALLEST_RSA} at least.")
    if isinstance(key, rsa.RSAPrivateKey) and _bits(key) > _LARGEST_RSA:
        says = f"{shown} has more bits than it takes, and is slow."
        raise _Unfit(says, f"RSA takes {_LARGEST_RSA} at most; 3072 are enough.")
    if isinstance(key, rsa.RSAPrivateKey) and not _signs(key):
        raise _Unfit(f"{shown} is damaged: what it signs is not valid.", "Have another one made.")
    fits = [_is_of(key, one) for one in chain]
    if fits[0]:
        return
    if any(fits):
        raise _Unfit(f"{chain_shown} holds the certificates in the wrong order.", _ORDER)
    raise _Unfit(f"{shown} is not the key of {chain_shown}.", "They are made as a pair.")


def _is_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, one: x509.Certificate) -> bool:
    """Whether it is the key of that certificate."""
    try:
        return one.public_key() == key.public_key()
    except _UNREADABLE:
        return False


def _bits(key: rsa.RSAPrivateKey) -> int:
    """Of the largest number that is calculated with."""
    of = key.private_numbers()
    numbers = (of.public_numbers.n, of.d, of.p, of.q, of.dmp1, of.dmq1, of.iqmp)
    return max(number.bit_length() for number in numbers)


def _signs(key: rsa.RSAPrivateKey) -> bool:
    """Whether who has the public part believes what it signs."""
    how = padding.PKCS1v15(), hashes.SHA256()
    try:
        key.public_key().verify(key.sign(b"", *how), b"", *how)
    except (InvalidSignature, InternalError, ValueError):
        return False
    return True


def _may_be_read_by_group(path: Path, shown: str) -> bool:
    """:raises _Unfit: everybody may read it."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o007:
        says = f"Other users of this machine may read {shown} ({mode:04o})."
        raise _Unfit(says, f"chmod 600 {shown} and, where others log in, have a new one made.")
    return bool(mode & 0o070)


def _refused_by_clients(certificate: Path, key: Path) -> ssl.SSLError | None:
    """How a client of this machine would refuse it; None: it would take it."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        server.load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as error:
        return error
    client = ssl.create_default_context()
    client.check_hostname = False  # that was judged
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (client.wrap_bio(to_client, to_server), server.wrap_bio(to_server, to_client, True))
    for end in (*ends, *ends):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLError as error:
            return error
    return None


# At an address.


async def _fault_presented(address: str, port: int, name: str) -> ssl.SSLError | None:
    """How a client of this machine refuses what is shown; None: it takes it.

    :raises OSError: nothing is shown.
    """
    try:
        await _greet(address, port, name, ssl.create_default_context())
    except ssl.SSLCertVerificationError as error:
        return error
    return None


async def _presented(address: str, port: int, name: str) -> x509.Certificate:
    """The certificate, whatever it is.

    :raises OSError: none is shown.
    """
    anything = ssl.create_default_context()
    anything.check_hostname = False
    anything.verify_mode = ssl.CERT_NONE
    der = await _greet(address, port, name, anything)
    try:
        return x509.load_der_x509_certificate(der)
    except _UNREADABLE:
        raise ssl.SSLError("what it shows is no certificate") from None


async def _greet(address: str, port: int, name: str, context: ssl.SSLContext) -> bytes:
    _, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname=name)
    try:
        shown: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return shown or b""
    finally:
        writer.transport.abort()


# What is thought of it.


def covers(certificate: x509.Certificate, name: str) -> bool:
    """Whether a browser that asks for `name` (or an address) takes it for that."""
    names = _names(certificate)
    if names is None:
        return False
    try:
        return ip_address(name) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        pass
    _, dot, domain = name.lower().partition(".")
    wanted = {name.lower(), f"*{dot}{domain}"}
    return any(known.lower() in wanted for known in names.get_values_for_type(x509.DNSName))


def _is_for(certificate: x509.Certificate, names: Sequence[str]) -> bool:
    return all(covers(certificate, name) for name in names)


def _names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    """Whose it is; None where it does not say so, or not as it should."""
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, *_UNREADABLE):
        return None


def _judge(leaf: x509.Certificate, names: Sequence[str], shown: str) -> Check:
    """The certificate by itself: its names and its dates."""
    now = datetime.now(UTC)
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    details, renew = _details(leaf), "Have it renewed, or name another one."
    missing = [name for name in names if not covers(leaf, name)]
    if missing:
        says = f"{shown} is not for {plain(', '.join(missing), 300)}."
        return _failed("certificate", says, "Name one that is, or publish under its name.", details)
    if now > end:
        return _failed("certificate", f"{shown} ended on {end:%Y-%m-%d}.", renew, details)
    if now < begin:
        advice = "Is the clock of this machine right?"
        says = f"{shown} begins on {begin:%Y-%m-%d %H:%M} UTC."
        return _failed("certificate", says, advice, details)
    if end - now < SOON:
        says = f"{shown} ends soon, on {end:%Y-%m-%d}."
        return Check(
            "certificate", "note", says, advice=renew, remedy="certificate", details=details
        )
    says = f"{shown} is for {plain(', '.join(names), 300)}, until {end:%Y-%m-%d}."
    return Check("certificate", "ok", says, details=details)


def _details(leaf: x509.Certificate) -> tuple[str, ...]:
    found = _names(leaf)
    names = "none" if found is None else ", ".join(str(name.value) for name in found)
    fingerprint = leaf.fingerprint(hashes.SHA256()).hex(":").upper()
    half = len(fingerprint) // 2
    return (
        f"Its names: {plain(names, 300)}",
        f"Signed by: {_issuer(leaf)}",
        # In one line it would be broken anywhere, and it is there to be compared.
        f"SHA-256: {fingerprint[:half]}",
        fingerprint[half + 1 :],
    )


def _issuer(leaf: x509.Certificate) -> str:
    try:
        # It stands in quotes, and ends none of them.
        return plain(leaf.issuer.rfc4514_string(), 200).translate(_NO_QUOTES) or "nobody"
    except ValueError:
        return "nobody"


def _is_signed_by(one: x509.Certificate, by: x509.Certificate) -> bool:
    try:
        one.verify_directly_issued_by(by)
    except (TypeError, InvalidSignature, *_UNREADABLE):
        return False
    return True


def _is_of_today(leaf: x509.Certificate) -> bool:
    return leaf.not_valid_before_utc <= datetime.now(UTC) <= leaf.not_valid_after_utc


def _verify_code(fault: ssl.SSLError | None) -> int | None:
    return fault.verify_code if isinstance(fault, ssl.SSLCertVerificationError) else None


def _is_out_of_date(fault: ssl.SSLError | None) -> bool:
    """Whether a client refuses it for the dates of one of the certificates."""
    return _verify_code(fault) in _EXPIRED


def _trust(leaf: x509.Certificate, fault: ssl.SSLError | None, *, insist: bool) -> Check:
    """Who vouches for it."""
    if fault is None:
        return Check("trust", "ok", f"Browsers trust who signed it: {_issuer(leaf)}.")
    if _is_out_of_date(fault):
        return _out_of_date()
    code = _verify_code(fault)
    if code == _SELF_SIGNED or (code in _UNKNOWN_AUTHORITY and _is_signed_by(leaf, leaf)):
        return _self_signed(insist=insist)
    if code in _UNKNOWN_AUTHORITY:
        says = f"No authority that this machine trusts vouches for it: “{_issuer(leaf)}” signed it."
        advice = f"{_WHOLE_CHAIN} If it is your organization's own, browsers have to know it."
        return _untrusted(says, advice, insist=insist)
    said = plain(getattr(fault, "verify_message", "") or fault.reason or str(fault), 200)
    return _failed("trust", f"Clients of TLS refuse it: {said}.", "Have another one made.")


def _out_of_date() -> Check:
    advice = "Name a file that holds the chain as it is now (certbot: fullchain.pem)."
    return _failed("trust", "One of the certificates that vouch for it is out of date.", advice)


def _self_signed(*, insist: bool) -> Check:
    says = "It is self-signed: nobody vouches for it, and browsers warn everybody who comes."
    advice = "Visitors have to compare its fingerprint. Let's Encrypt vouches for a name."
    return _untrusted(says, advice, insist=insist)


def _untrusted(says: str, advice: str, *, insist: bool) -> Check:
    if insist:
        return Check("trust", "note", says, advice=advice)
    return _failed("trust", says, f"{advice} To take it as it is: --self-signed")
