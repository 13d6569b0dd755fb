// src/api/openapi.json beside live answers: status, media type, headers and body, in both directions. What the document
// does not have fails, and what no test has seen is listed.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { repository } from './gateway.js';

const { default: ResponseValidator } = createRequire(import.meta.url)('openapi-response-validator');

export const documentFile = path.join(repository, 'src/api/openapi.json');

/** Of HTTP itself, not of the API. */
const kTransportHeaders = new Set([
  'date',
  'connection',
  'keep-alive',
  'content-type',
  'content-length',
  'transfer-encoding',
]);
/** Unknown formats pass: these do not. */
const kFormats = {
  'date-time': (text) => !Number.isNaN(Date.parse(text)),
  date: (text) => /^\d{4}-\d\d-\d\d$/.test(text),
  int64: (number) => Number.isInteger(number),
};

export class OpenApi {
  #validators = new Map();
  #seen = new Set();
  #seenFields = new Set();
  #names = new Map(); // schema objects of the document, to their names

  constructor(document = JSON.parse(fs.readFileSync(documentFile, 'utf8'))) {
    this.document = document;
    for (const [name, schema] of Object.entries(document.components.schemas)) this.#names.set(schema, name);
    /** {method, path, id, parameters, responses, isPublic}, references to parameters and responses followed. */
    this.operations = Object.entries(document.paths).flatMap(([path, { parameters = [], ...methods }]) =>
      Object.entries(methods).map(([method, operation]) => ({
        method: method.toUpperCase(),
        path,
        id: operation.operationId,
        parameters: [...parameters, ...(operation.parameters ?? [])].map((p) => this.follow(p)),
        responses: mapValues(operation.responses, (response) => this.follow(response)),
        isPublic: operation.security?.length === 0,
      })),
    );
    /** What is answered to paths and methods that are not in the document. */
    this.otherRequests = { method: 'other', path: 'requests', responses: document['x-other-requests'] };
  }

  operation(id) {
    return this.operations.find((operation) => operation.id === id) ?? assert.fail(`there is no operation ${id}`);
  }

  follow(value) {
    if (!value.$ref) return value;
    const found = value.$ref
      .slice(2)
      .split('/')
      .reduce((at, key) => at?.[key], this.document);
    assert.ok(found, `${value.$ref} leads nowhere`);
    return this.follow(found);
  }

  /** Fails unless the answer, {status, headers, text}, is one that the operation documents. */
  check(operation, answer, what) {
    const at = `${operation.method} ${operation.path} ${answer.status} (${what})`;
    const response = operation.responses[answer.status];
    assert.ok(response, `${at}: the status is not documented; the answer was ${answer.text.slice(0, 300)}`);
    this.#checkHeaders(response, answer, at);
    const type = answer.headers['content-type'];
    if (!response.content) {
      assert.deepEqual([type, answer.text], [undefined, ''], `${at}: no body is documented`);
      this.#seen.add(key(operation, answer.status));
      return;
    }
    const media = type?.split(';')[0];
    const described = response.content[media];
    assert.ok(described, `${at}: the media type ${type} is not documented`);
    if (media === 'application/json') this.expect(described.schema, parse(answer.text, at), at);
    else this.#checkText(media, described, answer.text, at);
    this.#seen.add(key(operation, answer.status, media));
  }

  /** The value fits the schema. */
  expect(schema, value, at) {
    const id = JSON.stringify(schema);
    if (!this.#validators.has(id)) {
      const { schemas } = this.document.components;
      const responses = { 200: { schema } };
      this.#validators.set(id, new ResponseValidator({ responses, components: { schemas }, customFormats: kFormats }));
    }
    const problem = this.#validators.get(id).validateResponse(200, value);
    assert.equal(problem, undefined, `${at}: ${JSON.stringify(problem)}\n${JSON.stringify(value)?.slice(0, 2000)}`);
    this.#noteFields(schema, value);
  }

  /** Remembers which fields of named schemas a valid value has. */
  #noteFields(reference, value) {
    const schema = this.follow(reference);
    for (const option of schema.oneOf ?? []) this.#noteFields(option, value);
    if (value === null || typeof value !== 'object') return;
    if (Array.isArray(value)) {
      if (schema.items) for (const item of value) this.#noteFields(schema.items, item);
      return;
    }
    const { properties = {}, required = [] } = schema;
    if (!required.every((name) => name in value)) return; // of `oneOf`, the other one
    for (const name of Object.keys(value).filter((field) => properties[field])) {
      this.#seenFields.add(`${this.#names.get(schema)}.${name}`);
      this.#noteFields(properties[name], value[name]);
    }
  }

  #checkHeaders({ headers }, answer, at) {
    const documented = mapValues(lowerKeys(headers), (header) => this.follow(header));
    for (const [name, header] of Object.entries(documented)) {
      const text = answer.headers[name];
      if (text === undefined) assert.ok(!header.required, `${at}: the header ${name} is missing`);
      else this.expect(header.schema, header.schema.type === 'integer' ? Number(text) : text, `${at}: header ${name}`);
    }
    for (const name of Object.keys(answer.headers))
      assert.ok(documented[name] || kTransportHeaders.has(name), `${at}: the header ${name} is not documented`);
  }

  #checkText(media, described, text, at) {
    const items = described['x-items'];
    if (media === 'application/x-ndjson') {
      assert.ok(text === '' || text.endsWith('\n'), at);
      for (const line of text.split('\n').filter(Boolean)) this.expect(items, parse(line, at), at);
    } else if (media === 'text/event-stream') {
      for (const [, data] of text.matchAll(/^event: trace\ndata: (.*)$/gm)) this.expect(items, parse(data, at), at);
    } else if (media === 'text/csv') {
      this.#checkColumns(items.anyOf ?? [items], text, at);
    }
  }

  /** The header line names properties in their order, all required ones among them, and rows have as many values. */
  #checkColumns(schemas, text, at) {
    const [first, ...rows] = text.split('\r\n');
    const columns = first.split(',');
    const fits = schemas.some((schema) => {
      const { properties, required } = this.follow(schema);
      const known = Object.keys(properties);
      const places = columns.map((column) => known.indexOf(column));
      return (
        places.every((place, i) => place > (places[i - 1] ?? -1)) && required.every((name) => columns.includes(name))
      );
    });
    assert.ok(fits, `${at}: the columns ${first} are not documented`);
    assert.equal(rows.pop(), '', `${at}: the last line has an end`);
    for (const row of rows)
      assert.equal(row.replace(/"[^"]*"/g, '').split(',').length, columns.length, `${at}: ${row} beside ${first}`);
  }

  /** `schema.field` of everything documented that no checked answer had; of requests the bodies are not looked at. */
  unseenFields() {
    const all = Object.entries(this.document.components.schemas).flatMap(([name, { properties = {} }]) =>
      name.endsWith('Request') ? [] : Object.keys(properties).map((field) => `${name}.${field}`),
    );
    return all.filter((field) => !this.#seenFields.has(field)).sort();
  }

  /** `operation status media` of everything documented that check() has not seen. */
  unseen() {
    const all = [...this.operations, this.otherRequests].flatMap((operation) =>
      Object.entries(operation.responses).flatMap(([status, { content }]) =>
        content ? Object.keys(content).map((media) => key(operation, status, media)) : [key(operation, status)],
      ),
    );
    return all.filter((entry) => !this.#seen.has(entry));
  }
}

const key = (operation, status, media = '') => `${operation.method} ${operation.path} ${status} ${media}`.trimEnd();
const mapValues = (object, f) => Object.fromEntries(Object.entries(object).map(([k, v]) => [k, f(v)]));
const lowerKeys = (object) => Object.fromEntries(Object.entries(object).map(([k, v]) => [k.toLowerCase(), v]));

function parse(text, at) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${at}: ${error.message}: ${text.slice(0, 500)}`);
  }
}
