// HTTP/1.1 as clients and providers really speak it: trailers, 1xx, HEAD, bodiless answers, Expect, pipelining,
// HTTP/1.0, upgrades.
import assert from 'node:assert/strict';
import http from 'node:http';
import { WebSocket, WebSocketServer } from 'ws';
import { sameBytes } from '../lib/compare.js';
import { chatAnswer, get, json, kCompletions, post, randomBytes, reply, unique } from '../lib/http.js';
import { chunked, head } from '../lib/peer.js';
import { scenario } from '../lib/world.js';
import { gate, until, within } from '../lib/wait.js';

async function setUp(world, options = {}) {
  const { upstream, routes } = await world.routed();
  const gateway = await world.gateway({ openai: upstream.url, ...options });
  const client = await world.client(gateway);
  return { upstream, routes, gateway, client };
}

/** Proves that the connection is in step: the next request gets its own answer. */
async function stillInStep({ routes, client }) {
  const mark = unique('step');
  routes.on('/v1/step', (request, peer) => peer.write(reply(request.get('x-mark'))));
  await client.write(get('/openai/v1/step', [['X-Mark', mark]]));
  const response = await client.readResponse();
  assert.equal(response.status, 200);
  assert.equal(response.body.toString(), mark, 'the next answer on the connection');
}

scenario('response trailers are relayed', async (world) => {
  const env = await setUp(world);
  env.routes.on('/v1/t', (request, peer) =>
    peer.write(
      Buffer.concat([
        head('HTTP/1.1 200 OK', [
          ['Transfer-Encoding', 'chunked'],
          ['Trailer', 'X-Sum, X-More'],
        ]),
        chunked(
          Buffer.from('body'),
          [2],
          [
            ['X-Sum', 'abc'],
            ['X-More', '1'],
          ],
        ),
      ]),
    ),
  );
  await env.client.write(get('/openai/v1/t', [['TE', 'trailers']]));
  const response = await env.client.readResponse();
  assert.equal(response.body.toString(), 'body');
  assert.deepEqual(response.trailers, [
    ['X-Sum', 'abc'],
    ['X-More', '1'],
  ]);
  await stillInStep(env);
});

scenario(
  'a chunked request with trailers and chunk extensions of zero length keeps the connection in step',
  async (world) => {
    const env = await setUp(world);
    let arrived;
    env.routes.on('/v1/t', async (request, peer) => {
      arrived = request;
      await peer.write(reply('ok'));
    });
    await env.client.write(
      post('/openai/v1/t', 'hello world', [], { framing: 'chunked', sizes: [5], trailers: [['X-Req-Trailer', 'v']] }),
    );
    assert.equal((await env.client.readResponse()).status, 200);
    assert.equal(arrived.body.toString(), 'hello world');
    await stillInStep(env);
  },
);

scenario('1xx answers are relayed and never become the recorded status', async (world) => {
  const env = await setUp(world);
  env.routes.on('/v1/hints', async (request, peer) => {
    await peer.write(head('HTTP/1.1 103 Early Hints', [['Link', '</style.css>; rel=preload']]));
    await peer.write(head('HTTP/1.1 102 Processing', []));
    await peer.write(reply(chatAnswer(), [['Content-Type', 'application/json']]));
  });
  await env.client.write(post('/openai/v1/hints', '{}'));
  const response = await env.client.readResponse();
  assert.deepEqual(
    response.informational.map((r) => r.status),
    [103, 102],
  );
  assert.equal(response.informational[0].get('link'), '</style.css>; rel=preload');
  assert.equal(response.status, 200);
  assert.equal((await env.gateway.trace(response.get('x-ongoingai-trace-id'))).response_status, 200);
  await stillInStep(env);
});

scenario('HEAD answers keep their Content-Length and carry no body', async (world) => {
  const env = await setUp(world);
  env.routes.on('/v1/h', (request, peer) =>
    peer.write(
      head('HTTP/1.1 200 OK', [
        ['Content-Length', '12345'],
        ['X-A', 'b'],
      ]),
    ),
  );
  env.routes.on('/v1/c', (request, peer) => peer.write(head('HTTP/1.1 200 OK', [['Transfer-Encoding', 'chunked']])));
  await env.client.write(get('/openai/v1/h', [], { method: 'HEAD' }));
  const response = await env.client.readResponse({ method: 'HEAD' });
  assert.equal(response.get('content-length'), '12345');
  assert.equal(response.get('x-a'), 'b');
  await stillInStep(env);
  await env.client.write(get('/openai/v1/c', [], { method: 'HEAD' }));
  assert.equal((await env.client.readResponse({ method: 'HEAD' })).status, 200);
  await stillInStep(env);
  const [trace] = await until(async () => {
    const found = (await env.gateway.list()).filter((t) => t.request_path === '/openai/v1/h');
    return found.length && found;
  }, 'the trace of the HEAD');
  assert.equal(trace.request_method, 'HEAD');
});

scenario('204 and 304 have no body, whatever their headers say', async (world) => {
  const env = await setUp(world);
  env.routes.on('/v1/204', (request, peer) => peer.write(head('HTTP/1.1 204 No Content', [['X-A', 'b']])));
  env.routes.on('/v1/304', (request, peer) =>
    peer.write(
      head('HTTP/1.1 304 Not Modified', [
        ['ETag', '"x"'],
        ['Content-Length', '999'],
      ]),
    ),
  );
  for (const status of [204, 304, 204]) {
    await env.client.write(get(`/openai/v1/${status}`));
    const response = await env.client.readResponse();
    assert.equal(response.status, status);
    await stillInStep(env);
  }
});

scenario('every method and status is relayed as it is', async (world) => {
  const env = await setUp(world);
  let status;
  let arrived;
  env.routes.on('/v1/any', async (request, peer) => {
    arrived = request;
    await peer.write(reply('b', [], status));
  });
  for (const [method, line] of [
    ['PUT', '201 Created'],
    ['PATCH', '202 Accepted'],
    ['DELETE', '404 Not Found'],
    ['POST', '529 Site is overloaded'],
    ['OPTIONS', '200 OK'],
    ['POST', '307 Temporary Redirect'],
    ['PROPFIND', '207 Multi-Status'],
    ['POST', '500 '],
    ['POST', '599 Very odd reason'],
    ['GET', '200 OK'],
  ]) {
    status = line;
    await env.client.write(
      Buffer.concat([
        head(`${method} /openai/v1/any HTTP/1.1`, [
          ['Host', 'g'],
          ['Content-Length', '3'],
        ]),
        Buffer.from('abc'),
      ]),
    );
    const response = await env.client.readResponse({ method });
    assert.equal(response.status, Number(line.slice(0, 3)), method);
    assert.equal(arrived.method, method);
    assert.equal(arrived.body.toString(), 'abc', `${method}: body`);
  }
});

scenario('Expect: 100-continue is answered before the body is sent', async (world) => {
  const env = await setUp(world);
  let arrived;
  env.routes.on(
    '/v1/expect',
    async (request, peer) => {
      if (request.get('expect')) await peer.write(head('HTTP/1.1 100 Continue', []));
      arrived = (await peer.readBody({ kind: 'length', length: 5 })).body;
      await peer.write(reply('ok'));
    },
    { stream: true },
  );
  for (let round = 0; round < 2; round++) {
    await env.client.write(
      head('POST /openai/v1/expect HTTP/1.1', [
        ['Host', 'g'],
        ['Content-Length', '5'],
        ['Expect', '100-continue'],
      ]),
    );
    const first = await env.client.readResponseHead(5000);
    assert.equal(first.status, 100);
    await env.client.write(Buffer.from('hello'));
    const response = await env.client.readResponse();
    assert.equal(response.status, 200);
    assert.equal(response.informational.length, 0, 'one 100, not two');
    assert.equal(arrived.toString(), 'hello');
  }
  await stillInStep(env);
});

scenario('an upstream that answers without 100 is heard, and the connection never gets out of step', async (world) => {
  const env = await setUp(world);
  env.routes.on(
    '/v1/expect',
    async (request, peer) => {
      await peer.write(reply('no', [['Connection', 'close']], '417 Expectation Failed'));
      await peer.finish();
    },
    { stream: true },
  );
  await env.client.write(
    head('POST /openai/v1/expect HTTP/1.1', [
      ['Host', 'g'],
      ['Content-Length', '5'],
      ['Expect', '100-continue'],
    ]),
  );
  let response = await env.client.readResponseHead(5000);
  if (response.status === 100) {
    await env.client.write(Buffer.from('hello'));
    response = await env.client.readResponse();
  } else {
    Object.assign(
      response,
      await env.client.readBody({ kind: 'length', length: Number(response.get('content-length')) }),
    );
  }
  assert.equal(response.status, 417);
  assert.equal(response.body.toString(), 'no');
  assert.equal((await env.gateway.trace(response.get('x-ongoingai-trace-id'))).response_status, 417);
});

scenario('an early answer to an unfinished upload reaches the client', async (world) => {
  const env = await setUp(world);
  env.routes.on(
    '/v1/early',
    async (request, peer) => {
      await peer.write(
        reply(
          '{"error":"too large"}',
          [
            ['Content-Type', 'application/json'],
            ['Connection', 'close'],
          ],
          '413 Payload Too Large',
        ),
      );
    },
    { stream: true },
  );
  await env.client.write(
    Buffer.concat([
      head('POST /openai/v1/early HTTP/1.1', [
        ['Host', 'g'],
        ['Content-Length', '50000000'],
      ]),
      Buffer.alloc(1000, 'x'),
    ]),
  );
  const response = await env.client.readResponse({ deadline: 5000 });
  assert.equal(response.status, 413);
  assert.equal(response.body.toString(), '{"error":"too large"}');
});

scenario('pipelined requests are answered in order, each with its own trace', async (world) => {
  const env = await setUp(world);
  env.routes.on('/v1/p', (request, peer) =>
    peer.write(reply(Buffer.concat([Buffer.from(request.get('x-n')), request.body]))),
  );
  const requests = Array.from({ length: 40 }, (_, i) =>
    i % 2
      ? post('/openai/v1/p', `:body ${i}`, [['X-N', String(i)]], {
          framing: i % 4 === 1 ? 'chunked' : 'length',
          sizes: [2],
        })
      : get('/openai/v1/p', [['X-N', String(i)]]),
  );
  await env.client.write(Buffer.concat(requests));
  const ids = new Set();
  for (let i = 0; i < requests.length; i++) {
    const response = await env.client.readResponse();
    assert.equal(response.body.toString(), i % 2 ? `${i}:body ${i}` : String(i));
    ids.add(response.get('x-ongoingai-trace-id'));
  }
  assert.equal(ids.size, requests.length);
  for (const id of ids) await env.gateway.trace(id);
});

scenario('provider and API requests mix on one connection', async (world) => {
  const env = await setUp(world);
  env.routes.on('/v1/p', (request, peer) => peer.write(reply('proxied')));
  await env.client.write(
    Buffer.concat([get('/openai/v1/p'), get('/api/health'), get('/nowhere'), get('/openai/v1/p'), get('/')]),
  );
  const answers = [];
  for (let i = 0; i < 5; i++) answers.push(await env.client.readResponse());
  assert.deepEqual(
    answers.map((a) => a.status),
    [200, 200, 404, 200, 200],
  );
  assert.equal(answers[3].body.toString(), 'proxied');
});

scenario('an HTTP/1.0 client gets an unchunked answer and a closed connection', async (world) => {
  const env = await setUp(world);
  env.routes.on('/v1/old', (request, peer) =>
    peer.writePieces([
      head('HTTP/1.1 200 OK', [
        ['Content-Type', 'text/event-stream'],
        ['Transfer-Encoding', 'chunked'],
      ]),
      chunked(Buffer.from('data: 1\n\ndata: 2\n\n'), [9]),
    ]),
  );
  await env.client.write(get('/openai/v1/old', [], { version: '1.0' }));
  const response = await env.client.readResponse();
  assert.equal(response.get('transfer-encoding'), undefined, 'no chunks for HTTP/1.0');
  assert.equal(response.body.toString(), 'data: 1\n\ndata: 2\n\n');
  await within(5000, env.client.gone, 'the gateway closes the connection');
  assert.equal(env.upstream.requests[0].startLine, 'GET /v1/old HTTP/1.1', 'the upstream is spoken to in HTTP/1.1');
});

scenario('an HTTP/1.0 client without Host is served, and keep-alive is honoured when asked for', async (world) => {
  const env = await setUp(world);
  env.routes.on('/v1/old', (request, peer) => peer.write(reply('ok')));
  await env.client.write(head('GET /openai/v1/old HTTP/1.0', [['Connection', 'keep-alive']]));
  const response = await env.client.readResponse();
  assert.equal(response.status, 200);
  assert.equal(response.body.toString(), 'ok');
  if (/keep-alive/i.test(response.get('connection') ?? '')) {
    await env.client.write(head('GET /openai/v1/old HTTP/1.0', []));
    assert.equal((await env.client.readResponse()).status, 200);
  }
  await within(5000, env.client.gone, 'the gateway closes the connection');
});

scenario('Connection: close is honoured on both legs', async (world) => {
  const env = await setUp(world);
  env.routes.on('/v1/c', (request, peer) => peer.write(reply('ok')));
  await env.client.write(get('/openai/v1/c', [['Connection', 'close']]));
  const response = await env.client.readResponse();
  assert.equal(response.get('connection')?.toLowerCase(), 'close');
  await within(5000, env.client.gone, 'the gateway closes the connection');
  const second = await world.client(env.gateway);
  await second.write(get('/openai/v1/c'));
  assert.equal((await second.readResponse()).status, 200);
  assert.equal(env.upstream.requests.length, 2);
});

scenario('an upstream in HTTP/1.0 without length is relayed until it closes', async (world) => {
  const env = await setUp(world);
  const body = randomBytes(100000, 4);
  env.routes.on('/v1/old', async (request, peer) => {
    await peer.write(
      Buffer.concat([Buffer.from('HTTP/1.0 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n'), body]),
    );
    await peer.finish();
  });
  await env.client.write(get('/openai/v1/old'));
  const response = await env.client.readResponse();
  sameBytes(response.body, body, 'body');
  assert.equal(response.framing, 'chunked', 'the length is unknown, so it is chunked and the connection stays usable');
  await stillInStep(env);
});

scenario('upstream connections are reused', async (world) => {
  const env = await setUp(world, { config: { server: { workers: 1 } } });
  env.routes.on('/v1/r', (request, peer) => peer.write(reply('ok')));
  for (let i = 0; i < 50; i++) {
    await env.client.write(post('/openai/v1/r', 'x'));
    await env.client.readResponse();
  }
  assert.equal(env.upstream.connections.length, 1);
});

async function socketServer(world) {
  const server = new WebSocketServer({
    port: 0,
    host: '127.0.0.1',
    perMessageDeflate: false,
    handleProtocols: (protocols) => [...protocols][0],
  });
  await new Promise((resolve) => server.once('listening', resolve));
  world.later(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  return server;
}

scenario('a WebSocket is relayed: handshake, text, binary, ping, close code', async (world) => {
  const server = await socketServer(world);
  let handshake;
  const closed = gate();
  server.on('connection', (socket, request) => {
    handshake = request;
    socket.on('message', (data, binary) => socket.send(data, { binary }));
    socket.on('close', (code, reason) => closed.open([code, reason.toString()]));
  });
  const gateway = await world.gateway({ openai: `http://127.0.0.1:${server.address().port}` });
  const group = unique('ws');
  const client = new WebSocket(
    `ws://127.0.0.1:${gateway.port}/openai/v1/realtime?model=gpt-4o-realtime`,
    ['realtime', 'other'],
    {
      headers: { Authorization: 'Bearer sk-ws', 'X-OngoingAI-Trace-Group-ID': group },
      perMessageDeflate: false,
    },
  );
  world.later(() => client.terminate());
  await within(
    5000,
    new Promise((resolve, reject) => client.once('open', resolve).once('error', reject)),
    'the WebSocket opens',
  );
  assert.equal(client.protocol, 'realtime');
  assert.equal(handshake.url, '/v1/realtime?model=gpt-4o-realtime');
  assert.equal(handshake.headers.authorization, 'Bearer sk-ws');
  assert.equal(handshake.headers.connection.toLowerCase(), 'upgrade');
  const echo = (message) =>
    within(
      10000,
      new Promise((resolve) => {
        client.once('message', (data, binary) => resolve(binary ? data : data.toString()));
        client.send(message);
      }),
      'the echo',
    );
  assert.equal(await echo('hello'), 'hello');
  const big = randomBytes(1024 * 1024, 8);
  sameBytes(await echo(big), big, 'binary message');
  for (let i = 0; i < 100; i++) assert.equal(await echo(`n${i}`), `n${i}`);
  await within(
    5000,
    new Promise((resolve) => {
      client.once('pong', resolve);
      client.ping('x');
    }),
    'the pong',
  );
  client.close(4001, 'bye');
  assert.deepEqual(await within(5000, closed.promise, 'the close at the upstream'), [4001, 'bye']);
  const trace = await gateway.onlyTrace({ trace_group_id: group });
  assert.equal(trace.response_status, 101);
  assert.equal(trace.metadata.outcome, 'complete');
  assert.equal(trace.provider, 'openai');
});

scenario('bytes that follow the upgrade head at once are not lost, in either direction', async (world) => {
  const upstream = await world.upstream(async (peer) => {
    await peer.readHead();
    await peer.write(
      Buffer.concat([
        head('HTTP/1.1 101 Switching Protocols', [
          ['Connection', 'Upgrade'],
          ['Upgrade', 'websocket'],
        ]),
        Buffer.from('early-down'),
      ]),
    );
    const early = await peer.readExactly(8);
    await peer.write(Buffer.concat([Buffer.from('got '), early]));
  });
  const gateway = await world.gateway({ openai: upstream.url });
  const client = await world.client(gateway);
  await client.write(
    Buffer.concat([
      get('/openai/v1/raw', [
        ['Connection', 'Upgrade'],
        ['Upgrade', 'websocket'],
      ]),
      Buffer.from('early-up'),
    ]),
  );
  const answer = await client.readResponseHead();
  assert.equal(answer.status, 101);
  assert.equal(answer.get('upgrade'), 'websocket');
  assert.equal((await client.readExactly(22)).toString(), 'early-downgot early-up');
});

scenario('an upgrade to anything but WebSocket goes on as the plain request that it also is', async (world) => {
  const env = await setUp(world);
  env.routes.on('/v1/plain', (request, peer) => peer.write(reply('plain')));
  await env.client.write(
    get('/openai/v1/plain', [
      ['Connection', 'Upgrade, HTTP2-Settings'],
      ['Upgrade', 'h2c'],
      ['HTTP2-Settings', 'AAMAAABkAAQAAP__'],
    ]),
  );
  const response = await env.client.readResponse();
  assert.deepEqual([response.status, response.body.toString()], [200, 'plain']);
  assert.equal(env.upstream.requests[0].get('upgrade'), undefined);
  assert.equal(env.upstream.requests[0].get('http2-settings'), undefined);
  await stillInStep(env);
});

scenario('a refused upgrade is relayed as the answer it is', async (world) => {
  const server = http.createServer();
  server.on('upgrade', (request, socket) =>
    socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\nContent-Type: text/plain\r\n\r\nnope'),
  );
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  world.later(() => server.close());
  const gateway = await world.gateway({ openai: `http://127.0.0.1:${server.address().port}` });
  const client = new WebSocket(`ws://127.0.0.1:${gateway.port}/openai/v1/realtime`);
  const [status, id] = await within(
    5000,
    new Promise((resolve, reject) => {
      client.once('unexpected-response', (request, response) =>
        resolve([response.statusCode, response.headers['x-ongoingai-trace-id']]),
      );
      client.once('error', reject);
    }),
    'the refusal',
  );
  client.on('error', () => {});
  client.terminate();
  assert.equal(status, 401);
  assert.equal((await gateway.trace(id)).response_status, 401);
});

scenario('when one side of a WebSocket vanishes the other is told within a second', async (world) => {
  const server = await socketServer(world);
  const gateway = await world.gateway({ openai: `http://127.0.0.1:${server.address().port}` });
  for (const vanishing of ['client', 'server']) {
    const serverSide = new Promise((resolve) => server.once('connection', resolve));
    const client = new WebSocket(`ws://127.0.0.1:${gateway.port}/openai/v1/realtime`);
    client.on('error', () => {});
    await within(5000, new Promise((resolve) => client.once('open', resolve)), 'the WebSocket opens');
    const far = await serverSide;
    far.on('error', () => {});
    const [leaving, staying] = vanishing === 'client' ? [client, far] : [far, client];
    const told = new Promise((resolve) => staying.once('close', resolve));
    leaving.terminate();
    await within(1000, told, `the other side is told that the ${vanishing} vanished`);
  }
  await gateway.settled();
  assert.equal((await gateway.list()).length, 2, 'one trace for each');
});

scenario('an answer to one client never leaks into another', async (world) => {
  const env = await setUp(world);
  env.routes.on('/v1/leak', (request, peer) =>
    peer.write(reply(Buffer.concat([Buffer.from(`${request.get('x-who')}:`), request.body]))),
  );
  const clients = await Promise.all(Array.from({ length: 30 }, () => world.client(env.gateway)));
  await Promise.all(
    clients.map(async (client, who) => {
      for (let i = 0; i < 20; i++) {
        const body = `${who}/${i} ${'x'.repeat((who * 37 + i * 101) % 3000)}`;
        await client.write(
          post('/openai/v1/leak', body, [['X-Who', String(who)]], {
            framing: i % 2 ? 'chunked' : 'length',
            sizes: [100],
          }),
        );
        const response = await client.readResponse();
        assert.equal(response.body.toString(), `${who}:${body}`);
      }
    }),
  );
  await until(async () => (await env.gateway.traceCount()) === 600, '600 traces');
});
