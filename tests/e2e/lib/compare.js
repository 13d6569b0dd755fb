// What "the same bytes at both ends" means: bodies equal, header fields equal in order and value, but for the fields
// that belong to one connection and those the gateway adds by contract.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

const perConnection = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'content-length',
]);
const addedToRequests = new Set(['host', 'x-forwarded-for', 'x-ongoingai-correlation-id']);
const addedToResponses = new Set(['x-ongoingai-correlation-id', 'x-ongoingai-trace-id', 'date']);

function essence(fields, extra, also = []) {
  const skip = new Set([...perConnection, ...extra, ...also]);
  return fields.map(([name, value]) => [name.toLowerCase(), value]).filter(([name]) => !skip.has(name));
}

export function sameRequestFields(sent, arrived, { also = [] } = {}) {
  assert.deepEqual(
    essence(arrived, addedToRequests, also),
    essence(sent, addedToRequests, also),
    'request header fields, in order',
  );
}
export function sameResponseFields(sent, arrived, { also = [] } = {}) {
  assert.deepEqual(
    essence(arrived, addedToResponses, also),
    essence(sent, addedToResponses, also),
    'response header fields, in order',
  );
}

/** Equal bytes; a difference is reported by its place, not by two dumps. */
export function sameBytes(actual, expected, what) {
  if (actual.equals(expected)) return;
  let at = 0;
  while (at < actual.length && at < expected.length && actual[at] === expected[at]) at++;
  const around = (bytes) => JSON.stringify(bytes.subarray(Math.max(0, at - 20), at + 40).toString('latin1'));
  const sum = (bytes) => createHash('sha256').update(bytes).digest('hex').slice(0, 12);
  assert.fail(
    `${what}: ${actual.length} bytes came (sha256 ${sum(actual)}), ${expected.length} expected (${sum(expected)}); ` +
      `first difference at ${at}: came ${around(actual)}, expected ${around(expected)}`,
  );
}
