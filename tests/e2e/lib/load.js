// Steady load whose every answer is accounted for: each request has a correlation id, and what a client saw answered
// is remembered.
import { fork } from 'node:child_process';
import { connect } from './peer.js';
import { get, kCompletions, post, unique } from './http.js';
import { within } from './wait.js';

/**
 * Closed loop of `clients` connections. `answered`: correlation ids whose whole 200 answer arrived; `failed`: other
 * ends by kind. `rate`: at most so many requests a second altogether (0: as many as possible).
 */
export class Load {
  answered = [];
  sent = 0;
  failed = new Map();
  statuses = new Map();
  longestMs = 0;
  #stopping = false;
  #runs = [];
  #peers = new Set();

  /** Runs until stop(), or at the latest until the test ends. */
  constructor(
    world,
    {
      port,
      clients = 16,
      rate = 0,
      path = kCompletions,
      body = '{"model":"gpt-4o-mini"}',
      reconnect = true,
      fields = [],
    },
  ) {
    Object.assign(this, { port, clients, rate, path, body, reconnect, fields });
    this.prefix = unique('load');
    world.later(() => this.#abandon());
  }

  start() {
    this.startedAt = performance.now();
    this.#runs = Array.from({ length: this.clients }, (_, i) => this.#client(i));
    return this;
  }
  get seconds() {
    return (performance.now() - this.startedAt) / 1000;
  }
  /** Lets requests in flight end. */
  async stop() {
    this.#stopping = true;
    await Promise.all(this.#runs);
    return this;
  }
  /** Ends when every client gave up (reconnect: false). */
  async ended() {
    await Promise.all(this.#runs);
    return this;
  }

  #abandon() {
    this.#stopping = true;
    for (const peer of this.#peers) peer.destroy();
  }

  async #pace() {
    if (!this.rate) return;
    const due = this.startedAt + (this.sent / this.rate) * 1000;
    const wait = due - performance.now();
    if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
  }
  #count(map, key) {
    map.set(key, (map.get(key) ?? 0) + 1);
  }

  async #client() {
    let peer = null;
    while (!this.#stopping) {
      await this.#pace();
      if (this.#stopping) break;
      let begun = 0;
      try {
        if (!peer) this.#peers.add((peer = await connect(this.port)));
        const id = `${this.prefix}.${this.sent++}`;
        const fields = [['X-OngoingAI-Correlation-ID', id], ...this.fields];
        begun = performance.now();
        await peer.write(this.body === null ? get(this.path, fields) : post(this.path, this.body, fields));
        const response = await peer.readResponse({ deadline: 60000 });
        this.longestMs = Math.max(this.longestMs, performance.now() - begun);
        this.#count(this.statuses, response.status);
        if (response.aborted) throw new Error('aborted answer');
        if (response.status === 200 && response.get('x-ongoingai-correlation-id') === id) this.answered.push(id);
        if (/close/i.test(response.get('connection') ?? '')) peer = this.#drop(peer);
      } catch (error) {
        this.#count(this.failed, error.code ?? `${error.constructor.name} ${peer?.error?.code ?? (peer?.ended ? 'FIN' : '')}`.trim());
        peer = this.#drop(peer);
        if (!this.reconnect) return;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
    this.#drop(peer);
  }
  #drop(peer) {
    peer?.destroy();
    this.#peers.delete(peer);
    return null;
  }
}

/** Correlation ids (c) of the rows of a SQLite database, and how many have each (n). */
const storedCounts = (gateway) =>
  gateway.rows(`SELECT json_extract(metadata, '$.correlation_id') AS c, count(*) AS n FROM traces GROUP BY c`);

/**
 * Compares answered ids with the rows of the database: {missing, doubled, strangers}; strangers carry the load's
 * prefix but were never sent.
 */
export function account(gateway, load, rows = storedCounts(gateway)) {
  const stored = new Map(rows.map((row) => [row.c, Number(row.n)]));
  const missing = load.answered.filter((id) => !stored.has(id));
  const doubled = [...stored].filter(([, n]) => n > 1).map(([id]) => id);
  const strangers = [...stored.keys()].filter(
    (id) => id?.startsWith(`${load.prefix}.`) && Number(id.split('.').pop()) >= load.sent,
  );
  return { stored: stored.size, missing, doubled, strangers };
}

/** The fast provider of load_upstream.mjs: {url, port}. */
export async function loadUpstream(world) {
  const child = fork(new URL('./load_upstream.mjs', import.meta.url), { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  const exit = new Promise((resolve) => child.once('close', resolve));
  world.later(async () => {
    child.kill('SIGKILL');
    await exit;
  });
  const port = await within(
    10000,
    new Promise((resolve) => child.stdout.once('data', (text) => resolve(Number(text)))),
    'the load upstream listens',
  );
  return { url: `http://127.0.0.1:${port}`, port };
}
