"""Why a caller is not let in, in two versions: one for the log, one for the caller."""


class InvalidToken(Exception):  # noqa: N818 - the caller's fault, said as what it is: a 401
    """The access token is refused.

    Attributes:
        reason: what exactly was wrong, for the log. It may quote the token's claims, so it never
            goes into a response.
        detail: what the caller may know: whether a new token would help, and nothing more.
    """

    def __init__(self, reason: str, detail: str = "The access token is not valid.") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


class KeysUnavailable(Exception):  # noqa: N818 - the provider's fault: a 503
    """The provider's signing keys cannot be read, and the cached ones do not settle the matter.

    Attributes:
        reason: what happened when they were last asked for, for the log.
        retry_after: seconds after which asking again makes sense.
    """

    def __init__(self, reason: str, retry_after: int = 5) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


def www_authenticate(refused: InvalidToken | None = None) -> str:
    """The `WWW-Authenticate` value of a 401 (RFC 6750, section 3).

    Without a token there is nothing to explain, so the challenge carries no error code.
    """
    if refused is None:
        return 'Bearer realm="api"'
    return f'Bearer realm="api", error="invalid_token", error_description="{refused.detail}"'
