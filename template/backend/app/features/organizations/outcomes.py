"""What the database answers to whoever manages an organization, as problems."""

from app.security.problems import Problem

_REFUSALS = {
    "managed_by_provider": (
        409,
        "Managed elsewhere",
        "The sign-in provider says who belongs to this organization: change it there.",
        "managed-by-provider",
    ),
    "last_owner": (
        409,
        "The last owner",
        "An organization needs an owner: make somebody else one first.",
        "last-owner",
    ),
    "owners_only": (
        403,
        "Not allowed",
        "Only an owner may do this to or for an owner.",
        "owners-only",
    ),
    "no_key": (403, "Not allowed", "No API key may do this: sign in.", "about:blank"),
    "not_allowed": (403, "Not allowed", "Your role does not allow this.", "about:blank"),
    "not_found": (404, "Not found", "There is no such member.", "about:blank"),
}


def require_done(outcome: str) -> None:
    """Go on only if the database did what it was asked for.

    Raises:
        Problem: it did not; the problem says why.
    """
    if outcome != "done":
        status, title, detail, kind = _REFUSALS[outcome]
        raise Problem(status, title, detail, type=kind)
