"""The bundle's worker: takes what was said and counts its words, once a second, until SIGTERM.

Jobs are taken from the list `jobs` in Redis (a queue in RabbitMQ once the box has one).
"""
import json
import os
import signal
import sys

import redis
from prometheus_client import Counter, start_http_server

done = Counter("jobs_done_total", "Jobs that the worker finished")
ending = False


def end(*_):
    global ending
    ending = True


def main():
    signal.signal(signal.SIGTERM, end)
    start_http_server(int(os.environ.get("PORT", "8080")))
    connection = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://redis:6379/0"), health_check_interval=30)
    was_told = False
    while not ending:
        try:
            job = connection.blpop(["jobs"], timeout=1)
            was_told = False
        except redis.RedisError as e:
            if not was_told:
                print(json.dumps({"level": "WARN", "service": "worker", "message": str(e)}), flush=True)
            was_told = True
            signal.sigtimedwait([], 1)   # Redis is away: once a second is often enough
            continue
        if job:
            connection.hincrby("words", "count", len(job[1].split()))
            done.inc()
    sys.exit(0)


main()
