// The tokenizers against their publishers' own: random Unicode text, counted by build/release/src/count_tokens and by the npm
// packages `tiktoken` and `gpt-tokenizer`. The seed is fresh and printed; GW_SEED repeats a run.
import assert from 'node:assert';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';

const require = createRequire(new URL('../../tools/tokens/package.json', import.meta.url));
const { get_encoding } = require('tiktoken');
const gpt = { o200k: require('gpt-tokenizer/encoding/o200k_base'), cl100k: require('gpt-tokenizer/encoding/cl100k_base') };
const wasm = { o200k: get_encoding('o200k_base'), cl100k: get_encoding('cl100k_base') };
const program = process.env.GW_COUNT_TOKENS ?? new URL('../../build/release/src/count_tokens', import.meta.url).pathname;

/// One list of token ids per text.
function ours(encoding, texts) {
  const input = Buffer.concat(texts.flatMap((t) => {
    const bytes = Buffer.from(t);
    const size = Buffer.alloc(4);
    size.writeUInt32LE(bytes.length);
    return [size, bytes];
  }));
  const run = spawnSync(program, [encoding], { input, maxBuffer: 1 << 28 });
  assert.strictEqual(run.status, 0, `${program}: ${run.error ?? run.stderr}`);
  return run.stdout.toString().trimEnd().split('\n').map((line) => line.split(' ').filter(Boolean).map(Number));
}

const seed = Number(process.env.GW_SEED ?? Math.floor(Math.random() * 2 ** 32));
console.log(`# seed ${seed}`);
let state = seed >>> 0;
function below(n) { // mulberry32
  state = (state + 0x6d2b79f5) >>> 0;
  let t = state;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return Math.floor(((t ^ (t >>> 14)) >>> 0) / 2 ** 32 * n);
}

// Ranges whose characters have kept their classes since long before either oracle was made.
const ranges = [[0x20, 0x7e], [0xa0, 0x17e], [0x180, 0x233], [0x300, 0x36f], [0x391, 0x3a1], [0x3b1, 0x3c9], [0x410, 0x44f], [0x5d0, 0x5ea],
  [0x620, 0x64a], [0x660, 0x669], [0x905, 0x939], [0x93e, 0x94d], [0xe01, 0xe30], [0x1100, 0x1159], [0x2010, 0x2027], [0x2070, 0x2079 - 8],
  [0x2160, 0x2183], [0x3041, 0x3094], [0x30a1, 0x30fa], [0x4e00, 0x9fa5], [0xac00, 0xd7a3], [0xff21, 0xff5a], [0x1d400, 0x1d454],
  [0x1f300, 0x1f320], [0x1f600, 0x1f64f], [0x20000, 0x2a6d6]];
const bits = [' ', '  ', '\n', '\r\n', '\t', '/', '//', "'s", "'LL", "don't", 'The', ' the', 'camelCase', 'HTTPServer', '12345', '1', '{"a":', '"}',
  '    ', '\n\n', ' \n ', '\u00a0', '\u3000', '.', '...', '---', 'e\u0301', '\u{1f469}\u200d\u{1f4bb}', 'ǅ', 'ABC', '\u4f60A'];

function character() {
  const [from, to] = ranges[below(ranges.length)];
  return String.fromCodePoint(from + below(to - from + 1));
}
function text() {
  const plain = below(3) === 0;
  return Array.from({ length: 1 + below(40) }, () => (below(2) === 0 ? bits[below(bits.length)] : plain
    ? String.fromCharCode(32 + below(95)) : character())).join('');
}

// Either oracle lags behind the published pattern somewhere (white space at the end, U+0085, U+FEFF): one of them has to agree,
// and where both do they have to agree with us.
for (const encoding of ['o200k', 'cl100k']) {
  test(`${encoding}: random texts have the tokens that the oracles give`, () => {
    const texts = Array.from({ length: 20_000 }, text);
    const found = ours(encoding, texts);
    assert.strictEqual(found.length, texts.length);
    let alone = 0;
    texts.forEach((t, i) => {
      const a = JSON.stringify([...wasm[encoding].encode_ordinary(t)]);
      const b = JSON.stringify(gpt[encoding].encode(t, { disallowedSpecial: new Set() }));
      const mine = JSON.stringify(found[i]);
      if (a !== b) ++alone;
      assert.ok(mine === a || mine === b, `seed ${seed}, ${encoding}, text ${JSON.stringify(t)}\n  tiktoken      ${a}\n  gpt-tokenizer ${b}\n  ours          ${mine}`);
    });
    assert.ok(alone < texts.length / 20, `the oracles differ on ${alone} texts`);
  });

  test(`${encoding}: a long run of one character has the tokens that tiktoken gives`, () => {
    const texts = ['a', 'A', ' ', '\n', '=', '1', '\u4f60', '\u{1f600}', 'ab', 'é'].flatMap((c) => [100, 1000].map((n) => c.repeat(n)));
    ours(encoding, texts).forEach((ids, i) => assert.deepStrictEqual(ids, [...wasm[encoding].encode_ordinary(texts[i])], texts[i].slice(0, 3)));
  });
}

test('every published vector of both encodings', () => {
  const plans = readFileSync(new URL('../../tools/tokens/node_modules/gpt-tokenizer/data/TestPlans.txt', import.meta.url), 'utf8');
  let count = 0;
  for (const encoding of ['o200k', 'cl100k']) {
    const vectors = [...plans.matchAll(/EncodingName: (\w+)\nSample: (.*)\nEncoded: (.*)(\n|$)/g)].filter((m) => m[1] === `${encoding}_base`);
    ours(encoding, vectors.map((m) => m[2])).forEach((ids, i) => assert.deepStrictEqual(ids, JSON.parse(vectors[i][3]), vectors[i][2]));
    count += vectors.length;
  }
  assert.strictEqual(count, 121);
});
