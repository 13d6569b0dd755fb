// What a steady keep-alive request costs in system calls and allocations, on every thread that touches requests: all
// but those that work behind the trace ring (storage, spill, query, export).
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { sanitized } from '../lib/gateway.js';
import { chatAnswer, kCompletions, post, reply } from '../lib/http.js';
import { OtlpReceiver } from '../lib/otlp_receiver.js';
import { chunked, head } from '../lib/peer.js';
import { scenario } from '../lib/world.js';
import { until, within } from '../lib/wait.js';

const kRequests = 1000;
const kBehindTheRing = /^(storage|spill|query|export)/;
const kBody = JSON.stringify({
  model: 'gpt-4o-mini',
  messages: [{ role: 'user', content: 'Tell me about the Roman empire. '.repeat(20) }],
});

/** A gateway, one client connection, and run(n): so many requests one after the other. */
async function steady(world, { events = 0, ...options } = {}) {
  const { upstream, routes } = await world.routed();
  const answer = reply(chatAnswer(), [['Content-Type', 'application/json']]);
  const event = `data: ${JSON.stringify({ choices: [{ delta: { content: 'token ' } }] })}\n\n`;
  const stream = Buffer.concat([
    head('HTTP/1.1 200 OK', [
      ['Content-Type', 'text/event-stream'],
      ['Transfer-Encoding', 'chunked'],
    ]),
    chunked(
      Buffer.from(event.repeat(events)),
      Array.from({ length: events }, () => event.length),
    ),
  ]);
  routes.on('/v1/chat/completions', (request, peer) => peer.write(events ? stream : answer));
  const gateway = await world.gateway({ openai: upstream.url, ...options });
  const client = await world.client(gateway);
  const request = post(kCompletions, kBody, [
    ['Authorization', 'Bearer sk-test-0123456789abcdef'],
    ['Content-Type', 'application/json'],
    ['User-Agent', 'test/1.0'],
    ['Accept', '*/*'],
  ]);
  const run = async (n) => {
    for (let i = 0; i < n; i++) {
      await client.write(request);
      const response = await client.readResponse();
      assert.equal(response.status, 200);
    }
  };
  await run(500); // buffers grown, connections pooled, statements prepared
  await gateway.settled();
  return { gateway, run };
}

/** System calls by thread name while body runs: Map name -> Map call -> count. */
async function traceCalls(gateway, file, body) {
  const child = spawn('strace', ['-f', '-qq', '-o', file, '-p', String(gateway.pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (text) => (errors += text));
  const ended = new Promise((resolve) => child.once('close', resolve));
  await until(() => {
    if (child.exitCode !== null) throw new Error(`strace: ${errors}`);
    return [...gateway.threads().keys()].every(
      (tid) => !/TracerPid:\t0$/m.test(fs.readFileSync(`/proc/${gateway.pid}/task/${tid}/status`, 'utf8')),
    );
  }, 'strace is attached to every thread');
  const names = gateway.threads();
  const started = performance.now();
  await body();
  const ms = performance.now() - started;
  child.kill('SIGINT');
  await within(20000, ended, 'strace ends');
  const calls = new Map();
  for (const line of fs.readFileSync(file, 'utf8').split('\n')) {
    const match = /^(\d+)\s+(?:<\.\.\. (\w+) resumed>)?(\w+)?\(?/.exec(line);
    if (!match || match[2] || !match[3] || !/^\d+\s+\w+\(/.test(line)) continue; // only beginnings of calls
    const name = names.get(Number(match[1])) ?? 'unknown';
    if (!calls.has(name)) calls.set(name, new Map());
    calls.get(name).set(match[3], (calls.get(name).get(match[3]) ?? 0) + 1);
  }
  return { calls, ms };
}
const sum = (calls) =>
  [...calls]
    .filter(([name]) => !kBehindTheRing.test(name))
    .flatMap(([, byCall]) => [...byCall.values()])
    .reduce((a, b) => a + b, 0);
const table = (calls, n) =>
  [...calls]
    .map(
      ([name, byCall]) =>
        `${name}: ${[...byCall]
          .sort((a, b) => b[1] - a[1])
          .map(([call, count]) => `${call} ${(count / n).toFixed(3)}`)
          .join(', ')}`,
    )
    .join('\n  ');

/** Spans of every exchange, for a receiver that is there. */
async function traced(world) {
  const receiver = await OtlpReceiver.start(world);
  return { observability: { otel: { enabled: true, endpoint: receiver.endpoint, metrics_enabled: false } } };
}

for (const [what, configured] of [
  ['request', () => ({})],
  ['request with spans', traced],
]) {
  scenario(`at most 8 system calls per steady keep-alive ${what}`, { skip: sanitized }, async (world) => {
    if (spawnSync('strace', ['-V']).status !== 0) {
      console.log('strace is not installed: left out');
      return;
    }
    const { gateway, run } = await steady(world, { config: await configured(world) });
    const file = path.join(world.dir, 'calls');
    const busy = await traceCalls(gateway, file, () => run(kRequests));
    const idle = await traceCalls(
      gateway,
      file,
      () => new Promise((resolve) => setTimeout(resolve, Math.min(busy.ms, 5000))),
    );
    const baseline = (sum(idle.calls) / idle.ms) * busy.ms;
    const per = (sum(busy.calls) - baseline) / kRequests;
    console.log(
      `system calls per request: ${per.toFixed(2)} (idle baseline ${(baseline / kRequests).toFixed(3)} taken off)\n  ${table(busy.calls, kRequests)}`,
    );
    assert.ok(per <= 8, `${per.toFixed(2)} system calls per request`);
  });
}

for (const [what, events, configured] of [
  ['request', 0, () => ({})],
  ['request with a stream of 20 events', 20, () => ({})],
  ['request with spans', 0, traced],
]) {
  scenario(`at most 2 heap allocations per steady keep-alive ${what}`, { skip: sanitized }, async (world) => {
    const shim = path.join(world.dir, 'alloc_shim.so');
    const source = path.join(path.dirname(fileURLToPath(import.meta.url)), 'alloc_shim.c');
    execFileSync('gcc', ['-O2', '-fPIC', '-shared', '-fno-builtin', '-o', shim, source]);
    const file = path.join(world.dir, 'allocations');
    fs.writeFileSync(file, Buffer.alloc(512 * 32));
    const env = { LD_PRELOAD: shim, GW_ALLOC_FILE: file };
    const { gateway, run } = await steady(world, { events, env, config: await configured(world) });
    const snapshot = () => {
      const bytes = fs.readFileSync(file);
      const out = new Map();
      for (let at = 0; at < bytes.length && bytes.readBigUInt64LE(at) !== 0n; at += 32) {
        out.set(
          Number(bytes.readBigUInt64LE(at)),
          [1, 2, 3].map((i) => Number(bytes.readBigUInt64LE(at + i * 8))),
        );
      }
      return out;
    };
    const everywhere = () => [...snapshot().values()].reduce((all, [allocations]) => all + allocations, 0);
    const untouched = everywhere();
    for (let i = 0; i < 20; i++) await gateway.api('/api/traces');
    assert.ok(
      everywhere() - untouched > 200,
      `the shim counts: 20 listings made ${everywhere() - untouched} allocations`,
    );
    const before = snapshot();
    await run(kRequests);
    const after = snapshot();
    const names = gateway.threads();
    let total = 0;
    const lines = [];
    for (const [tid, counts] of after) {
      const [allocations, mappings, bytes] = counts.map((c, i) => c - (before.get(tid)?.[i] ?? 0));
      const name = names.get(tid) ?? 'ended';
      if (allocations + mappings > 0)
        lines.push(
          `${name}: ${(allocations / kRequests).toFixed(3)} allocations, ${(mappings / kRequests).toFixed(3)} mappings, ${(bytes / kRequests).toFixed(0)} bytes`,
        );
      if (!kBehindTheRing.test(name)) total += allocations + mappings;
    }
    const per = total / kRequests;
    console.log(`allocations per ${what}: ${per.toFixed(3)}\n  ${lines.join('\n  ')}`);
    assert.ok(per <= 2, `${per.toFixed(3)} allocations per request`);
  });
}
