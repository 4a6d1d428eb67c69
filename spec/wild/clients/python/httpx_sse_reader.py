"""httpx-sse reads one response; coming back, with the last id, is the loop of its user, as its page shows."""

import os
import time

import httpx
from httpx_sse import connect_sse


def say(*words):
    print(*words, flush=True)


url = os.environ["HUB_URL"] + "/stream"
last_id, retry = "", 1.0
with httpx.Client(timeout=httpx.Timeout(10, read=45)) as client:
    while True:
        headers = {"Last-Event-ID": last_id} if last_id else {}
        try:
            with connect_sse(client, "GET", url, params={"topics": os.environ["HUB_TOPIC"]}, headers=headers) as source:
                source.response.raise_for_status()
                for event in source.iter_sse():
                    last_id = event.id or last_id
                    if event.retry is not None:
                        retry = event.retry / 1000
                    content = event.json()
                    if event.event == "message":
                        say("message", content["topic"], content["seq"], event.id)
                    elif event.event == "gap":
                        say("gap", content["reason"])
                    elif event.event == "position" and "node" in content:
                        verdict = content["topics"][0]
                        say("welcome", content["node"])
                        say("subscribed", verdict.get("recovered", "new"), verdict.get("reason", ""))
            say("lost", "the stream ended")
        except httpx.HTTPError as error:
            say("lost", repr(error))
        time.sleep(retry)
