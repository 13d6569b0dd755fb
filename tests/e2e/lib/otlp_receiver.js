// An OpenTelemetry receiver: takes OTLP/HTTP, decodes protobuf by the official definitions (they come with
// @elastic/mockotlpserver), and can be told to misbehave.
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { createRequire } from 'node:module';
import zlib from 'node:zlib';
import protobuf from 'protobufjs';
import { until } from './wait.js';

const require = createRequire(import.meta.url);
const others = path.dirname(require.resolve('@elastic/mockotlpserver/package.json'));
const definitions = path.join(others, 'opentelemetry/proto');
const root = new protobuf.Root();
root.resolvePath = (_, target) =>
  path.isAbsolute(target) ? target : path.join(definitions, target.replace(/^opentelemetry\/proto\//, ''));
const services = ['trace/v1/trace_service.proto', 'metrics/v1/metrics_service.proto', 'logs/v1/logs_service.proto'];
root.loadSync(services.map((file) => path.join(definitions, 'collector', file)));
// The definitions are of a version before opentelemetry-proto 1.5, which names events.
const record = root.lookupType('opentelemetry.proto.logs.v1.LogRecord');
if (!record.fields.eventName) record.add(new protobuf.Field('eventName', 12, 'string'));
const types = {
  '/v1/traces': root.lookupType('opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest'),
  '/v1/metrics': root.lookupType('opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest'),
  '/v1/logs': root.lookupType('opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest'),
};

function valueOf(any) {
  if (any?.intValue !== undefined) return Number(any.intValue);
  if (any?.arrayValue !== undefined) return (any.arrayValue.values ?? []).map(valueOf);
  if (any?.kvlistValue !== undefined) return attributesOf(any.kvlistValue.values);
  return any?.stringValue ?? any?.boolValue ?? any?.doubleValue;
}
const attributesOf = (list) => Object.fromEntries((list ?? []).map(({ key, value }) => [key, valueOf(value)]));
const hex = (id) => (id ? Buffer.from(id, 'base64').toString('hex') : '');

/** A protobuf body in the form that the JSON mapping has. */
function decode(url, body) {
  const type = types[url];
  const message = type.decode(body);
  // What a decoder takes and a strict reader would write again is the same: nothing was skipped as unknown.
  const again = type.encode(message).finish();
  if (again.length !== body.length) throw new Error(`${url}: ${body.length} bytes hold ${again.length} known ones`);
  return type.toObject(message, { longs: String, enums: Number, bytes: String, arrays: false, defaults: false });
}

export class OtlpReceiver {
  requests = []; // {url, headers, body, json, size}
  faults = []; // what could not be decoded

  /** answer: (request, response) => true when it has answered; otherwise 200 with an empty body. */
  static async start(world, { port = 0, answer = () => false, tls } = {}) {
    const self = new OtlpReceiver();
    self.answer = answer;
    const serve = (request, response) => self.#serve(request, response);
    self.server = tls ? https.createServer(tls, serve) : http.createServer(serve);
    await new Promise((resolve, reject) => {
      self.server.once('error', reject);
      self.server.listen(port, '127.0.0.1', resolve);
    });
    self.port = self.server.address().port;
    self.endpoint = `127.0.0.1:${self.port}`;
    world.later(() => self.close());
    return self;
  }
  close() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }

  async #serve(request, response) {
    const parts = [];
    try {
      for await (const part of request) parts.push(part);
    } catch {
      return; // the gateway went away
    }
    let body = Buffer.concat(parts);
    const seen = { url: request.url, headers: request.headers, size: body.length };
    try {
      if (request.headers['content-encoding'] === 'gzip') body = zlib.gunzipSync(body);
      seen.body = body;
      const json = request.headers['content-type'] === 'application/json';
      seen.json = json ? JSON.parse(body.toString('utf8')) : decode(request.url, body);
      seen.hexIds = json;
    } catch (error) {
      this.faults.push(error);
    }
    this.attempts = (this.attempts ?? 0) + 1;
    if (this.answer(request, response)) return;
    this.requests.push(seen);
    response.writeHead(200, { 'Content-Type': request.headers['content-type'] }).end();
  }

  /** All spans taken so far. */
  get spans() {
    return this.requests.flatMap(({ json, hexIds }) =>
      (json?.resourceSpans ?? []).flatMap(({ resource, scopeSpans }) =>
        scopeSpans.flatMap(({ scope, spans }) =>
          spans.map((span) => ({
            ...span,
            scope: scope.name,
            resource: attributesOf(resource.attributes),
            traceId: hexIds ? span.traceId : hex(span.traceId),
            spanId: hexIds ? span.spanId : hex(span.spanId),
            parentSpanId: hexIds ? (span.parentSpanId ?? '') : hex(span.parentSpanId),
            attributes: attributesOf(span.attributes),
            error: span.status?.code === 2,
            message: span.status?.message ?? '',
          })),
        ),
      ),
    );
  }
  /** All log records taken so far. */
  get logs() {
    return this.requests.flatMap(({ json, hexIds }) =>
      (json?.resourceLogs ?? []).flatMap(({ resource, scopeLogs }) =>
        scopeLogs.flatMap(({ scope, logRecords }) =>
          logRecords.map((record) => ({
            ...record,
            scope: scope.name,
            resource: attributesOf(resource.attributes),
            traceId: hexIds ? (record.traceId ?? '') : hex(record.traceId),
            spanId: hexIds ? (record.spanId ?? '') : hex(record.spanId),
            message: valueOf(record.body),
            attributes: attributesOf(record.attributes),
          })),
        ),
      ),
    );
  }
  /** The first log record that is one. */
  log(isIt, what) {
    return until(
      () => this.logs.find(isIt),
      () => `${what}; there are ${this.logs.map((r) => r.message || r.eventName)}`,
    );
  }
  /** All metrics of the newest export that has them, by name. */
  get metrics() {
    const newest = this.requests.findLast(({ json }) => json?.resourceMetrics);
    const all = (newest?.json.resourceMetrics ?? []).flatMap((r) => r.scopeMetrics.flatMap((s) => s.metrics));
    return new Map(all.map((metric) => [metric.name, metric]));
  }
  /** The spans of one trace by name, once its server span is there. */
  async trace(traceId) {
    await until(
      () => this.spans.some((s) => s.traceId === traceId && s.kind === 2),
      () => `the server span of trace ${traceId}; there are ${this.spans.map((s) => `${s.traceId} ${s.name}`)}`,
    );
    return Object.fromEntries(this.spans.filter((s) => s.traceId === traceId).map((s) => [s.name, s]));
  }
}

/** A receiver that is not ours, in front of the same questions: {endpoint, spanNames, messages}. It takes no gzip. */
export async function othersReceiver(world) {
  const { MockOtlpServer } = require('@elastic/mockotlpserver');
  const self = { spanNames: [], messages: [] };
  const server = new MockOtlpServer({
    logLevel: 'fatal',
    services: ['http'],
    httpHostname: '127.0.0.1',
    httpPort: 0,
    onTrace: ({ resourceSpans }) => {
      const spans = resourceSpans.flatMap((r) => r.scopeSpans.flatMap((s) => s.spans));
      self.spanNames.push(...spans.map((span) => span.name));
    },
    onLogs: ({ resourceLogs }) => {
      const records = resourceLogs.flatMap((r) => r.scopeLogs.flatMap((s) => s.logRecords));
      self.messages.push(...records.map((record) => record.body?.stringValue));
    },
  });
  await server.start();
  world.later(() => server.close());
  self.endpoint = new URL(server.httpUrl).host;
  return self;
}
