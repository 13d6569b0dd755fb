// Recorded provider answers, where they are at hand: ../shared/fixtures beside the repository, or GW_SHARED_DIR.
import fs from 'node:fs';
import path from 'node:path';
import { repository } from './gateway.js';

const shared = process.env.GW_SHARED_DIR ?? path.join(repository, '..', 'shared');

/** [{name, provider, streaming, body}], framed as on the wire; empty (and said so) when the folder is absent. */
export function recordedAnswers() {
  const root = path.join(shared, 'fixtures', 'recorded');
  if (!fs.existsSync(root)) {
    console.log(`no recorded answers at ${root}: left out`);
    return [];
  }
  const files = fs.readdirSync(root, { recursive: true }).map(String).sort();
  return files
    .filter((file) => /\.(json|sse|txt)$/.test(file))
    .map((file) => {
      const bytes = fs.readFileSync(path.join(root, file));
      const provider = file.startsWith('anthropic') ? 'anthropic' : 'openai';
      const streaming = !file.endsWith('.json');
      return {
        name: file,
        provider,
        streaming,
        body: file.endsWith('.chunks.txt') ? frame(file, bytes.toString('utf8')) : bytes,
      };
    });
}

function frame(file, text) {
  const named = file.startsWith('anthropic') || file.includes('/responses/');
  const events = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      let type;
      try {
        type = JSON.parse(line).type;
      } catch {
        type = undefined;
      }
      return `${named && type ? `event: ${type}\n` : ''}data: ${line}\n\n`;
    });
  if (!named) events.push('data: [DONE]\n\n');
  return Buffer.from(events.join(''), 'utf8');
}
