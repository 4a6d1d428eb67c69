"""python-socketio with asyncio. It knows no recovery of its own: the cursor goes with every subscribe."""

import asyncio
import os

import socketio

topic = os.environ["HUB_TOPIC"]
cursor = None
sio = socketio.AsyncClient()


def say(*words):
    print(*words, flush=True)


@sio.event
async def connect():
    request = {"topics": [topic]}
    if cursor is not None:
        request["since"] = cursor
    await sio.emit("subscribe", request, callback=subscribed)


def subscribed(ack):
    global cursor
    if not ack["ok"]:
        return say("refused", ack["error"]["code"])
    cursor = cursor or ack["cursor"]
    verdict = ack["topics"][0]
    say("subscribed", verdict.get("recovered", "new"), verdict.get("reason", ""))


@sio.event
async def message(message, position):
    global cursor
    cursor = position
    say("message", message["topic"], message["seq"], position)


@sio.event
async def welcome(info, position):
    say("welcome", info["node"])


@sio.event
async def gap(info):
    say("gap", info["reason"])


@sio.event
async def connect_error(data):
    say("lost", "connect_error", data)


@sio.event
async def disconnect(reason):
    say("lost", reason)


async def main():
    await sio.connect(os.environ["HUB_URL"], retry=True)
    await sio.wait()
    say("ended", "wait() returned")


asyncio.run(main())
