# ruff: noqa: T201
"""Users: they ask a service without a pause, half of them by one connection, half by a new one each time.

Usage: python tests/infra/cluster/load.py URL; a line on stdin ends it. SERVICE_KEY is their key.
Prints one JSON object: answers by model version, answers by status, and what failed, by what it was.
"""

import collections
import json
import os
import sys
import threading
import time

import httpx

USERS = 4
PAUSE = 0.01  # seconds between two requests of a user; two processors serve them, and the cluster besides
ROW = {"x": 1.0}
ended = threading.Event()
answers: collections.Counter[str] = collections.Counter()
failures: collections.Counter[str] = collections.Counter()


def ask(client, url):
    """Ask once, and count what came."""
    try:
        answer = client.post(f"{url}/predict", json=ROW)
    except httpx.HTTPError as error:
        failures[f"{type(error).__name__}: {error}"] += 1
        return
    if answer.status_code == 200:
        answers[str(answer.json()["model_version"])] += 1
    else:
        failures[f"status {answer.status_code}"] += 1


def user(url, stays):
    """Ask until the end."""
    settings = {"headers": {"Authorization": f"Bearer {os.environ['SERVICE_KEY']}"}, "timeout": 20, "trust_env": False}
    with httpx.Client(**settings) as kept:
        while not ended.is_set():
            if stays:
                ask(kept, url)
            else:
                with httpx.Client(**settings) as client:
                    ask(client, url)
            time.sleep(PAUSE)


if __name__ == "__main__":
    users = [threading.Thread(target=user, args=(sys.argv[1], number % 2 == 0)) for number in range(USERS)]
    for one in users:
        one.start()
    print("asks", flush=True)
    sys.stdin.readline()
    ended.set()
    for one in users:
        one.join()
    print(json.dumps({"answers": answers, "failures": failures}))
