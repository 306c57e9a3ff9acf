"""An authorizer that grants one action on our resource, and everything on others."""

import os
from typing import Any

from jupyter_server.auth.authorizer import Authorizer


class Granted(Authorizer):
    """`JRT_TEST_GRANTED` names the action."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return resource != "remote_tunnel" or action == os.environ["JRT_TEST_GRANTED"]
