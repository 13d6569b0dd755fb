// Secrets to plant, each known by its number wherever it comes out again, in whatever coding.
import { randomInt } from 'node:crypto';

const letters = 'BCDFGHJKLMNPQRSTVWXZ';
/** Each form of a credential that is taken out of texts by how it looks, made of a canary's core. */
export const forms = {
  openai: (core) => `sk-proj-${core}_${core}`,
  anthropic: (core) => `sk-ant-api03-${core}-${core}`,
  underscored: (core) => `sk_live_${core}${core}`,
  github: (core) => `ghp_${core}${core}`,
  githubFineGrained: (core) => `github_pat_${core}_${core}`,
  gitlab: (core) => `glpat-${core}`,
  slack: (core) => `xoxb-1234567890-${core}`,
  huggingFace: (core) => `hf_${core}${core}`,
  aws: (core) => `AKIA${core}`,
  google: (core) => `AIza${core}${core}abc`,
  oauth: (core) => `ya29.${core}`,
  gateway: (core) => `ogk_${core}-${core}`,
  jwt: (core) => `eyJ${core}.eyJ${core}.${core}`,
  bearer: (core) => `Bearer ${core}+${core}/a`,
  pem: (core) => `-----BEGIN PRIVATE KEY-----\n${core}\n${core}==\n-----END PRIVATE KEY-----`,
  password: (core) => `password=${core}`,
  token: (core) => `access_token=${core}`,
  apiKey: (core) => `api_key=${core}`,
  userinfo: (core) => `postgres://app:${core}@db.test/app`,
};

/** A secret of no form: only its place says what it is. */
export const formless = (core) => core.toLowerCase() + core.toLowerCase();

export class Canaries {
  #mark = Array.from({ length: 5 }, () => letters[randomInt(letters.length)]).join('');
  #names = [];
  #searches = searchesOf(this.#mark);

  /** A new secret of a form; `name` says where it goes. Any part of it of 15 characters holds its whole number. */
  plant(name, form = formless) {
    this.#names.push(name);
    const number = this.#mark + String(this.#names.length - 1).padStart(3, '0');
    return form(number + number);
  }
  get names() {
    return this.#names;
  }

  /** The canaries in a text or in bytes, plain or coded: name → the codings. */
  find(content) {
    const text = Buffer.isBuffer(content) ? content.toString('latin1') : content;
    const found = new Map();
    for (const { coding, pattern, decode } of this.#searches)
      for (const match of text.matchAll(pattern))
        for (const number of decode(text, match)) {
          const name = this.#names[number] ?? `number ${number}`;
          found.set(name, (found.get(name) ?? new Set()).add(coding));
        }
    return found;
  }
}

function searchesOf(mark) {
  const codes = [...mark].map((c) => [c, c.toLowerCase()].map((l) => l.charCodeAt(0).toString(16)));
  const spelled = (before) => codes.map(([upper, lower]) => `(?:${before}${upper}|${before}${lower})`).join('');
  const numbered = (before) => new RegExp(`${spelled(before)}((?:${before}3\\d){3})`, 'gi');
  const digits = (text, match) => [Number([...match[1].matchAll(/3(\d)/g)].map((m) => m[1]).join(''))];
  return [
    { coding: 'plain', pattern: new RegExp(`${mark}(\\d{3})`, 'gi'), decode: (_, match) => [Number(match[1])] },
    { coding: 'percent', pattern: numbered('%'), decode: digits },
    { coding: 'JSON', pattern: numbered('\\\\u00'), decode: digits },
    { coding: 'hex', pattern: numbered(''), decode: digits },
    ...[mark, mark.toLowerCase()].map((m) => base64Search(m)),
  ];
}

/** In base64 a text looks in three ways, by its place modulo three; what the characters at its ends share is left off. */
function base64Search(mark) {
  const looks = [0, 1, 2].map((before) => {
    const coded = Buffer.from('\0'.repeat(before) + mark).toString('base64');
    return coded.slice(Math.ceil((before * 8) / 6), Math.floor(((before + mark.length) * 8) / 6));
  });
  const numbers = new RegExp(`${mark}(\\d{3})`, 'g');
  return {
    coding: 'base64',
    pattern: new RegExp(looks.map((look) => look.replace(/[+/]/g, (c) => (c === '+' ? '[-+]' : '[_/]'))).join('|'), 'g'),
    decode(text, { index }) {
      const found = [];
      for (const from of [4, 3, 2, 1]) {
        const window = text.slice(Math.max(0, index - from), index - from + 24);
        const plain = Buffer.from(window, 'base64').toString('latin1');
        found.push(...[...plain.matchAll(numbers)].map((m) => Number(m[1])));
      }
      return found;
    },
  };
}

/** In outputs, lists of texts, bytes and files by name: name of a canary → name of an output → codings. */
export function findAll(canaries, outputs) {
  const found = new Map();
  for (const [output, parts] of Object.entries(outputs))
    for (const part of parts)
      for (const [name, codings] of canaries.find(part.content ?? part)) {
        if (!found.has(name)) found.set(name, new Map());
        const places = found.get(name);
        places.set(output, new Set([...(places.get(output) ?? []), ...codings]));
      }
  return found;
}
/** The same for people. */
export const described = (found) =>
  [...found].map(([name, places]) => `${name}: ${[...places].map(([o, c]) => `${o} (${[...c]})`).join(', ')}`);
