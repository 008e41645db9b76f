#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The collectors against the real thing: promtool's verdicts, what a Prometheus server scrapes, and what its API answers."""
import concurrent.futures
import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

from sources import BUILD, fetch
from wire import OPENMETRICS, TEXT, Answers

from harness import Skipped, check, run_tests, until

PROMETHEUS_CONFIG = """
global: {{ scrape_interval: 500ms, scrape_timeout: 500ms }}
scrape_configs:
- job_name: app
  static_configs: [{{ targets: ["{target}"] }}]
- job_name: openmetrics
  static_configs:
{rows}
"""


def table(name):
    rows = [line.split(" ") for line in subprocess.check_output([BUILD / "bin" / "verdicts"], text=True).splitlines()]
    return [(verdict == "1", bytes.fromhex(text)) for kind, verdict, text in rows if kind == name]


def need(program):
    if not shutil.which(program):
        raise Skipped(f"{program} is not installed")


def promtool_accepts(text):
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    check(done.returncode in (0, 1, 3), f"promtool ends with 0, 1 or, for its hints on style, 3: {done}")
    return done.returncode != 1


def verdicts_are_promtools(scratch):
    need("promtool")
    rows = table("promtool")
    check(len(rows) >= 60, f"the table has at least 60 rows, not {len(rows)}")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for (expected, text), accepts in zip(rows, pool.map(promtool_accepts, [text for _, text in rows])):
            check(accepts == expected, f"promtool {'accepts' if accepts else 'rejects'} {text!r}, the table says otherwise")


class Prometheus:
    """A server with its data in the scratch folder, scraping a page and every row of the OpenMetrics table."""

    def __init__(self, scratch, app, rows):
        need("prometheus")
        target = f"127.0.0.1:{app.server_address[1]}"
        row = '  - {{ targets: ["{}"], labels: {{ __metrics_path__: "/om/{}", row: "{}" }} }}\n'
        configs = "".join(row.format(target, i, i) for i in range(rows))
        config = scratch.path / "prometheus.yml"
        config.write_text(PROMETHEUS_CONFIG.format(target=target, rows=configs or "    []"))
        self.log = open(scratch.path / "prometheus.log", "wb")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={scratch.path}/data",
             f"--web.listen-address=127.0.0.1:{self.port}"], stdout=self.log, stderr=self.log)
        scratch.own(self)
        until("Prometheus is ready", lambda: self.get("/-/ready"), seconds=30)

    def get(self, path):
        with contextlib.suppress(OSError, urllib.error.URLError):
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return answer.read()
        return None

    def query(self, expression):
        answer = json.loads(self.get(f"/api/v1/query?query={urllib.request.quote(expression)}"))
        return answer["data"]["result"]

    def end(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(scratch, rows=()):
    pages = {f"/om/{i}": (200, {"Content-Type": OPENMETRICS}, text) for i, (_, text) in enumerate(rows)}
    counter = iter(range(10 ** 9))

    def app(handler):
        body = (f"# TYPE requests_total counter\nrequests_total{{code=\"200\"}} {100 + next(counter)}\n"
                "requests_total{code=\"500\"} 7\n"
                "# TYPE odd gauge\nodd{v=\"nan\"} NaN\nodd{v=\"inf\"} +Inf\nheap_bytes 5e8\n").encode()
        handler.send_response(200)
        handler.send_header("Content-Type", TEXT)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
    server = scratch.own(Answers(pages | {"/metrics": app}))
    return server, Prometheus(scratch, server, len(rows))


def openmetrics_is_what_a_server_takes(scratch):
    rows = table("openmetrics")
    _, prometheus = start(scratch, rows)
    until("every row was scraped", lambda: len(prometheus.query('up{job="openmetrics"}')) == len(rows), seconds=30)
    up = {int(series["metric"]["row"]): series["value"][1] == "1" for series in prometheus.query('up{job="openmetrics"}')}
    unlike = [(text, up[i]) for i, (expected, text) in enumerate(rows) if up[i] != expected]
    check(not unlike, f"the table says otherwise than the server (text, taken): {unlike}")


def the_api_answers(scratch):
    _, prometheus = start(scratch)
    until("the page was scraped twice", lambda: prometheus.query("count_over_time(heap_bytes[1m]) >= 2"), seconds=30)
    queries = {
        "heap": ("heap_bytes", 5e8), "scalar": ("scalar(heap_bytes) / 2", 2.5e8), "sum": ('sum(requests_total{code=~"5.."})', 7),
        "inf": ('odd{v="inf"}', float("inf")), "ratio": ("heap_bytes / 1e9 + 0", 0.5),
    }
    got = fetch(len(queries), *(f"q.{name}:{text}" for name, (text, _) in queries.items()), kind="promql", url=prometheus.url)
    for name, (text, value) in queries.items():
        check(got.value(f"q.{name}") == value, f"{text} is {value}: {got}")
    check(all(sample["age_s"] < 2 for sample in got.samples), f"an instant query's values are of now: {got}")

    got = fetch(2, 'q.nan:odd{v="nan"}', "q.empty:no_such_series", kind="promql", url=prometheus.url)
    values = [s["value"].strip("-") for s in got.samples]
    check(values == ["nan", "nan"] and not got.failures, f"NaN and nothing are unknown: {got}")

    got = fetch(1, "q.range:heap_bytes", kind="promql", url=prometheus.url, range_ms=10000)
    check(got.value("q.range") == 5e8 and got.samples[0]["age_s"] < 3, f"the newest point of a range: {got}")


def the_api_refuses(scratch):
    _, prometheus = start(scratch)
    until("the page was scraped", lambda: prometheus.query("heap_bytes"), seconds=30)
    rows = {
        "sum(": "q.x: the server answers bad_data", "heap_bytes * on(job) requests_total": "q.x: the server answers execution",
        "requests_total": "q.x: the query gives 2 series", '"text"': "q.x: not an answer",
        'label_replace(requests_total, "code", "x", "code", ".*")': "q.x: the server answers execution",
    }
    for text, failure in rows.items():
        got = fetch(1, f"q.x:{text}", kind="promql", url=prometheus.url)
        check(got.failures and got.failures[0].startswith(failure), f"{text}: `{failure}` expected: {got}")
    got = fetch(1, "q.x:heap_bytes", kind="promql", url=f"{prometheus.url}/nowhere")
    check(got.failures == ["q.x: HTTP status 404"], f"no API there: {got}")


def it_scrapes_prometheus_itself(scratch):
    """Some hundred series of a real program in OpenMetrics, three of them kept."""
    _, prometheus = start(scratch)
    signals = ("p.heap:go_memstats_heap_inuse_bytes", 'p.get:prometheus_http_requests_total{handler="/-/ready"}',
               'p.fast:prometheus_http_request_duration_seconds_bucket{handler="/-/ready",le="0.10"}')
    got = fetch(3, *signals, url=f"{prometheus.url}/metrics")
    check(got.value("p.heap") > 1e6 and got.value("p.get") >= 1 and got.value("p.fast") >= 1, f"all three are there: {got}")
    check(got.stats["series"] > 200, f"of many: {got}")


def a_stale_series_ages_out(scratch):
    """A server looks back five minutes for an instant query; where it takes lookback_delta, max_age bounds that."""
    server, prometheus = start(scratch)
    until("the page was scraped", lambda: prometheus.query("heap_bytes"), seconds=30)
    server.pages["/metrics"] = (200, {"Content-Type": TEXT}, b"other 1\n")
    until("the series has ended", lambda: not prometheus.query("heap_bytes"), seconds=30)
    got = fetch(1, "q.heap:heap_bytes", kind="promql", url=prometheus.url)
    check(str(got.value("q.heap")) == "nan", f"a series that ended is unknown: {got}")
    time.sleep(0.1)
    prometheus.end()
    got = fetch(1, "q.heap:heap_bytes", kind="promql", url=prometheus.url)
    check(got.failures and not got.samples, f"a server that is gone is a failure: {got}")


if __name__ == "__main__":
    run_tests(verdicts_are_promtools, openmetrics_is_what_a_server_takes, the_api_answers, the_api_refuses,
              it_scrapes_prometheus_itself, a_stale_series_ages_out)
