// Requests that two parsers could read differently. The gateway refuses what nginx and HAProxy both refuse and what
// its own rules name, always in the same way: 400 with JSON, connection closed, nothing forwarded, nothing traced.
import assert from 'node:assert/strict';
import { scenario } from '../lib/world.js';
import { probe, recorder, refusedBy, startJudges } from '../lib/judges.js';
import { get, reply } from '../lib/http.js';
import { head } from '../lib/peer.js';
import { until, within } from '../lib/wait.js';

const kSmuggled = 'GET /openai/v1/smuggled HTTP/1.1\r\nHost: g\r\n\r\n';
const raw = (text) => Buffer.from(text, 'latin1');
/** A POST with these header lines and this body, followed by a request that must never be read out of it. */
const posted = (
  lines,
  body = '5\r\nhello\r\n0\r\n\r\n',
  start = 'POST /openai/v1/case HTTP/1.1',
  host = 'Host: g\r\n',
) => raw(`${start}\r\n${host}${lines.map((l) => `${l}\r\n`).join('')}\r\n${body}${kSmuggled}`);
const fetched = (start, lines = ['Host: g']) => raw(`${start}\r\n${lines.map((l) => `${l}\r\n`).join('')}\r\n`);
const chunkedBody = (body) => posted(['Transfer-Encoding: chunked'], body);

// [name, bytes]; `must`: refused whatever the judges say.
const must = [
  ['Content-Length and Transfer-Encoding', posted(['Content-Length: 5', 'Transfer-Encoding: chunked'])],
  ['Transfer-Encoding and Content-Length', posted(['Transfer-Encoding: chunked', 'Content-Length: 5'])],
  ['Content-Length: 0 and Transfer-Encoding', posted(['Content-Length: 0', 'Transfer-Encoding: chunked'])],
  ['two lengths that differ', posted(['Content-Length: 5', 'Content-Length: 6'], 'hello')],
  ['a list of lengths that differ', posted(['Content-Length: 5, 6'], 'hello')],
  ['length with a plus sign', posted(['Content-Length: +5'], 'hello')],
  ['negative length', posted(['Content-Length: -5'], 'hello')],
  ['hexadecimal length', posted(['Content-Length: 0x5'], 'hello')],
  ['length with a space inside', posted(['Content-Length: 5 5'], 'hello')],
  ['length with letters', posted(['Content-Length: 5a'], 'hello')],
  ['empty length', posted(['Content-Length: '], '')],
  ['length beyond 64 bits', posted(['Content-Length: 18446744073709551621'], 'hello')],
  ['length beyond everything', posted([`Content-Length: ${'9'.repeat(60)}`], 'hello')],
  ['length with a fraction', posted(['Content-Length: 5.0'], 'hello')],
  ['unknown coding', posted(['Transfer-Encoding: xchunked'])],
  ['coding that does not end in chunked', posted(['Transfer-Encoding: chunked, identity'])],
  ['identity', posted(['Transfer-Encoding: identity'], '')],
  ['quoted chunked', posted(['Transfer-Encoding: "chunked"'])],
  ['empty Transfer-Encoding', posted(['Transfer-Encoding: '])],
  ['Transfer-Encoding with a vertical tab', posted(['Transfer-Encoding:\x0bchunked'])],
  ['space before the colon', posted(['Transfer-Encoding : chunked'])],
  ['tab before the colon', posted(['Content-Length\t: 5'], 'hello')],
  ['folded header', posted(['X-A: b', ' c', 'Content-Length: 5'], 'hello')],
  ['folded with a tab', posted(['X-A: b', '\tc', 'Content-Length: 5'], 'hello')],
  ['folded Transfer-Encoding', posted(['Transfer-Encoding:', ' chunked'])],
  ['first header line starts with a space', posted([' X-A: b', 'Content-Length: 5'], 'hello', undefined, '')],
  ['bare LF between headers', posted(['X-A: b\nTransfer-Encoding: chunked', 'Content-Length: 5'])],
  ['bare LF hides a header', posted(['X-A: b\nX-B: c', 'Content-Length: 5'], 'hello')],
  ['bare CR between headers', posted(['X-A: b\rTransfer-Encoding: chunked', 'Content-Length: 5'])],
  ['bare CR in a value', posted(['X-A: b\rc', 'Content-Length: 5'], 'hello')],
  ['bare LF after the request line', raw(`GET /openai/v1/case HTTP/1.1\nHost: g\r\n\r\n`)],
  ['LF line ends throughout', raw(`GET /openai/v1/case HTTP/1.1\nHost: g\n\n`)],
  ['headers ended by a bare LF', raw(`GET /openai/v1/case HTTP/1.1\r\nHost: g\r\n\n${kSmuggled}`)],
  ['CR CR LF', raw(`GET /openai/v1/case HTTP/1.1\r\nHost: g\r\r\n\r\n`)],
  ['NUL in a value', posted(['X-A: b\0c', 'Content-Length: 5'], 'hello')],
  ['NUL in a name', posted(['X\0A: b', 'Content-Length: 5'], 'hello')],
  ['header without colon', posted(['Nonsense', 'Content-Length: 5'], 'hello')],
  ['empty header name', posted([': b', 'Content-Length: 5'], 'hello')],
  ['space in a header name', posted(['X A: b', 'Content-Length: 5'], 'hello')],
  ['parenthesis in a header name', posted(['X(A): b', 'Content-Length: 5'], 'hello')],
  ['two Hosts', fetched('GET /openai/v1/case HTTP/1.1', ['Host: a', 'Host: b'])],
  ['two equal Hosts', fetched('GET /openai/v1/case HTTP/1.1', ['Host: a', 'Host: a'])],
  ['no Host in HTTP/1.1', fetched('GET /openai/v1/case HTTP/1.1', [])],
  ['request line without version', raw('GET /openai/v1/case\r\n\r\n')],
  ['space in the target', fetched('GET /openai/v1/ca se HTTP/1.1')],
  ['control character in the target', fetched('GET /openai/v1/ca\x01se HTTP/1.1')],
  ['NUL in the target', fetched('GET /openai/v1/ca\0se HTTP/1.1')],
  ['version 2.0', fetched('GET /openai/v1/case HTTP/2.0')],
  ['version without digits', fetched('GET /openai/v1/case HTTP/x.y')],
  ['another protocol', fetched('GET /openai/v1/case RTSP/1.0')],
  ['invalid method', fetched('GE(T /openai/v1/case HTTP/1.1')],
  ['no method', fetched(' /openai/v1/case HTTP/1.1')],
  ['a TLS hello', raw('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n')],
  ['HTTP/2 preface', raw('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
];
const judged = [
  ['two equal lengths', posted(['Content-Length: 5', 'Content-Length: 5'], 'hello')],
  ['a list of equal lengths', posted(['Content-Length: 5, 5'], 'hello')],
  ['two Transfer-Encodings', posted(['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'])],
  ['chunked twice', posted(['Transfer-Encoding: chunked, chunked'])],
  ['chunked with a parameter', posted(['Transfer-Encoding: chunked;a=b'])],
  ['gzip before chunked', posted(['Transfer-Encoding: gzip, chunked'])],
  ['chunked in HTTP/1.0', posted(['Transfer-Encoding: chunked'], undefined, 'POST /openai/v1/case HTTP/1.0')],
  ['control character in a value', posted(['X-A: b\x01c', 'Content-Length: 5'], 'hello')],
  ['DEL in a value', posted(['X-A: b\x7fc', 'Content-Length: 5'], 'hello')],
  ['high byte in a name', posted(['X-\xe9: b', 'Content-Length: 5'], 'hello')],
  ['Host with a space', fetched('GET /openai/v1/case HTTP/1.1', ['Host: a b'])],
  ['Host with a slash', fetched('GET /openai/v1/case HTTP/1.1', ['Host: a/b'])],
  ['Host with an at sign', fetched('GET /openai/v1/case HTTP/1.1', ['Host: a@b'])],
  ['Host with two colons', fetched('GET /openai/v1/case HTTP/1.1', ['Host: a:80:90'])],
  ['two spaces before the target', fetched('GET  /openai/v1/case HTTP/1.1')],
  ['two spaces before the version', fetched('GET /openai/v1/case  HTTP/1.1')],
  ['tabs in the request line', fetched('GET\t/openai/v1/case\tHTTP/1.1')],
  ['space after the version', fetched('GET /openai/v1/case HTTP/1.1 ')],
  ['version 1.10', fetched('GET /openai/v1/case HTTP/1.10')],
  ['version 01.1', fetched('GET /openai/v1/case HTTP/01.1')],
  ['version 1.2', fetched('GET /openai/v1/case HTTP/1.2')],
  ['version in lower case', fetched('GET /openai/v1/case http/1.1')],
  ['target without slash', fetched('GET openai/v1/case HTTP/1.1')],
  ['high byte in the target', fetched('GET /openai/v1/ca\xffse HTTP/1.1')],
  ['broken percent-escape', fetched('GET /openai/v1/ca%zzse HTTP/1.1')],
  ['escaped NUL in the path', fetched('GET /openai/v1/ca%00se HTTP/1.1')],
  ['CONNECT', fetched('CONNECT g:443 HTTP/1.1')],
  ['leading space', raw(` GET /openai/v1/case HTTP/1.1\r\nHost: g\r\n\r\n`)],
  ['method in lower case', fetched('get /openai/v1/case HTTP/1.1')],
];
// Faults behind the head: the head may be on its way upstream when they are seen, so "nothing whole" is what counts
// there.
const inBody = [
  ['chunk size with a letter', chunkedBody('g\r\nhello\r\n0\r\n\r\n'), true],
  ['chunk size with 0x', chunkedBody('0x5\r\nhello\r\n0\r\n\r\n'), true],
  ['chunk size with a plus sign', chunkedBody('+5\r\nhello\r\n0\r\n\r\n'), true],
  ['negative chunk size', chunkedBody('-5\r\nhello\r\n0\r\n\r\n'), true],
  ['chunk size after a space', chunkedBody(' 5\r\nhello\r\n0\r\n\r\n'), true],
  ['empty chunk size', chunkedBody('\r\nhello\r\n0\r\n\r\n'), true],
  ['chunk size beyond 64 bits', chunkedBody('10000000000000005\r\nhello\r\n0\r\n\r\n'), true],
  ['chunk size of sixteen Fs', chunkedBody('ffffffffffffffff\r\nhello\r\n0\r\n\r\n'), true],
  ['chunk longer than announced', chunkedBody('3\r\nhello\r\n0\r\n\r\n'), true],
  ['chunk data without CRLF', chunkedBody('5\r\nhello0\r\n\r\n'), true],
  ['chunk size ended by a bare CR', chunkedBody('5\rXhello\r\n0\r\n\r\n'), true],
  ['chunk extension with a bare CR', chunkedBody('5;a\rb\r\nhello\r\n0\r\n\r\n'), true],
  ['trailer without colon', chunkedBody('5\r\nhello\r\n0\r\nnonsense\r\n\r\n'), true],
  ['folded trailer', chunkedBody('5\r\nhello\r\n0\r\nX-A: b\r\n c\r\n\r\n'), true],
  ['chunk size ended by a bare LF', chunkedBody('5\nhello\r\n0\r\n\r\n'), true],
  ['chunk extension with a bare LF', chunkedBody('5;a\nb\r\nhello\r\n0\r\n\r\n'), true],
  ['chunk data ended by a bare LF', chunkedBody('5\r\nhello\n0\r\n\r\n'), true],
  ['end of the body with a bare LF', chunkedBody('5\r\nhello\r\n0\r\n\n'), true],
  ['endless chunk extension', chunkedBody(`5;${'a'.repeat(200000)}\r\nhello\r\n0\r\n\r\n`), true],
  ['endless trailers', chunkedBody(`5\r\nhello\r\n0\r\n${'X-A: b\r\n'.repeat(30000)}\r\n`), true],
  ['chunk size with many leading zeros', chunkedBody('00000000000000000000000000000000000005\r\nhello\r\n0\r\n\r\n')],
  ['space after the chunk size', chunkedBody('5 \r\nhello\r\n0\r\n\r\n')],
];
const accepted = [
  [
    'leading CRLF before the request line',
    raw(`\r\nPOST /openai/v1/case HTTP/1.1\r\nHost: g\r\nContent-Length: 5\r\n\r\nhello`),
  ],
  ['chunked in capitals', posted(['TRANSFER-ENCODING: CHUNKED'])],
  ['chunked between blanks', posted(['Transfer-Encoding: \t chunked \t'])],
  ['length between blanks', posted(['Content-Length:  \t5 '], 'hello')],
  ['chunk extensions', chunkedBody('5;name=value;other="a b"\r\nhello\r\n0;last\r\n\r\n')],
  ['several zeros as the last chunk', chunkedBody('5\r\nhello\r\n000\r\n\r\n')],
  ['capital chunk size', chunkedBody('A\r\nhellohello\r\n0\r\n\r\n'), 'hellohello'],
  ['a header that only looks like a length', posted(['Content_Length: 3', 'Content-Length: 5'], 'hello')],
  ['a header that only looks like a coding', posted(['Transfer_Encoding: chunked', 'Content-Length: 5'], 'hello')],
  ['a trailer that names a length', chunkedBody('5\r\nhello\r\n0\r\nContent-Length: 999\r\n\r\n')],
  ['absolute form', raw(`POST http://g/openai/v1/case HTTP/1.1\r\nHost: g\r\nContent-Length: 5\r\n\r\nhello`)],
];

async function setUp(world) {
  const { upstream, seen } = await recorder(world);
  const gateway = await world.gateway({
    openai: upstream.url,
    anthropic: upstream.url,
    config: { server: { header_timeout_ms: 3000 } },
  });
  return { gateway, target: { name: 'gateway', port: gateway.port, seen } };
}

/**
 * Asserts the one way in which the gateway refuses. `framed`: where the request ends is beyond doubt, so the
 * connection may stay.
 */
function expectRefusal(name, result, { inBody: behindHead, framed } = {}) {
  assert.ok(
    refusedBy(result),
    `${name}: not refused: status ${result.status}, closed ${result.closed}, forwarded ${result.whole.map((r) => r.startLine)}`,
  );
  if (!behindHead)
    assert.deepEqual(
      result.heads.map((h) => h.startLine),
      [],
      `${name}: nothing is forwarded`,
    );
  assert.ok(!result.heads.some((h) => h.target?.includes('smuggled')), `${name}: the smuggled request is not read`);
  const statuses = framed ? [400, 404, 405, 501, 505] : [400, 413, 431, 501, 505];
  assert.ok(statuses.includes(result.status), `${name}: status ${result.status}`);
  assert.equal(result.response.get('content-type'), 'application/json', name);
  assert.equal(typeof JSON.parse(result.response.body).error, 'string', name);
  if (!framed) assert.equal(result.closed, true, `${name}: the connection is closed`);
}

/** Runs check on every case and reports all that fail. */
async function every(cases, check) {
  const failures = [];
  for (const entry of cases) {
    try {
      await check(...entry);
    } catch (error) {
      failures.push(`${entry[0]}: ${error.message.split('\n')[0]}`);
    }
  }
  assert.deepEqual(failures, [], `${failures.length} of ${cases.length} cases`);
}

scenario('ambiguous heads are refused: 400 JSON, closed, nothing forwarded, nothing traced', async (world) => {
  const { gateway, target } = await setUp(world);
  await every(must, async (name, bytes) => {
    const result = await probe(target, bytes, { patient: true });
    expectRefusal(name, result);
    assert.ok([400, 501, 505].includes(result.status), `status ${result.status}`);
  });
  await gateway.settled();
  assert.equal(await gateway.traceCount(), 0);
  assert.equal((await gateway.api('/api/health')).status, 200, 'and the gateway goes on');
});

scenario('ambiguous bodies are refused, nothing whole and nothing smuggled goes upstream', async (world) => {
  const { gateway, target } = await setUp(world);
  await every(
    inBody.filter((entry) => entry[2]),
    async (name, bytes) => {
      expectRefusal(name, await probe(target, bytes, { patient: true }), { inBody: true });
    },
  );
  assert.equal((await gateway.api('/api/health')).status, 200, 'and the gateway goes on');
});

scenario('what nginx and HAProxy both refuse, the gateway refuses', { timeout: 300000 }, async (world) => {
  const judges = await startJudges(world);
  if (judges.length < 2) {
    console.log(
      `only ${judges.map((j) => j.name).join(' ') || 'no judge'} installed: left out (Debian packages nginx-light, haproxy)`,
    );
    return;
  }
  const { target } = await setUp(world);
  await every([...must, ...judged, ...inBody], async (name, bytes) => {
    const how = { inBody: inBody.some(([n]) => n === name), framed: judged.some(([n]) => n === name) };
    const opinions = await Promise.all(judges.map((judge) => probe(judge, bytes)));
    const refusals = opinions.map(refusedBy);
    const own = await probe(target, bytes, { patient: refusals.every(Boolean) });
    if (process.env.GW_VERDICTS) {
      const verdict = (result) => `${refusedBy(result) ? 'refuses' : 'takes'} ${result.status}`.padEnd(14);
      console.log(name.padEnd(44), ...opinions.map(verdict), verdict(own));
    }
    if (refusals.every(Boolean) || refusedBy(own)) expectRefusal(name, own, how);
  });
});

scenario('what is merely unusual is accepted and read as one request with the right body', async (world) => {
  const { target } = await setUp(world);
  await every(accepted, async (name, bytes, body = 'hello') => {
    const result = await probe(target, bytes, { patient: false, silence: 5000 });
    assert.equal(result.status, 200, name);
    assert.equal(result.whole[0].body.toString(), body, name);
    assert.equal(result.whole[0].target, '/v1/case', name);
  });
});

scenario('a head that was refused never delays or corrupts others', async (world) => {
  const { gateway, target } = await setUp(world);
  await Promise.all(
    Array.from({ length: 60 }, async (_, i) => {
      if (i % 2) return probe(target, must[i % must.length][1], { patient: true });
      const client = await world.client(gateway);
      for (let n = 0; n < 10; n++) {
        await client.write(get('/openai/v1/fine'));
        assert.equal((await client.readResponse()).status, 200);
      }
    }),
  );
  await until(async () => (await gateway.traceCount()) === 300, '300 traces');
});

scenario('answers that two parsers could read differently never reach another client', async (world) => {
  const poison = reply('poison');
  const answers = {
    'length and chunked': Buffer.concat([
      head('HTTP/1.1 200 OK', [
        ['Content-Length', '5'],
        ['Transfer-Encoding', 'chunked'],
      ]),
      raw('0\r\n\r\n'),
      poison,
    ]),
    'two lengths': Buffer.concat([
      head('HTTP/1.1 200 OK', [
        ['Content-Length', '0'],
        ['Content-Length', '80'],
      ]),
      poison,
    ]),
    'odd coding': Buffer.concat([
      head('HTTP/1.1 200 OK', [['Transfer-Encoding', 'chunked, x']]),
      raw('0\r\n\r\n'),
      poison,
    ]),
    'folded header': Buffer.concat([raw('HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 0\r\n\r\n'), poison]),
    'bare LF': Buffer.concat([raw('HTTP/1.1 200 OK\nContent-Length: 0\n\n'), poison]),
    'NUL in a header': Buffer.concat([raw('HTTP/1.1 200 OK\r\nX-A: b\0c\r\nContent-Length: 0\r\n\r\n'), poison]),
    'CR LF in a value': Buffer.concat([
      raw('HTTP/1.1 200 OK\r\nX-A: b\rSet-Cookie: c\r\nContent-Length: 0\r\n\r\n'),
      poison,
    ]),
  };
  for (const [name, bytes] of Object.entries(answers)) {
    const { upstream, routes } = await world.routed();
    routes.on('/v1/odd', (request, peer) => peer.write(bytes));
    routes.on('/v1/fine', (request, peer) => peer.write(reply('fine')));
    const gateway = await world.gateway({ openai: upstream.url, config: { server: { workers: 1 } } });
    const first = await world.client(gateway);
    await first.write(get('/openai/v1/odd'));
    const odd = await within(
      5000,
      first.readResponse().catch(() => null),
      'the odd answer or its end',
    );
    assert.ok(!odd?.body.toString().includes('poison'), name);
    const second = await world.client(gateway);
    await second.write(get('/openai/v1/fine'));
    const fine = await second.readResponse();
    assert.equal(fine.body.toString(), 'fine', name);
  }
});
