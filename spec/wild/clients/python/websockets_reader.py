"""The websockets package: connect() as an iterator comes back by itself, the cursor goes with every subscribe."""

import asyncio
import json
import os

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


def say(*words):
    print(*words, flush=True)


async def main():
    cursor = None
    async for socket in connect(os.environ["HUB_URL"].replace("http", "ws") + "/ws"):
        request = {"op": "subscribe", "id": 1, "topics": [os.environ["HUB_TOPIC"]]}
        if cursor is not None:
            request["since"] = cursor
        try:
            await socket.send(json.dumps(request))
            async for text in socket:
                frame = json.loads(text)
                if frame["op"] == "welcome":
                    say("welcome", frame["node"])
                    continue
                if frame["op"] == "gap":
                    say("gap", frame["reason"])
                if frame["op"] == "ack" and not frame["ok"]:
                    say("refused", frame["error"]["code"])
                    continue
                cursor = frame.get("cursor", cursor)
                if frame["op"] == "ack":
                    verdict = frame["topics"][0]
                    say("subscribed", verdict.get("recovered", "new"), verdict.get("reason", ""))
                if frame["op"] == "message":
                    say("message", frame["message"]["topic"], frame["message"]["seq"], cursor)
        except ConnectionClosed as error:
            say("lost", error)


asyncio.run(main())
