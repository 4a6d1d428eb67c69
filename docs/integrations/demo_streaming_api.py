"""A tour of the streaming API: publish over HTTP, read over Socket.IO and server-sent events, recover.

  AXIOM_URL=http://localhost:8001 AXIOM_TOKEN=<token or publish key> python3 demo_streaming_api.py

It needs python-socketio (`apt-get install python3-socketio python3-websocket`); everything else is Python's own.
"""
import json
import os
import queue
import sys
import urllib.error
import urllib.parse
import urllib.request

import socketio

URL = os.environ.get("AXIOM_URL", "http://localhost:8001")
TOKEN = os.environ.get("AXIOM_TOKEN", "")
WAIT_S = 10
TOPIC = f"signals:demo-{os.getpid()}"


def step(text):
    print(f"\n== {text}")


def show(value):
    print("  ", json.dumps(value))


def call(method, path, data=None, **headers):
    body = None if data is None else json.dumps(data).encode()
    request = urllib.request.Request(URL + path, data=body, method=method)
    if TOKEN:
        request.add_header("Authorization", f"Bearer {TOKEN}")
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    with urllib.request.urlopen(request, timeout=WAIT_S) as response:
        return json.load(response)


def publish(number, key=None):
    path = f"/api/topics/{urllib.parse.quote(TOPIC)}/messages"
    return call("POST", path, {"number": number}, **({"Idempotency_Key": key} if key else {}))


def expect(found, wanted):
    if found != wanted:
        sys.exit(f"expected {wanted}, got {found}")


class Watcher:
    """A Socket.IO client that keeps what it sees.

    This library runs every packet in a thread of its own, and they overtake one another: `seq` tells the order. Where
    the order is all that counts, take its asyncio client.
    """

    def __init__(self):
        self.seen, self.answers = queue.Queue(), queue.Queue()
        self.cursor = None
        self.client = socketio.Client(reconnection=False)
        self.client.on("message", lambda message, cursor: self.seen.put((message["seq"], cursor, message)))

    def subscribe(self, **options):
        auth = {"token": TOKEN} if TOKEN else None
        self.client.connect(URL, transports=["websocket"], auth=auth)
        self.client.emit("subscribe", {"topics": [TOPIC], **options}, callback=self.answers.put)
        answer = self.answers.get(timeout=WAIT_S)
        if not answer["ok"]:
            sys.exit(answer["error"]["message"])
        return answer

    def numbers(self, count):
        found = sorted((self.seen.get(timeout=WAIT_S) for _ in range(count)), key=lambda item: item[0])
        self.cursor = found[-1][1]
        return [message["data"]["number"] for _, _, message in found]


def read_events(last_event_id, count):
    """The first messages of an event stream after a cursor."""
    query = urllib.parse.urlencode({"topics": TOPIC})
    request = urllib.request.Request(f"{URL}/stream?{query}", headers={"Last-Event-ID": last_event_id})
    if TOKEN:
        request.add_header("Authorization", f"Bearer {TOKEN}")
    numbers, name = [], None
    with urllib.request.urlopen(request, timeout=WAIT_S) as response:
        for raw in response:
            line = raw.decode().rstrip("\n")
            if line.startswith("event:"):
                name = line[6:].strip()
            elif line.startswith("data:") and name is None:
                numbers.append(json.loads(line[5:])["data"]["number"])
                if len(numbers) == count:
                    return numbers
            elif line == "":
                name = None
    return numbers


def main():
    step("The hub")
    health = call("GET", "/health")
    # The last two are for administrators and private networks.
    show({name: health.get(name) for name in ("status", "version", "instances")})
    show([stream["name"] for stream in call("GET", "/api/streams")["streams"]])

    step("Socket.IO: subscribe, and see what is published")
    first = Watcher()
    show(first.subscribe())
    for number in (1, 2, 3):
        show(publish(number))
    numbers = first.numbers(3)
    expect(numbers, [1, 2, 3])
    show(numbers)

    step("The same publication twice is one message")
    key = f"demo-{os.getpid()}-4"
    show(publish(4, key))
    show(publish(4, key))
    expect(first.numbers(1), [4])

    step("Away, while others publish; then back with the cursor")
    cursor = first.cursor
    first.client.disconnect()
    for number in (5, 6, 7):
        publish(number)
    second = Watcher()
    show(second.subscribe(since=cursor)["topics"])
    numbers = second.numbers(3)
    expect(numbers, [5, 6, 7])
    show(numbers)
    second.client.disconnect()

    step("The same cursor over server-sent events")
    numbers = read_events(cursor, 3)
    expect(numbers, [5, 6, 7])
    show(numbers)

    step("History")
    history = call("GET", f"/api/topics/{urllib.parse.quote(TOPIC)}/messages?limit=10")
    numbers = [message["data"]["number"] for message in history["messages"]]
    expect(numbers, [1, 2, 3, 4, 5, 6, 7])
    show(numbers)
    print("\nDone.")


if __name__ == "__main__":
    try:
        main()
    except urllib.error.HTTPError as error:
        sys.exit(f"{error.code}: {error.read().decode()}")
    except queue.Empty:
        sys.exit(f"nothing came within {WAIT_S} s")
