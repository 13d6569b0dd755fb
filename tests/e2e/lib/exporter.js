// A job that copies traces by one of the ways that the export offers, and that is cut off at random.
import http from 'node:http';
import zlib from 'node:zlib';
import { patience } from './wait.js';

const kWays = {
  page: { path: '/api/export/traces?limit=150&fields=correlation_id', take: takePage },
  ndjson: { path: '/api/export/traces?format=ndjson&fields=correlation_id,cursor', take: takeLines },
  gzip: {
    path: '/api/export/traces?format=ndjson&fields=correlation_id,cursor',
    headers: { 'Accept-Encoding': 'gzip' },
    take: takeLines,
  },
  csv: { path: '/api/export/traces?format=csv&fields=correlation_id,cursor', take: takeRows },
  events: { path: '/api/traces/stream?fields=correlation_id', take: takeEvents, endless: true },
};
export const ways = Object.keys(kWays);

/**
 * Keeps what a job would keep on disk: the traces it has and its cursor, always both or neither. Everything else is
 * lost at each cut.
 */
export class Exporter {
  seen = new Map(); // correlation id by trace id
  repeated = 0;
  cuts = 0;
  requests = 0;
  cursor = '';
  problems = [];
  #stopping = false;

  /** `port` is a function: the gateway may come back elsewhere. */
  constructor(world, { way, port, random }) {
    Object.assign(this, { way, port, random });
    // Events begin at the present end; a job that wants all begins with a cursor of the export.
    world.later(() => this.stop());
  }

  start() {
    this.done = this.#run();
    return this;
  }
  stop() {
    this.#stopping = true;
    this.request?.destroy();
    return this.done;
  }

  /** One trace more, and the place behind it. */
  take({ id, correlation_id: correlation }, cursor) {
    if (this.seen.has(id)) this.repeated += 1;
    this.seen.set(id, correlation);
    if (cursor) this.cursor = cursor;
  }

  async #run() {
    while (!this.#stopping) {
      try {
        await this.#once();
      } catch (error) {
        if (error.code === 'ERR_ASSERTION') this.problems.push(error.message);
        if (/ECONNREFUSED/.test(error.code ?? '')) await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }

  /** One request, read until it ends or until a random number of bytes has come. */
  #once() {
    const { path, headers = {}, take, endless } = kWays[this.way];
    const resume = endless
      ? this.cursor && `&last_event_id=${this.cursor}`
      : `&wait=20${this.cursor && `&after=${this.cursor}`}`;
    const most = this.random.integer(1, 60000);
    this.requests += 1;
    return new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: this.port(), path: path + resume, headers, agent: false };
      const request = http.get(options, (response) => {
        if (response.statusCode !== 200) {
          this.problems.push(`${options.path} answered ${response.statusCode}`);
          request.destroy();
          reject(new Error('refused'));
          return;
        }
        const body = response.headers['content-encoding'] === 'gzip' ? response.pipe(zlib.createGunzip()) : response;
        const state = { text: '', headers: response.headers };
        let received = 0;
        response.on('data', (bytes) => {
          received += bytes.length;
          if (received < most) return;
          this.cuts += 1;
          request.destroy();
          reject(new Error('cut'));
        });
        body.on('data', (bytes) => {
          state.text += bytes.toString('latin1');
          take(this, state, false);
        });
        body.on('end', () => {
          take(this, state, true);
          resolve();
        });
        body.on('error', reject);
        response.on('error', reject);
        response.on('aborted', () => reject(new Error('aborted')));
      });
      request.setTimeout(60000 * patience, () => request.destroy());
      request.on('error', reject);
      this.request = request;
    });
  }
}

function takePage(exporter, state, ended) {
  if (!ended) return;
  const page = JSON.parse(state.text);
  for (const item of page.items) exporter.take(item);
  exporter.cursor = page.next_cursor;
}

/** Whole lines; the rest stays. */
function wholeLines(state, mark = '\n') {
  const parts = state.text.split(mark);
  state.text = parts.pop();
  return parts;
}

function takeLines(exporter, state, ended) {
  for (const line of wholeLines(state)) {
    const trace = JSON.parse(line);
    exporter.take(trace, trace.cursor);
  }
  if (ended) exporter.cursor = state.headers['x-ongoingai-next-cursor'];
}

function takeRows(exporter, state, ended) {
  for (const line of wholeLines(state, '\r\n')) {
    const [, id, correlation, cursor] = line.split(',');
    if (id !== 'id') exporter.take({ id, correlation_id: correlation }, cursor);
  }
  if (ended) exporter.cursor = state.headers['x-ongoingai-next-cursor'];
}

function takeEvents(exporter, state) {
  for (const event of wholeLines(state, '\n\n')) {
    const fields = Object.fromEntries(event.split('\n').map((line) => line.split(/: ?/, 1).concat(line.replace(/^[^:]*: ?/, ''))));
    if (fields.data) exporter.take(JSON.parse(fields.data), fields.id);
    else if (fields.id) exporter.cursor = fields.id;
  }
}
