// Anonymous memory: of the idle process, and of each of thousands of idle streams.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { sanitized } from '../lib/gateway.js';
import { kCompletions, post, reply } from '../lib/http.js';
import { loadUpstream } from '../lib/load.js';
import { connect } from '../lib/peer.js';
import { scenario } from '../lib/world.js';
import { until } from '../lib/wait.js';

const kStreams = 5000;

scenario('an idle process takes at most 20 MiB', { skip: sanitized }, async (world) => {
  const { upstream, routes } = await world.routed();
  routes.on('/v1/chat/completions', (request, peer) => peer.write(reply('{}')));
  const gateway = await world.gateway({ openai: upstream.url, config: { trace: { ring_bytes: 67108864 } } });
  const fresh = gateway.rssAnonKiB();
  for (let i = 0; i < 100; i++) await gateway.api(kCompletions, { method: 'POST', body: '{}' });
  await gateway.settled();
  const used = gateway.rssAnonKiB();
  console.log(
    `anonymous memory: ${(fresh / 1024).toFixed(1)} MiB after start, ${(used / 1024).toFixed(1)} MiB after 100 requests`,
  );
  assert.ok(fresh <= 20 * 1024 && used <= 20 * 1024, `${fresh} KiB after start, ${used} KiB after use`);
});

scenario(`${kStreams} idle streams take at most 24 KiB each`, { skip: sanitized, timeout: 180000 }, async (world) => {
  const limit = Number(/Max open files\s+(\d+)/.exec(fs.readFileSync('/proc/self/limits', 'utf8'))[1]);
  assert.ok(limit > kStreams * 2 + 200, `the limit of open files is ${limit}: raise it (ulimit -n) to run this test`);
  const upstream = await loadUpstream(world);
  const gateway = await world.gateway({ openai: upstream.url });
  await gateway.api(kCompletions, { method: 'POST', body: '{}' });
  await gateway.settled();
  const before = gateway.rssAnonKiB();
  const clients = [];
  world.later(() => clients.forEach((client) => client.destroy()));
  const request = post(
    '/openai/v1/idle-stream',
    JSON.stringify({ model: 'gpt-4o-mini', stream: true, messages: [{ role: 'user', content: 'x'.repeat(500) }] }),
    [
      ['Authorization', 'Bearer sk-test-0123456789abcdef'],
      ['Content-Type', 'application/json'],
    ],
  );
  const open = async () => {
    while (clients.length < kStreams) {
      const at = clients.length;
      clients.push(null);
      const client = await connect(gateway.port);
      clients[at] = client;
      await client.write(request);
      await client.readUntil('"content":"a"', 'the first event');
    }
  };
  await Promise.all(Array.from({ length: 50 }, open));
  const after = gateway.rssAnonKiB();
  const each = (after - before) / kStreams;
  console.log(
    `${kStreams} idle streams: ${each.toFixed(2)} KiB each (${(before / 1024).toFixed(1)} MiB before, ${(after / 1024).toFixed(1)} MiB after)`,
  );
  assert.equal(clients.filter((c) => c.ended || c.closed).length, 0, 'all streams are open');
  assert.ok(each <= 24, `${each.toFixed(2)} KiB per idle stream`);
  clients.splice(0).forEach((client) => client.destroy());
  await gateway.settled(60000);
  await until(
    async () => (await gateway.traceCount()) === kStreams + 1,
    () => `${kStreams} traces of streams that clients left`,
    30000,
  );
});
