// nginx and HAProxy as judges of what a careful HTTP/1.1 intermediary refuses. Each stands in front of its own
// recording upstream.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { freePort } from './gateway.js';
import { connect } from './peer.js';
import { reply } from './http.js';
import { until, within } from './wait.js';

/** An upstream that answers every request with 200 and remembers heads that arrived and requests that arrived whole. */
export async function recorder(world) {
  const seen = { heads: [], whole: [] };
  const upstream = await world.upstream(async (peer) => {
    for (;;) {
      try {
        const request = await peer.readRequest({ deadline: 600000, beforeBody: (head) => void seen.heads.push(head) });
        if (request.aborted) return peer.destroy();
        seen.whole.push(request);
        await peer.write(reply('recorded', [['X-Recorded', '1']]));
      } catch {
        return peer.destroy(); // a request that was cut: what arrived is in `heads`
      }
    }
  });
  return { upstream, seen };
}

async function startJudge(world, name, command, port, seen) {
  const child = spawn(command[0], command.slice(1), { stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (text) => (errors += text));
  let ended = false;
  const exit = new Promise((resolve) => child.once('close', () => resolve((ended = true))));
  world.later(async () => {
    if (!ended) process.kill(child.pid, 'SIGTERM');
    await within(10000, exit, `${name} ends`);
  });
  await until(async () => {
    if (ended) throw new Error(`${name} ended: ${errors}`);
    const peer = await connect(port);
    peer.destroy();
    return true;
  }, `${name} listens`);
  return { name, port, seen };
}

const installed = (name) =>
  ['/usr/sbin/', '/usr/bin/'].map((d) => d + name).find((file) => fs.existsSync(file)) ??
  (spawnSync('which', [name]).stdout?.toString().trim() || null);

/** [{name, port, seen}] of the judges that are installed. */
export async function startJudges(world) {
  const judges = [];
  const nginx = installed('nginx');
  if (nginx) {
    const { upstream, seen } = await recorder(world);
    const port = await freePort();
    const dir = world.folder('nginx');
    const file = path.join(dir, 'nginx.conf');
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((k) => `${k}_temp_path ${dir}/${k};`)
      .join(' ');
    fs.writeFileSync(
      file,
      `user root; daemon off; worker_processes 1; pid ${dir}/pid; error_log ${dir}/error.log; events { worker_connections 1024; }
       http { access_log off; ${temporary} client_header_timeout 2s; client_body_timeout 2s;
         server { listen 127.0.0.1:${port};
           location / { proxy_pass http://127.0.0.1:${upstream.port}; proxy_http_version 1.1; proxy_set_header Connection "";
             proxy_request_buffering off; proxy_buffering off; } } }`,
    );
    judges.push(await startJudge(world, 'nginx', [nginx, '-e', `${dir}/error.log`, '-c', file], port, seen));
  }
  const haproxy = installed('haproxy');
  if (haproxy) {
    const { upstream, seen } = await recorder(world);
    const port = await freePort();
    const file = path.join(world.folder('haproxy'), 'haproxy.cfg');
    fs.writeFileSync(
      file,
      `defaults\n mode http\n timeout connect 5s\n timeout client 3s\n timeout server 5s\n timeout http-request 2s\n` +
        `frontend f\n bind 127.0.0.1:${port}\n default_backend b\nbackend b\n server s 127.0.0.1:${upstream.port}\n`,
    );
    judges.push(await startJudge(world, 'haproxy', [haproxy, '-db', '-f', file], port, seen));
  }
  return judges;
}

/**
 * Sends the bytes on a connection of their own: {status, response, closed, heads, whole} with what reached the
 * upstream. `patient`: wait until an answer or the end; otherwise silence for `silence` ms counts as an answer too
 * (status 0).
 */
export async function probe({ port, seen }, bytes, { silence = 600, patient = false } = {}) {
  const before = { heads: seen.heads.length, whole: seen.whole.length };
  const peer = await connect(port);
  let response = null;
  try {
    await peer.write(bytes).catch(() => {});
    response = await peer.readResponse({ deadline: patient ? 15000 : silence }).catch(() => null);
    // A refusal closes; an accepted request leaves the connection open.
    const refused = response && response.status >= 400;
    await within(refused || patient ? 5000 : 30, peer.gone, 'closed').catch(() => {});
  } finally {
    peer.destroy();
  }
  const closed = peer.ended || peer.closed || Boolean(peer.error);
  return {
    status: response?.status ?? 0,
    response,
    closed,
    heads: seen.heads.slice(before.heads),
    whole: seen.whole.slice(before.whole),
  };
}

/** Did the intermediary turn the request down: an error answer or a cut, and nothing whole upstream? */
export function refusedBy(result) {
  const answered = result.status >= 400;
  const cut = result.status === 0 && result.closed;
  return (answered || cut) && result.whole.length === 0;
}
