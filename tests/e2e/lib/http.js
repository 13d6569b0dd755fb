// Small helpers around raw exchanges through the gateway.
import { chunked, head } from './peer.js';

let counter = 0;
/** A name that no other test of this run uses: for correlation ids, groups and paths. */
export function unique(prefix = 'case') {
  counter += 1;
  return `${prefix}-${process.pid}-${counter}`;
}

export const json = (value) => Buffer.from(JSON.stringify(value));

/** A POST of a body with Content-Length (or chunked) as one buffer. */
export function post(target, body, fields = [], { host = 'gateway.test', framing = 'length', sizes, trailers } = {}) {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body);
  const frame = framing === 'chunked' ? [['Transfer-Encoding', 'chunked']] : [['Content-Length', String(bytes.length)]];
  const start = head(`POST ${target} HTTP/1.1`, [['Host', host], ...fields, ...frame]);
  return Buffer.concat([start, framing === 'chunked' ? chunked(bytes, sizes, trailers) : bytes]);
}
export function get(target, fields = [], { method = 'GET', host = 'gateway.test', version = '1.1' } = {}) {
  return head(`${method} ${target} HTTP/${version}`, [['Host', host], ...fields]);
}
/** A response with Content-Length as one buffer. */
export function reply(body, fields = [], status = '200 OK') {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body);
  return Buffer.concat([head(`HTTP/1.1 ${status}`, [...fields, ['Content-Length', String(bytes.length)]]), bytes]);
}

export const chatAnswer = (
  usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
  model = 'gpt-4o-mini',
) =>
  json({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1760000000,
    model,
    choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }],
    usage,
  });
export const chatRequest = (extra = {}) =>
  json({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hi' }], ...extra });

export const kCompletions = '/openai/v1/chat/completions';

/** Deterministic pseudo-random numbers, so that a failing case can be run again from its printed seed. */
export function random(seed) {
  let state = seed >>> 0 || 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 4294967296;
  };
  return {
    next,
    integer: (low, high) => low + Math.floor(next() * (high - low + 1)),
    pick: (list) => list[Math.floor(next() * list.length)],
  };
}
export function randomBytes(length, seed = 1) {
  const bytes = Buffer.allocUnsafe(length);
  const r = random(seed);
  for (let i = 0; i + 4 <= length; i += 4) bytes.writeUInt32LE(Math.floor(r.next() * 4294967296), i);
  for (let i = length - (length % 4); i < length; i++) bytes[i] = r.integer(0, 255);
  return bytes;
}
/** Cuts bytes at the given offsets, or at `count` random ones. */
export function cut(bytes, offsets) {
  const points = [...new Set(offsets)].filter((o) => o > 0 && o < bytes.length).sort((a, b) => a - b);
  return [0, ...points].map((from, i) => bytes.subarray(from, points[i] ?? bytes.length));
}
