"""Finding an engine while engines come and go."""

import psutil

from jupyter_remote_tunnel.commands.engines import Engines
from jupyter_remote_tunnel.engine.announce import Announcement
from jupyter_remote_tunnel.engine.background import start_background
from jupyter_remote_tunnel.engine.discovery import find_engine
from tests.support.leaks import assert_gone
from tests.support.user import User


async def test_one_that_ends_before_we_speak_to_it_is_replaced(user: User) -> None:
    first = await start_background()

    class Late(Engines):
        """Looks, and is overtaken by the end of what it has found."""

        def find(self) -> Announcement:
            found = super().find()
            if found == first:
                holder = psutil.Process(first.holder_pid)
                holder.terminate()
                assert_gone([holder])
            return found

    async with Late("shell") as engines:
        client = await engines.one(start=True)
        await client.ping()
        assert find_engine().holder_pid not in (first.holder_pid, client.welcome.pid)
