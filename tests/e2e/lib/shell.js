// Lines of shell as people type them, with the gateway's binary on the path.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { binary } from './gateway.js';

/**
 * Starts a line in a folder, which is its home too: {child, stdout, stderr, ended}, the first two growing, `ended` the
 * exit code. `end()` kills it and all that it started.
 */
export function startShell(line, folder, env = {}) {
  const child = spawn('bash', ['-euo', 'pipefail', '-c', line], {
    cwd: folder,
    env: { PATH: `${path.dirname(binary)}:${process.env.PATH}`, HOME: folder, LC_ALL: 'C.UTF-8', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // a process group of its own
  });
  const self = { child, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => (self.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (self.stderr += text));
  self.ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  self.end = () => child.exitCode === null && child.signalCode === null && process.kill(-child.pid, 'SIGKILL');
  return self;
}
