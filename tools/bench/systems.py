"""What compare.py measures and what it drives: the upstream, nginx (twice), HAProxy and the gateway, each pinned to a CPU."""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# Threads whose work may wait until the answer is out; all others are in a request's way.
BEHIND = ("storage", "export", "query", "status", "spill")
SYSTEM_CPU, LOAD_CPU = 0, 1
HERE = os.path.dirname(os.path.abspath(__file__))
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))

USAGE = {"prompt_tokens": 57, "completion_tokens": 90, "total_tokens": 147, "prompt_tokens_details": {"cached_tokens": 0},
         "completion_tokens_details": {"reasoning_tokens": 0}}
CHAT_ANSWER = {
    "id": "chatcmpl-0f1e2d3c4b5a69788796", "object": "chat.completion", "created": 1760000000, "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "some words " * 42}, "logprobs": None, "finish_reason": "stop"}],
    "usage": USAGE, "service_tier": "default", "system_fingerprint": "fp_00112233aa"}

NGINX = """
worker_processes 1; daemon off; pid @dir@/@name@.pid; error_log @dir@/@name@.err;
events { worker_connections 8192; }
http {
  keepalive_requests 1000000000; keepalive_timeout 600s; tcp_nodelay on; client_body_buffer_size 64k;
  client_body_temp_path @dir@/@name@.b; proxy_temp_path @dir@/@name@.p; fastcgi_temp_path @dir@/@name@.f;
  uwsgi_temp_path @dir@/@name@.u; scgi_temp_path @dir@/@name@.s;
  @http@
}
"""
# A POST to a file is a 405, which is turned into a GET of the recorded stream.
UPSTREAM = """
access_log off; open_file_cache max=16;
server {
  listen 127.0.0.1:@port@ backlog=4096; root @dir@/www;
  location = /v1/chat/completions { default_type application/json; return 200 '@chat@'; }
  location = /v1/stream { error_page 405 =200 /v1/recorded; try_files /none =405; }
  location = /v1/recorded { default_type text/event-stream; }
}
"""
PASS_THROUGH = """
upstream u { server 127.0.0.1:@upstream@; keepalive 1024; }
log_format line '$remote_addr $request $status $request_time'; access_log @dir@/@name@.log line buffer=64k flush=1s;
server {
  listen 127.0.0.1:@port@ backlog=4096;
  location /openai/ {
    proxy_pass http://u/; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off;
    proxy_buffering off; proxy_buffer_size 32k; proxy_buffers 8 32k; proxy_busy_buffers_size 64k;
  }
}
"""
HAPROXY = """
global
  nbthread 1
  maxconn 8192
defaults
  mode http
  option http-no-delay
  http-reuse always
  timeout connect 5s
  timeout client 600s
  timeout server 600s
frontend in
  bind 127.0.0.1:@port@
  default_backend out
backend out
  http-request replace-path /openai(/.*) \\1
  server s 127.0.0.1:@upstream@ pool-max-conn -1
"""
# After wrk's own report: answered, broken, refused, median and 99th percentile in us, and how many took 30 to 50 ms (the
# band in which a delayed ACK that waits for Nagle shows).
LOAD = """
wrk.method = 'POST'
wrk.headers['Content-Type'] = 'application/json'
wrk.headers['Authorization'] = 'Bearer sk-bench-00000000000000000000000000000000'
wrk.body = [=[@body@]=]
done = function(total, latency, requests)
  local slow = 0
  for i = 1, #latency do
    local us, count = latency(i)
    if us >= 30000 and us <= 50000 then slow = slow + count end
  end
  local e = total.errors
  io.write(string.format('FIGURES %d %d %d %d %d %d\\n', total.requests, e.connect + e.read + e.write + e.timeout, e.status,
                         latency:percentile(50), latency:percentile(99), slow))
end
"""


def fill(template, **values):
    return re.sub(r"@(\w+)@", lambda m: str(values[m.group(1)]), template)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def recorded_stream(events=200):
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1760000000, "model": "gpt-4o-mini-2024-07-18",
            "system_fingerprint": "fp_1"}
    parts = [dict(head, choices=[{"index": 0, "delta": {"content": f" word{i}"}, "logprobs": None, "finish_reason": None}], usage=None)
             for i in range(events)] + [dict(head, choices=[], usage=USAGE)]
    return "".join(f"data: {json.dumps(p, separators=(',', ':'))}\n\n" for p in parts) + "data: [DONE]\n\n"


def request_body(streamed):
    return json.dumps({"model": "gpt-4o-mini", "stream": streamed, "temperature": 0.7, "max_tokens": 256, "messages": [
        {"role": "system", "content": "You answer briefly."}, {"role": "user", "content": "What is a gateway good for? " * 8}]})


def stat_of(path):
    """(name, fields after it) of a /proc stat file; names may hold spaces and brackets."""
    with open(path) as f:
        raw = f.read()
    return raw[raw.index("(") + 1:raw.rindex(")")], raw[raw.rindex(")") + 1:].split()


def listing(path):
    try:
        return os.listdir(path)
    except OSError:
        return []


class System:
    """One process (with its children) on one CPU; its port; and what it has used of the CPU."""

    def __init__(self, name, port, command, cpu, prefix="/openai", **popen):
        self.name, self.port, self.prefix = name, port, prefix
        self.process = subprocess.Popen(["taskset", "-c", str(cpu), *command], start_new_session=True, **popen)
        self.await_port()

    def await_port(self, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                sys.exit(f"bench: {self.name} ended at its start with status {self.process.returncode}")
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        sys.exit(f"bench: {self.name} does not listen on port {self.port} after {seconds} s")

    def pids(self):
        own = self.process.pid
        found = [own]
        for entry in listing("/proc"):
            try:
                if entry.isdigit() and int(stat_of(f"/proc/{entry}/stat")[1][1]) == own:
                    found.append(int(entry))
            except OSError:
                pass  # it ended meanwhile
        return found

    def cpu_by_thread(self):
        """CPU seconds by thread name without its number, children included."""
        used = {}
        for pid in self.pids():
            for task in listing(f"/proc/{pid}/task"):
                try:
                    name, fields = stat_of(f"/proc/{pid}/task/{task}/stat")
                except OSError:
                    continue
                name = re.sub(r"[-_#]?\d+$", "", name)
                used[name] = used.get(name, 0) + (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
        return used

    def cpu_seconds(self):
        """The whole process, threads that have ended included."""
        total = 0
        for pid in self.pids():
            try:
                fields = stat_of(f"/proc/{pid}/stat")[1]
                total += (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
            except OSError:
                pass
        return total

    def anonymous_mib(self):
        kib = 0
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/status") as f:
                    kib += int(re.search(r"RssAnon:\s+(\d+)", f.read()).group(1))
            except (OSError, AttributeError):
                pass
        return kib / 1024

    def load(self, script, path, connections, seconds):
        """Drives it with wrk from the other CPU."""
        url = f"http://127.0.0.1:{self.port}{self.prefix}{path}"
        run = subprocess.run(["taskset", "-c", str(LOAD_CPU), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s",
                              "-s", script, url], capture_output=True, text=True)
        figures = re.search(r"FIGURES (.*)", run.stdout)
        if not figures:
            sys.exit(f"bench: wrk on {self.name} gave no figures: {run.stderr or run.stdout}")
        answered, broken, refused, p50, p99, slow = map(int, figures.group(1).split())
        return dict(answered=answered, failed=broken + refused, p50=p50, p99=p99, slow=slow)

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)

    def wait(self):
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Gateway(System):
    """The gateway with an empty database of its own, default settings and its access log in a file."""

    def __init__(self, binary, folder, upstream_port, settings):
        port = free_port()
        clean = {k: v for k, v in os.environ.items() if not re.match(r"ONGOINGAI_|OTEL_|(?i:.*_proxy$)", k)}
        env = dict(clean, ONGOINGAI_HOST="127.0.0.1", ONGOINGAI_PORT=str(port), ONGOINGAI_STORAGE_PATH=f"{folder}/traces.db",
                   ONGOINGAI_OPENAI_UPSTREAM=f"http://127.0.0.1:{upstream_port}", **settings)
        with open(f"{folder}/gateway.log", "w") as out, open(f"{folder}/stderr", "a") as err:
            super().__init__("gateway", port, [os.path.abspath(binary), "serve", "--config", ""], SYSTEM_CPU, env=env, cwd=folder,
                             stdout=out, stderr=err)

    def get(self, path):
        with DIRECT.open(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return json.load(answer)

    def pipeline(self):
        return self.get("/api/diagnostics/trace-pipeline")["diagnostics"]

    def settle(self, expected, seconds=60):
        """Waits until `expected` traces are stored and none is queued; the CPU that takes is the run's. Returns the number stored."""
        end = time.monotonic() + seconds
        while True:
            stored = self.get("/api/health")["trace_count"]
            if (stored >= expected and self.pipeline()["queue_depth"] == 0) or time.monotonic() > end:
                return stored
            time.sleep(0.2)


def start_all(folder, work, binary, settings):
    """Starts everything. Returns (systems by name, in the order in which they take turns; the upstream; script; path)."""
    def put(name, text):
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        return path

    def nginx(name, port, cpu, http, **values):
        inner = fill(http, dir=folder, name=name, port=port, **values)
        conf = put(f"{name}.conf", fill(NGINX, dir=folder, name=name, http=inner))
        return System(name.replace("-", " "), port, ["nginx", "-p", folder, "-c", conf], cpu, **quiet)

    started = {}
    with open(f"{folder}/stderr", "a") as err:
        quiet = dict(stdout=subprocess.DEVNULL, stderr=err)
        script = put("load.lua", fill(LOAD, body=request_body(work != "chat")))
        put("www/v1/recorded", recorded_stream())
        source = free_port()
        try:
            if work == "paced":
                subprocess.run(["g++", "-O2", "-std=c++20", f"{HERE}/pacer.cpp", "-o", f"{folder}/pacer"], check=True)
                started["upstream"] = System("upstream", source, [f"{folder}/pacer", str(source), "100", "10"], LOAD_CPU, **quiet)
            else:
                started["upstream"] = nginx("upstream", source, LOAD_CPU, UPSTREAM, chat=json.dumps(CHAT_ANSWER, separators=(",", ":")))
            started["upstream"].prefix = ""
            started["nginx"] = nginx("nginx", free_port(), SYSTEM_CPU, PASS_THROUGH, upstream=source)
            started["gateway"] = Gateway(binary, folder, source, settings)
            port = free_port()
            conf = put("haproxy.cfg", fill(HAPROXY, port=port, upstream=source))
            started["haproxy"] = System("haproxy", port, ["haproxy", "-f", conf], SYSTEM_CPU, **quiet)
            started["nginx again"] = nginx("nginx-again", free_port(), SYSTEM_CPU, PASS_THROUGH, upstream=source)
        except BaseException:
            stop_all(started.values())
            raise
    return started, script, "/v1/chat/completions" if work == "chat" else "/v1/stream"


def stop_all(systems):
    for system in systems:
        system.stop()
    for system in systems:
        system.wait()
