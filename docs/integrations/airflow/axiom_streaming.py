"""An Airflow DAG that publishes a batch to Axiom Streaming and waits for an answer on another topic.

Environment: AXIOM_URL, AXIOM_TOKEN. Nothing but the standard library and Airflow 3.

- A retry publishes nothing twice: the id of each message is made from the run, and the hub remembers ids for five
  minutes. Keep `retries * retry_delay` below that.
- The sensor misses no answer: it asks for what came after a cursor that was read before the batch was published. It
  gives its slot back between two looks (`mode="reschedule"`).
"""
import json
import os
import urllib.parse
import urllib.request
from datetime import datetime, timedelta

from airflow.sdk import PokeReturnValue, dag, task

TOPIC = "signals:airflow/prices"
ANSWERS = "signals:airflow/done"


def call(method, path, data=None):
    request = urllib.request.Request(os.environ["AXIOM_URL"] + path, method=method)
    request.add_header("Authorization", "Bearer " + os.environ["AXIOM_TOKEN"])
    body = None if data is None else json.dumps(data).encode()
    with urllib.request.urlopen(request, body, timeout=30) as response:
        return json.load(response)


def messages_after(topic, cursor):
    query = "?" + urllib.parse.urlencode({"since": cursor}) if cursor else "?limit=1"
    return call("GET", f"/api/topics/{urllib.parse.quote(topic, safe='')}/messages{query}")


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(seconds=5)},
    tags=["axiom-streaming"],
)
def axiom_streaming():
    @task
    def position():
        return messages_after(ANSWERS, None)["cursor"]

    @task
    def publish(cursor, run_id=None):
        rows = [{"symbol": symbol, "price": price} for symbol, price in (("AAPL", 187.2), ("MSFT", 411.9))]
        batch = [{"topic": TOPIC, "data": row, "id": f"{run_id}:{n}"} for n, row in enumerate(rows)]
        results = call("POST", "/api/messages", batch)["results"]
        refused = [result["error"] for result in results if not result["ok"]]
        if refused:
            raise RuntimeError(f"refused: {refused}")
        return cursor

    @task.sensor(poke_interval=1, timeout=120, mode="reschedule")
    def answered(cursor):
        page = messages_after(ANSWERS, cursor)
        if page.get("recovered") is False:
            raise RuntimeError(f"messages since {cursor} are no longer kept: {page['reason']}")
        found = [message["data"] for message in page["messages"]]
        return PokeReturnValue(is_done=bool(found), xcom_value=found)

    @task
    def report(answers):
        print("answered with", json.dumps(answers))

    report(answered(publish(position())))


axiom_streaming()
