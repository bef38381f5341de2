import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { tracingSettings } from '#kith/config/tracing.js';
import { SERVER_URL, serverDatabase } from '../support/database.js';
import { startKith } from '../support/kith.js';
import { photo } from '../support/photos.js';
import { freePort } from '../support/postgres-cluster.js';

const folder = mkdtempSync(join(tmpdir(), 'kith-tracing-'));
const running: ChildProcess[] = [];
afterAll(() => {
  for (const child of running) if (child.exitCode === null) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

it.each([
  [{}, null],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318/' }, 'http://c:4318/v1/traces'],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c/x' }, 'http://c/x'],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c', OTEL_SDK_DISABLED: 'true' }, null],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c', OTEL_TRACES_EXPORTER: 'none' }, null],
])('with %o spans go to %s', (env, url) => {
  expect(tracingSettings(env)?.url ?? null).toBe(url);
});

interface SpanJson {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly attributes: readonly { readonly key: string; readonly value: unknown }[];
}

/** A collector that takes OTLP as JSON and keeps the spans. */
async function startCollector(): Promise<{ readonly url: string; readonly spans: SpanJson[]; close(): void }> {
  const spans: SpanJson[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { resourceSpans } = JSON.parse(Buffer.concat(chunks).toString()) as {
      resourceSpans: { scopeSpans: { spans: SpanJson[] }[] }[];
    };
    spans.push(...resourceSpans.flatMap((each) => each.scopeSpans).flatMap((each) => each.spans));
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return { url: `http://127.0.0.1:${port}`, spans, close: () => server.close() };
}

it("a request's stages are spans under the caller's trace, sent before the service ends", async () => {
  const collector = await startCollector();
  const database = SERVER_URL === undefined ? null : await serverDatabase();
  if (database === null)
    console.log('KITH_TEST_DATABASE_URL is not set: tracing is tested on the embedded database only');
  const port = await freePort();
  const service = startKith(['serve'], {
    env: {
      ...(database?.url === undefined ? {} : { VECTOR_DB_URL: database.url }),
      KITH_DATA: join(folder, 'data'),
      KITH_STORAGE: folder,
      KITH_PORT: String(port),
      KITH_WORKERS: '1',
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    },
  });
  running.push(service);
  service.stdout?.resume();
  service.stderr?.resume();
  const address = `http://127.0.0.1:${port}`;
  await expect
    .poll(
      () =>
        fetch(`${address}/readyz`).then(
          (answer) => answer.status,
          () => 0,
        ),
      { timeout: 120_000, interval: 200 },
    )
    .toBe(200);
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const answer = await fetch(`${address}/api/v1/embed`, {
    method: 'POST',
    headers: { 'content-type': 'image/jpeg', traceparent: `00-${traceId}-b7ad6b7169203331-01` },
    body: photo('sample1.jpg'),
  });
  expect(answer.status).toBe(200);
  await answer.text();
  service.kill('SIGTERM');
  expect(await once(service, 'exit')).toEqual([0, null]);
  const own = collector.spans.filter((span) => span.traceId === traceId);
  const request = own.find((span) => span.name === 'POST /api/v1/embed');
  expect(request?.parentSpanId).toBe('b7ad6b7169203331');
  expect(request?.attributes).toContainEqual({ key: 'http.response.status_code', value: { intValue: 200 } });
  for (const stage of ['kith.detect', 'kith.embed'])
    expect(own.find((span) => span.name === stage)?.parentSpanId).toBe(request?.spanId);
  collector.close();
  await database?.drop();
}, 240_000);
