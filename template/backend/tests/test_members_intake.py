"""What a program in Node may not put into the queue in the name of a viewer."""

import uuid

import pytest

from tests.conftest import Connection, MintToken
from tests.test_imports import Office, office
from tests.test_intake import Program, failed_import, needs_node, program

__all__ = ["office", "program"]

pytestmark = needs_node


@pytest.mark.usefixtures("worker")
async def test_what_a_viewer_may_not_do_is_refused(
    office: Office, program: Program, token: MintToken, as_admin: Connection
) -> None:
    import_id = await failed_import(office, as_admin)
    viewer = token(user=uuid.uuid4().hex, org=office.name, role="viewer")
    refused = program.is_refused(viewer, "imports.run", {"import_id": import_id})
    assert "permission imports:write" in refused
