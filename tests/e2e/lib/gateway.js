// Starts and stops the gateway's binary in a scratch folder and reads what it says: API, JSON log lines, stored rows,
// /proc.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { DatabaseSync } from 'node:sqlite';
import { until, within } from './wait.js';

export const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
export const binary = path.resolve(process.env.GW_BINARY ?? path.join(repository, 'build/release/ongoingai'));
/** The same with nothing taken out of what leaves it (src/CMakeLists.txt). */
export const unscrubbed = path.join(path.dirname(binary), 'ongoingai_unscrubbed');
/** True for a sanitizer build: memory, system calls and allocations say nothing there. */
export const sanitized = Boolean(process.env.GW_SANITIZED);

const cleanEnvironment = Object.fromEntries(
  Object.entries(process.env).filter(([key]) => !/^(ONGOINGAI_|OTEL_|SSL_CERT_|NODE_|GW_)|_proxy$/i.test(key)),
);
const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });

/** A port that was free a moment ago. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

export class Gateway {
  /**
   * options: dir (scratch folder), openai and anthropic (upstream URLs), config (merged into the YAML), yaml (the whole
   * file as a text instead; host and port then come from the environment), env, args (replaces serve's), port, wrapper
   * (command and arguments put before the binary), ready (false: do not wait), stdout ('pipe' or a file descriptor),
   * program (another binary).
   */
  static async start(options) {
    for (let attempt = 1; ; attempt++) {
      const self = new Gateway(options);
      self.port = options.port ?? (await freePort());
      self.#spawn();
      if (options.ready === false) return self;
      try {
        await self.waitReady();
        return self;
      } catch (error) {
        const portTaken = /address already in use|in use/i.test(self.output());
        await self.kill();
        if (attempt < 3 && portTaken && !options.port) continue; // another process was given our free port
        throw error;
      }
    }
  }

  constructor(options) {
    this.options = options;
    this.dir = options.dir;
    this.lines = []; // parsed JSON log lines
    this.stdoutTail = '';
    this.stderrText = '';
    this.exit = null;
  }

  config() {
    const base = {
      server: { host: '127.0.0.1', port: this.port },
      storage: { driver: 'sqlite', path: path.join(this.dir, 'data', 'ongoingai.db') },
      trace: { ring_bytes: 8 * 1024 * 1024 },
      providers: {
        openai: { upstream: this.options.openai ?? 'http://127.0.0.1:9' },
        anthropic: { upstream: this.options.anthropic ?? this.options.openai ?? 'http://127.0.0.1:9' },
      },
    };
    return merge(base, this.options.config ?? {});
  }
  get databasePath() {
    return this.config().storage.path;
  }

  #spawn() {
    const file = path.join(this.dir, 'ongoingai.yaml');
    fs.writeFileSync(file, this.options.yaml ?? JSON.stringify(this.config(), null, 1)); // JSON is YAML
    const address = this.options.yaml ? { ONGOINGAI_HOST: '127.0.0.1', ONGOINGAI_PORT: String(this.port) } : {};
    const program = this.options.program ?? binary;
    const command = [...(this.options.wrapper ?? []), program, ...(this.options.args ?? ['serve', '--config', file])];
    this.startedAt = performance.now();
    this.child = spawn(command[0], command.slice(1), {
      cwd: this.dir,
      env: { ...cleanEnvironment, ...address, ...this.options.env },
      stdio: ['ignore', this.options.stdout ?? 'pipe', 'pipe'],
    });
    this.pid = this.child.pid;
    this.ended = new Promise((resolve) => {
      this.child.once('error', (error) => resolve((this.exit = { code: null, signal: null, error })));
      this.child.once('close', (code, signal) => resolve((this.exit = { code, signal })));
    });
    let partial = '';
    this.child.stdout?.setEncoding('utf8').on('data', (text) => {
      this.stdoutTail = (this.stdoutTail + text).slice(-20000);
      const parts = (partial + text).split('\n');
      partial = parts.pop();
      for (const line of parts) {
        try {
          this.lines.push(JSON.parse(line));
        } catch {
          this.lines.push({ unparsable: line });
        }
      }
    });
    this.child.stderr
      .setEncoding('utf8')
      .on('data', (text) => (this.stderrText = (this.stderrText + text).slice(-20000)));
  }

  output() {
    const ownProbe = /"path":"\/api\/(ready|traces|health|diagnostics)/; // the harness polls these
    const tail = (text, lines) =>
      text
        .trimEnd()
        .split('\n')
        .filter((line) => !ownProbe.test(line))
        .slice(-lines)
        .join('\n');
    const end = this.exit ? `ended: ${JSON.stringify(this.exit)}` : 'still running';
    return `gateway (pid ${this.pid}, ${end})\n--- stdout, last lines\n${tail(this.stdoutTail, 12)}\n--- stderr, last lines\n${tail(this.stderrText, 40)}`;
  }

  async waitReady(ms = 20000) {
    await until(
      async () => {
        if (this.exit) return 'ended';
        return (await this.api('/api/ready')).status === 200;
      },
      'GET /api/ready answers 200',
      ms,
    );
    if (this.exit) throw new Error(`the gateway ended at start: ${JSON.stringify(this.exit)}\n${this.output()}`);
    this.readyAfterMs = performance.now() - this.startedAt;
  }

  get url() {
    return `${this.options.tls ? 'https' : 'http'}://127.0.0.1:${this.port}`;
  }

  /** A request to the gateway: {status, headers, rawHeaders, text, json}. */
  api(target, { method = 'GET', headers = {}, body, port = this.port } = {}) {
    return within(
      20000,
      new Promise((resolve, reject) => {
        const request = http.request({ host: '127.0.0.1', port, path: target, method, headers, agent }, (response) => {
          const parts = [];
          response.on('data', (part) => parts.push(part));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(parts).toString('utf8');
            let json;
            try {
              json = JSON.parse(text);
            } catch {
              json = undefined;
            }
            resolve({
              status: response.statusCode,
              headers: response.headers,
              rawHeaders: response.rawHeaders,
              text,
              json,
            });
          });
        });
        request.on('error', reject);
        // Node leaves the body of a DELETE without a length, where it then stands before the next request.
        if (body !== undefined) request.setHeader('Content-Length', Buffer.byteLength(body));
        request.end(body);
      }),
      `${method} ${target}`,
    );
  }

  async diagnostics() {
    const answer = await this.api('/api/diagnostics/trace-pipeline');
    if (answer.status !== 200) throw new Error(`diagnostics answered ${answer.status}: ${answer.text}`);
    return answer.json.diagnostics;
  }
  async traceCount() {
    return (await this.api('/api/health')).json.trace_count;
  }

  /** All list items that match the query, over every page, newest first. */
  async list(query = {}) {
    const items = [];
    let cursor;
    do {
      const parameters = new URLSearchParams({ limit: '200', ...query, ...(cursor ? { cursor } : {}) });
      const page = await this.api(`/api/traces?${parameters}`);
      if (page.status !== 200) throw new Error(`GET /api/traces?${parameters} answered ${page.status}: ${page.text}`);
      items.push(...page.json.items);
      cursor = page.json.next_cursor;
    } while (cursor);
    return items;
  }
  /** The trace with this id as soon as it is stored. */
  async trace(id, ms) {
    if (!id) throw new Error('no trace id: did the answer carry X-OngoingAI-Trace-ID?');
    return until(
      async () => {
        const answer = await this.api(`/api/traces/${id}`);
        return answer.status === 200 && answer.json;
      },
      `trace ${id} is stored`,
      ms,
    );
  }
  /**
   * The one trace that matches the query, once everything accepted is stored; an error when there is another number
   * of them.
   */
  async onlyTrace(query, ms = 15000) {
    await until(async () => (await this.list(query)).length > 0, `a trace with ${JSON.stringify(query)} is stored`, ms);
    await this.settled(ms);
    const items = await this.list(query);
    if (items.length !== 1)
      throw new Error(
        `expected one trace with ${JSON.stringify(query)}, found ${items.length}: ${JSON.stringify(items)}`,
      );
    return this.trace(items[0].id);
  }
  /** Waits until nothing is queued. */
  async settled(ms = 15000) {
    await until(
      async () => {
        const d = await this.diagnostics();
        return d.queue_depth === 0 && !d.spilled && !d.in_flight;
      },
      'the trace pipeline is empty',
      ms,
    );
  }

  /** Rows straight from the database file, read-only. */
  rows(sql, ...parameters) {
    const database = new DatabaseSync(this.databasePath, { readOnly: true, timeout: 5000 });
    try {
      return database.prepare(sql).all(...parameters);
    } finally {
      database.close();
    }
  }

  log(msg) {
    return this.lines.filter((line) => line.msg === msg);
  }
  waitLog(predicate, what, ms) {
    return until(
      () => this.lines.find(predicate),
      () => `a log line: ${what}; the last were\n${this.stdoutTail.slice(-1500)}`,
      ms,
    );
  }

  rssAnonKiB(pid = this.pid) {
    const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/RssAnon:\s+(\d+)/.exec(status)[1]);
  }
  /** Asserts that anonymous memory is at most `most` KiB above `before`. Says nothing of a sanitizer build. */
  expectGrownAtMost(most, before) {
    const grown = this.rssAnonKiB() - before;
    assert.ok(sanitized || grown < most, `memory grew by ${grown} KiB, at most ${most} are allowed`);
  }
  /** Names of the process's threads by thread id. */
  threads() {
    const folder = `/proc/${this.pid}/task`;
    return new Map(
      fs.readdirSync(folder).map((tid) => [Number(tid), fs.readFileSync(`${folder}/${tid}/comm`, 'utf8').trim()]),
    );
  }
  openFiles() {
    return fs.readdirSync(`/proc/${this.pid}/fd`).length;
  }

  signal(name) {
    if (!this.exit) process.kill(this.pid, name);
  }
  /** SIGTERM and wait for the end. */
  async stop(ms = 40000) {
    this.signal('SIGTERM');
    return within(ms, this.ended, () => `the gateway ends after SIGTERM; ${this.output()}`);
  }
  async kill() {
    this.signal('SIGKILL');
    return within(10000, this.ended, 'the gateway ends after SIGKILL');
  }
  /** Starts again on the same folder, with changed options. */
  async restart(changes = {}) {
    return Gateway.start({ ...this.options, ...changes });
  }
}

/** Runs the binary to its end: {code, signal, stdout, stderr}. */
export function run(args, { cwd, env = {}, input, ms = 20000, program = binary } = {}) {
  const child = spawn(program, args, {
    cwd,
    env: { ...cleanEnvironment, ...env },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
  if (input !== undefined) child.stdin.end(input);
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return within(ms, ended, `${args.join(' ')} ends`).catch((error) => {
    child.kill('SIGKILL');
    throw error;
  });
}

export function merge(base, extra) {
  const out = { ...base };
  for (const [key, value] of Object.entries(extra)) {
    const both =
      value && typeof value === 'object' && !Array.isArray(value) && out[key] && typeof out[key] === 'object';
    out[key] = both ? merge(out[key], value) : value;
  }
  return out;
}
