// One end of a TCP or TLS connection at the byte level, for both sides of the gateway: reads and writes exactly what
// a test says, and parses HTTP/1.1 strictly but keeps what it saw (header order, spelling, chunk sizes, trailers) so
// that tests can compare it.
import net from 'node:net';
import tls from 'node:tls';
import { within } from './wait.js';

const kReadDeadline = 20000;
const kMaxHead = 4 * 1024 * 1024;

export class ProtocolError extends Error {}
export class GoneError extends Error {}

export class Peer {
  #chunks = [];
  #size = 0;
  #wake = null;

  constructor(socket) {
    this.socket = socket;
    this.received = 0; // bytes ever read from the socket
    this.ended = false; // the other side sent FIN
    this.closed = false;
    this.error = null;
    this.gone = new Promise((resolve) => (this.#resolveGone = resolve)); // FIN, reset or close: the other side left
    socket.setNoDelay?.(true);
    socket.on('data', (bytes) => {
      this.received += bytes.length;
      this.#size += bytes.length;
      this.#chunks.push(bytes);
      this.#ring();
    });
    socket.on('end', () => this.#left('ended', true));
    socket.on('error', (error) => this.#left('error', error));
    socket.on('close', () => this.#left('closed', true));
  }
  #resolveGone;

  #left(field, value) {
    this[field] = value;
    this.#resolveGone(field);
    this.#ring();
  }
  #ring() {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  /** Waits for more bytes than now; false when no more will come. */
  async #more(deadline, what) {
    const had = this.#size;
    while (this.#size === had) {
      if (this.ended || this.closed || this.error) return false;
      await within(
        deadline,
        new Promise((resolve) => (this.#wake = resolve)),
        () => `${what}; so far ${this.preview()}`,
      );
    }
    return true;
  }

  preview(max = 300) {
    const all = Buffer.concat(this.#chunks).subarray(0, max).toString('latin1');
    return `${this.#size} unread bytes ${JSON.stringify(all)}${this.ended ? ' then FIN' : ''}${this.error ? ` then ${this.error.code}` : ''}`;
  }
  get buffered() {
    return this.#size;
  }
  #peek() {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0] ?? Buffer.alloc(0);
  }
  #take(n) {
    const out = [];
    let left = n;
    while (left > 0) {
      const first = this.#chunks[0];
      if (first.length <= left) {
        out.push(first);
        this.#chunks.shift();
        left -= first.length;
      } else {
        out.push(first.subarray(0, left));
        this.#chunks[0] = first.subarray(left);
        left = 0;
      }
    }
    this.#size -= n;
    return out.length === 1 ? out[0] : Buffer.concat(out);
  }

  /** Resolves when the kernel took the bytes; rejects when the connection broke. */
  write(bytes) {
    return new Promise((resolve, reject) => {
      this.socket.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }
  /** Writes the pieces one by one, each its own segment as far as TCP allows. */
  async writePieces(pieces) {
    for (const piece of pieces) {
      await this.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  finish() {
    return new Promise((resolve) => this.socket.end(resolve));
  }
  reset() {
    this.socket.resetAndDestroy ? this.socket.resetAndDestroy() : this.socket.destroy();
  }
  destroy() {
    this.socket.destroy();
  }
  pause() {
    this.socket.pause();
  }
  resume() {
    this.socket.resume();
  }

  async readSome(what = 'more bytes', deadline = kReadDeadline) {
    if (this.#size === 0 && !(await this.#more(deadline, what))) throw new GoneError(`${what}: connection ended`);
    return this.#take(this.#chunks[0].length);
  }
  async readExactly(n, what = `${n} bytes`, deadline = kReadDeadline) {
    while (this.#size < n) {
      if (!(await this.#more(deadline, what))) throw new GoneError(`${what}: connection ended with ${this.preview()}`);
    }
    return n === 0 ? Buffer.alloc(0) : this.#take(n);
  }
  async readUntil(mark, what, deadline = kReadDeadline) {
    const needle = Buffer.from(mark, 'latin1');
    for (;;) {
      const at = this.#peek().indexOf(needle);
      if (at >= 0) return this.#take(at + needle.length);
      if (this.#size > kMaxHead) throw new ProtocolError(`${what}: no ${JSON.stringify(mark)} in ${this.#size} bytes`);
      if (!(await this.#more(deadline, what))) throw new GoneError(`${what}: connection ended with ${this.preview()}`);
    }
  }
  async readToEnd(what = 'the end of the connection', deadline = kReadDeadline) {
    while (await this.#more(deadline, what));
    return this.#size ? this.#take(this.#size) : Buffer.alloc(0);
  }

  async readHead(what = 'a message head', deadline = kReadDeadline) {
    return parseHead(await this.readUntil('\r\n\r\n', what, deadline));
  }
  /** A request with its whole body. `beforeBody(head)` runs between the two. */
  async readRequest({ beforeBody, deadline } = {}) {
    const head = await this.readHead('a request head', deadline);
    const [method, target, version] = head.startLine.split(' ');
    const message = Object.assign(head, { method, target, version });
    await beforeBody?.(message);
    return Object.assign(message, await this.readBody(requestFraming(head), deadline));
  }
  /** A final response with its whole body; 1xx before it are collected in `informational`. */
  async readResponse({ method = 'GET', deadline } = {}) {
    const informational = [];
    for (;;) {
      const head = await this.readResponseHead(deadline);
      if (head.status >= 100 && head.status < 200 && head.status !== 101) {
        informational.push(head);
        continue;
      }
      return Object.assign(head, { informational }, await this.readBody(responseFraming(head, method), deadline));
    }
  }
  async readResponseHead(deadline) {
    const head = await this.readHead('a response head', deadline);
    const match = /^HTTP\/(1\.[01]) (\d{3})(?: (.*))?$/.exec(head.startLine);
    if (!match) throw new ProtocolError(`bad status line ${JSON.stringify(head.startLine)}`);
    return Object.assign(head, { version: match[1], status: Number(match[2]), reason: match[3] ?? '' });
  }

  /** framing: {kind: 'none'|'length'|'chunked'|'close', length}. `aborted` tells that the body was cut short. */
  async readBody(framing, deadline = kReadDeadline) {
    if (framing.kind === 'none')
      return { framing: 'none', body: Buffer.alloc(0), chunks: [], trailers: [], aborted: false };
    if (framing.kind === 'close') {
      const body = await this.readToEnd('the end of the body', deadline);
      return { framing: 'close', body, chunks: [], trailers: [], aborted: Boolean(this.error) };
    }
    if (framing.kind === 'length') {
      try {
        const body = await this.readExactly(framing.length, `a body of ${framing.length} bytes`, deadline);
        return { framing: 'length', body, chunks: [], trailers: [], aborted: false };
      } catch (error) {
        if (!(error instanceof GoneError)) throw error;
        return { framing: 'length', body: this.#take(this.#size), chunks: [], trailers: [], aborted: true };
      }
    }
    const parts = [];
    const chunks = [];
    try {
      for (;;) {
        const line = (await this.readUntil('\r\n', 'a chunk size', deadline)).toString('latin1').slice(0, -2);
        if (!/^[0-9a-fA-F]+(;.*)?$/.test(line)) throw new ProtocolError(`bad chunk size line ${JSON.stringify(line)}`);
        const size = parseInt(line, 16);
        if (size === 0) break;
        const piece = await this.readExactly(size, `a chunk of ${size} bytes`, deadline);
        parts.push(piece);
        chunks.push(size);
        const end = await this.readExactly(2, 'the end of a chunk', deadline);
        if (end.toString('latin1') !== '\r\n')
          throw new ProtocolError(`chunk of ${size} ends with ${JSON.stringify(end.toString('latin1'))}`);
      }
      const trailers = [];
      for (;;) {
        const line = (await this.readUntil('\r\n', 'a trailer line', deadline)).toString('latin1').slice(0, -2);
        if (line === '') break;
        trailers.push(splitField(line));
      }
      return { framing: 'chunked', body: Buffer.concat(parts), chunks, trailers, aborted: false };
    } catch (error) {
      if (!(error instanceof GoneError)) throw error;
      return { framing: 'chunked', body: Buffer.concat(parts), chunks, trailers: [], aborted: true };
    }
  }
}

function splitField(line) {
  const colon = line.indexOf(':');
  if (colon <= 0) throw new ProtocolError(`bad header line ${JSON.stringify(line)}`);
  return [line.slice(0, colon), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')];
}

/** {raw, startLine, fields: [[name, value]], get(name), all(name)} */
export function parseHead(raw) {
  const lines = raw.toString('latin1').slice(0, -4).split('\r\n');
  const fields = lines.slice(1).map(splitField);
  const all = (name) => fields.filter(([n]) => n.toLowerCase() === name.toLowerCase()).map(([, v]) => v);
  return { raw, startLine: lines[0], fields, all, get: (name) => all(name)[0] };
}

function requestFraming(head) {
  if (head.get('transfer-encoding')) return { kind: 'chunked' };
  const length = head.get('content-length');
  return length === undefined ? { kind: 'none' } : { kind: 'length', length: Number(length) };
}
function responseFraming(head, method) {
  if (method === 'HEAD' || head.status === 204 || head.status === 304 || head.status === 101) return { kind: 'none' };
  if (head.get('transfer-encoding')) return { kind: 'chunked' };
  const length = head.get('content-length');
  return length === undefined ? { kind: 'close' } : { kind: 'length', length: Number(length) };
}

/** Connects to 127.0.0.1:port. tls: options for tls.connect, or nothing for plain TCP. */
export function connect(port, { tls: tlsOptions, ...options } = {}) {
  return within(
    10000,
    new Promise((resolve, reject) => {
      const socket = tlsOptions
        ? tls.connect({ host: '127.0.0.1', port, ...tlsOptions })
        : net.connect({ host: '127.0.0.1', port, allowHalfOpen: true, ...options });
      socket.once('error', reject);
      socket.once(tlsOptions ? 'secureConnect' : 'connect', () => {
        socket.off('error', reject);
        resolve(new Peer(socket));
      });
    }),
    `a connection to port ${port}`,
  );
}

/** Builds a request or response head: start line and fields in order, as latin1 bytes. */
export function head(startLine, fields) {
  return Buffer.from(`${startLine}\r\n${fields.map(([n, v]) => `${n}: ${v}\r\n`).join('')}\r\n`, 'latin1');
}
/** Frames a body as chunks of the given sizes; the last one takes the rest. */
export function chunked(body, sizes = [], trailers = []) {
  const out = [];
  let at = 0;
  for (const size of [...sizes, body.length]) {
    const piece = body.subarray(at, Math.min(at + size, body.length));
    if (piece.length === 0) break;
    out.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'));
    at += piece.length;
  }
  out.push(Buffer.from(`0\r\n${trailers.map(([n, v]) => `${n}: ${v}\r\n`).join('')}\r\n`));
  return Buffer.concat(out);
}
