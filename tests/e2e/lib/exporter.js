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
    const most = this.random.integer(1, this.random.pick([300, 3000, 60000]));
    this.requests += 1;
    return new Promise((resolve, reject) => {
      let over = false; // what comes after it is lost
      const finish = (error) => {
        over = true;
        if (error) reject(error);
        else resolve();
      };
      const options = { host: '127.0.0.1', port: this.port(), path: path + resume, headers, agent: false };
      const request = http.get(options, (response) => {
        if (response.statusCode !== 200) {
          this.problems.push(`${options.path} answered ${response.statusCode}`);
          request.destroy();
          finish(new Error('refused'));
          return;
        }
        const state = { text: '', headers: response.headers };
        const more = (bytes) => {
          if (over) return;
          state.text += bytes.toString('latin1');
          take(this, state, false);
        };
        const end = () => {
          if (over) return;
          take(this, state, true);
          finish();
        };
        const coded = response.headers['content-encoding'] === 'gzip';
        const decoder = coded ? zlib.createGunzip().on('data', more).on('end', end).on('error', finish) : null;
        let received = 0;
        response.on('data', (bytes) => {
          if (received >= most) return;
          const part = bytes.subarray(0, most - received);
          received += part.length;
          if (decoder) decoder.write(part);
          else more(part);
          if (received < most) return;
          this.cuts += 1;
          request.destroy();
          if (decoder) decoder.flush(() => finish(new Error('cut')));
          else finish(new Error('cut'));
        });
        response.on('end', () => {
          if (received >= most) return;
          if (decoder) decoder.end();
          else end();
        });
        const broken = (error) => received < most && finish(error ?? new Error('aborted'));
        response.on('error', broken).on('aborted', broken);
      });
      request.setTimeout(60000 * patience, () => request.destroy(new Error('nothing comes')));
      request.on('error', finish);
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
