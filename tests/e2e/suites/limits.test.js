// The listener's bounds: header bytes, header time, idle time, connections, descriptors, memory per client.
import assert from 'node:assert/strict';
import { sanitized } from '../lib/gateway.js';
import { scenario } from '../lib/world.js';
import { get, kCompletions, post, reply } from '../lib/http.js';
import { head } from '../lib/peer.js';
import { gate, until, within } from '../lib/wait.js';

async function setUp(world, server = {}, options = {}) {
  const { upstream, routes } = await world.routed();
  routes.on('/v1/fine', (request, peer) => peer.write(reply('fine')));
  const gateway = await world.gateway({
    openai: upstream.url,
    config: { server: { workers: 1, ...server } },
    ...options,
  });
  return { upstream, routes, gateway };
}
async function fine(world, gateway) {
  const client = await world.client(gateway);
  await client.write(get('/openai/v1/fine'));
  const response = await client.readResponse();
  assert.equal(response.status, 200);
  return client;
}

scenario('headers beyond max_header_bytes: 431 JSON, closed, nothing forwarded', async (world) => {
  const { gateway, upstream } = await setUp(world, { max_header_bytes: 4096 });
  for (const [name, bytes] of Object.entries({
    'one long value': get('/openai/v1/fine', [['X-Long', 'x'.repeat(5000)]]),
    'many fields': get(
      '/openai/v1/fine',
      Array.from({ length: 300 }, (_, i) => [`X-${i}`, 'value']),
    ),
    'a long target': get(`/openai/v1/fine?${'x'.repeat(5000)}`),
    'a head without end': get('/openai/v1/fine', [['X-Long', 'x'.repeat(50000)]]).subarray(0, 40000),
    'a request line without end': Buffer.from(`GET /${'x'.repeat(20000)}`),
  })) {
    const client = await world.client(gateway);
    await client.write(bytes);
    const response = await client.readResponse({ deadline: 5000 });
    assert.ok(response.status === 431 || response.status === 414, `${name}: ${response.status}`);
    assert.equal(typeof JSON.parse(response.body).error, 'string', name);
    await within(5000, client.gone, `${name}: the connection is closed`);
  }
  const exact = await world.client(gateway);
  const bytes = (n) => get('/openai/v1/fine', [['X-Long', 'x'.repeat(n)]]);
  await exact.write(bytes(4096 - bytes(0).length));
  assert.equal((await exact.readResponse()).status, 200, 'exactly max_header_bytes is fine');
  assert.equal(upstream.requests.length, 1);
  await gateway.settled();
  assert.equal(await gateway.traceCount(), 1, 'refusals are not traced');
});

scenario('60 KiB of headers pass by default, 100 KiB do not', async (world) => {
  const { gateway, upstream } = await setUp(world);
  const client = await world.client(gateway);
  const fields = Array.from({ length: 60 }, (_, i) => [`X-Fill-${i}`, 'v'.repeat(1000)]);
  await client.write(get('/openai/v1/fine', fields));
  assert.equal((await client.readResponse()).status, 200);
  assert.equal(upstream.requests[0].get('x-fill-59')?.length, 1000);
  await client.write(get('/openai/v1/fine', [...fields, ['X-More', 'v'.repeat(40000)]]));
  assert.equal((await client.readResponse()).status, 431);
});

scenario('a client that is slow with its headers is cut, however it trickles', async (world) => {
  const { gateway, upstream } = await setUp(world, { header_timeout_ms: 600 });
  const trickling = await world.client(gateway);
  const silent = await world.client(gateway);
  await silent.write(Buffer.from('GET /openai/v1/fine HTTP/1.1\r\nHo'));
  const start = performance.now();
  let stop = false;
  const trickle = (async () => {
    const bytes = get('/openai/v1/fine', [['X-Slow', 'x'.repeat(1000)]]);
    for (let i = 0; i < bytes.length && !stop; i++) {
      await trickling.write(bytes.subarray(i, i + 1)).catch(() => (stop = true));
      await new Promise((resolve) => setTimeout(resolve, 25)); // the slowness is what is tested
    }
  })();
  await within(6000, Promise.all([trickling.gone, silent.gone]), 'both are cut');
  assert.ok(performance.now() - start >= 500, 'not before the header timeout');
  stop = true;
  await trickle;
  assert.equal(upstream.requests.length, 0);
  await fine(world, gateway);
});

scenario('a client that never sends a byte is cut', async (world) => {
  const { gateway } = await setUp(world, { header_timeout_ms: 500, idle_timeout_ms: 500 });
  const client = await world.client(gateway);
  await within(6000, client.gone, 'the silent connection is cut');
  assert.equal(client.received, 0, 'without an answer that nobody asked for');
});

scenario('an idle keep-alive connection is closed, a busy one is not', async (world) => {
  const { gateway, routes } = await setUp(world, { idle_timeout_ms: 500 });
  const release = gate();
  routes.on('/v1/slow', async (request, peer) => {
    await release.promise;
    await peer.write(reply('slow'));
  });
  const busy = await world.client(gateway);
  await busy.write(get('/openai/v1/slow'));
  const idle = await fine(world, gateway);
  const start = performance.now();
  await within(6000, idle.gone, 'the idle connection is closed');
  assert.ok(performance.now() - start > 300, 'not at once');
  const second = await fine(world, gateway);
  await within(6000, second.gone, 'the second idle connection is closed');
  assert.equal(busy.ended, false, 'an exchange in flight is not idle');
  release.open();
  assert.equal((await busy.readResponse()).body.toString(), 'slow');
});

scenario('connections beyond max_connections are turned away or wait, and room is given back', async (world) => {
  const { gateway } = await setUp(world, { max_connections: 12, workers: 2 });
  const held = [];
  await until(async () => {
    // The harness's own API connections count as well: hold what can be had.
    const client = await world.client(gateway);
    await client.write(get('/openai/v1/fine'));
    const served = await client.readResponse({ deadline: 700 }).then(
      (r) => r.status === 200,
      () => false,
    );
    if (served) held.push(client);
    else client.destroy();
    return !served;
  }, 'a connection is not served');
  assert.ok(held.length >= 8 && held.length <= 12, `${held.length} connections were served at once`);
  for (const client of held.slice(0, 6)) client.destroy();
  await until(() => fine(world, gateway).then(() => true), 'a new connection is served after others left');
  for (const client of held.slice(6)) {
    await client.write(get('/openai/v1/fine'));
    assert.equal((await client.readResponse()).status, 200, 'those inside were not disturbed');
  }
});

// Left out of sanitizer builds: their run-time needs descriptors of its own to look at memory.
scenario(
  'out of descriptors: it stops accepting for a moment, goes on, and recovers',
  { skip: sanitized },
  async (world) => {
    const { gateway } = await setUp(world, { max_connections: 10000 }, { wrapper: ['prlimit', '--nofile=96:96'] });
    const clients = [];
    for (let i = 0; i < 150; i++) clients.push(await world.client(gateway));
    const first = clients[0];
    await first.write(get('/api/health'));
    assert.equal((await first.readResponse()).status, 200, 'those inside are served');
    for (const client of clients) client.destroy();
    await until(() => fine(world, gateway).then(() => true), 'new connections are served again');
    assert.equal((await gateway.stop()).code, 0);
  },
);

scenario('a client that pipelines without reading cannot make the gateway grow', async (world) => {
  const { gateway, routes } = await setUp(world);
  routes.on('/v1/big', (request, peer) => peer.write(reply(Buffer.alloc(20000, 'b'))));
  const client = await world.client(gateway);
  await fine(world, gateway);
  const before = gateway.rssAnonKiB();
  client.pause();
  const one = get('/openai/v1/big', [['X-Fill', 'f'.repeat(500)]]);
  const many = Buffer.concat(Array.from({ length: 2000 }, () => one));
  let sent = 0;
  const sending = (async () => {
    for (let i = 0; i < 60; i++) {
      await client.write(many);
      sent += 1;
    }
  })().catch(() => {});
  let last = -1;
  let since = performance.now();
  await until(
    () => {
      if (sent !== last) {
        last = sent;
        since = performance.now();
      }
      return performance.now() - since > 700;
    },
    'the client comes to a standstill',
    30000,
  );
  assert.ok(sent < 60, 'the client is held back');
  gateway.expectGrownAtMost(4096, before);
  client.destroy();
  await sending;
  await fine(world, gateway);
});

scenario('thousands of requests leave no memory and no descriptors behind', async (world) => {
  const { gateway, routes } = await setUp(world);
  routes.on('/v1/chat/completions', (request, peer) =>
    peer.write(reply('{"usage":{"prompt_tokens":1,"completion_tokens":1}}')),
  );
  const body = Buffer.alloc(3000, ' ');
  const rounds = async (count) => {
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        const client = await world.client(gateway);
        for (let i = 0; i < count; i++) {
          await client.write(post(kCompletions, body));
          assert.equal((await client.readResponse()).status, 200);
        }
        client.destroy();
      }),
    );
    await gateway.settled();
  };
  await rounds(100);
  const files = await until(() => gateway.openFiles(), 'descriptors');
  const before = gateway.rssAnonKiB();
  for (let i = 0; i < 3; i++) await rounds(100);
  gateway.expectGrownAtMost(3072, before);
  await until(
    () => gateway.openFiles() <= files + 25,
    () => `descriptors: ${files} before, ${gateway.openFiles()} now`,
  );
});

scenario('a refused request does not hold its connection open for ever', async (world) => {
  const { gateway } = await setUp(world);
  const client = await world.client(gateway);
  await client.write(head('GET /openai/v1/fine HTTP/1.1', [])); // no Host
  assert.equal((await client.readResponse()).status, 400);
  await within(5000, client.gone, 'our direction is closed');
  await until(async () => {
    await client.write(Buffer.from('x')).catch(() => {});
    return client.closed || client.error;
  }, 'and then the connection');
});
