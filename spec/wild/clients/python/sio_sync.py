"""python-socketio, the client with threads. It knows no recovery of its own: the cursor goes with every subscribe."""

import os
import threading

import socketio

topic = os.environ["HUB_TOPIC"]
seen = threading.Lock()  # handlers run in threads of their own
last = (0, None)  # the highest seq, and the cursor that came with it
sio = socketio.Client()
writing = threading.Lock()


def say(*words):
    with writing:  # print writes its words one by one
        print(*words, flush=True)


@sio.event
def connect():
    request = {"topics": [topic]}
    if last[1] is not None:
        request["since"] = last[1]
    sio.emit("subscribe", request, callback=subscribed)


def subscribed(ack):
    global last
    if not ack["ok"]:
        return say("refused", ack["error"]["code"])
    with seen:
        if last[1] is None:
            last = (0, ack["cursor"])
    verdict = ack["topics"][0]
    say("subscribed", verdict.get("recovered", "new"), verdict.get("reason", ""))


@sio.event
def message(message, cursor):
    global last
    with seen:
        if message["seq"] > last[0]:
            last = (message["seq"], cursor)
        say("message", message["topic"], message["seq"], cursor)


@sio.event
def welcome(info, cursor):
    say("welcome", info["node"])


@sio.event
def gap(info):
    say("gap", info["reason"])


@sio.event
def connect_error(data):
    say("lost", "connect_error", data)


@sio.event
def disconnect(reason):
    say("lost", reason)


sio.connect(os.environ["HUB_URL"], retry=True)
sio.wait()
say("ended", "wait() returned")
