"""sseclient-py over requests: it reads one response; coming back, with the last id, is the loop of its user."""

import json
import os
import time

import requests
import sseclient


def say(*words):
    print(*words, flush=True)


url = os.environ["HUB_URL"] + "/stream"
last_id, retry = "", 1.0
while True:
    headers = {"Accept": "text/event-stream"}
    if last_id:
        headers["Last-Event-ID"] = last_id
    try:
        params = {"topics": os.environ["HUB_TOPIC"]}
        response = requests.get(url, params=params, headers=headers, stream=True, timeout=(10, 45))
        response.raise_for_status()
        for event in sseclient.SSEClient(response).events():
            last_id = event.id or last_id
            if event.retry is not None:
                retry = int(event.retry) / 1000
            content = json.loads(event.data)
            if event.event == "message":
                say("message", content["topic"], content["seq"], event.id)
            elif event.event == "gap":
                say("gap", content["reason"])
            elif event.event == "position" and "node" in content:
                verdict = content["topics"][0]
                say("welcome", content["node"])
                say("subscribed", verdict.get("recovered", "new"), verdict.get("reason", ""))
        say("lost", "the stream ended")
    except requests.RequestException as error:
        say("lost", repr(error))
    time.sleep(retry)
