import type { Span } from '@opentelemetry/api';
import type { TracingSettings } from '../config/tracing.js';
import type { App } from './app.js';

/** Spans of requests and of what takes their time. Disposing sends what has not been sent. */
export interface Tracing extends AsyncDisposable {
  /** A span per request, under the caller's `traceparent` when there is one. */
  traceRequests(app: App): void;
  /** A stage of the request in hand that has just ended. Attributes hold no person, path, vector or secret. */
  stage(name: string, milliseconds: number, attributes?: Readonly<Record<string, string>>): void;
}

const NONE: Tracing = {
  traceRequests: () => undefined,
  stage: () => undefined,
  [Symbol.asyncDispose]: async () => undefined,
};

/** Tracing as OpenTelemetry's variables say; without them its packages are not even loaded. */
export async function openTracing(settings: TracingSettings | null, version: string): Promise<Tracing> {
  if (settings === null) return NONE;
  const { context, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } = await import('@opentelemetry/api');
  const { BatchSpanProcessor, NodeTracerProvider } = await import('@opentelemetry/sdk-trace-node');
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
  const { defaultResource, resourceFromAttributes } = await import('@opentelemetry/resources');
  const own = resourceFromAttributes({ 'service.name': settings.serviceName, 'service.version': version });
  const provider = new NodeTracerProvider({
    resource: defaultResource().merge(own),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url: settings.url }))],
  });
  provider.register();
  const tracer = trace.getTracer('kith', version);
  const spans = new WeakMap<object, Span>();
  return {
    traceRequests(app) {
      // After the body: its events come from the socket and would lose the context.
      app.addHook('preHandler', (request, _reply, done) => {
        const route = request.routeOptions.url ?? 'unknown';
        const parent = propagation.extract(ROOT_CONTEXT, request.headers);
        const attributes = {
          'http.request.method': request.method,
          'http.route': route,
          'kith.request_id': request.id,
        };
        const span = tracer.startSpan(`${request.method} ${route}`, { kind: SpanKind.SERVER, attributes }, parent);
        spans.set(request, span);
        context.with(trace.setSpan(parent, span), done);
      });
      app.addHook('onResponse', async (request, reply) => {
        const span = spans.get(request);
        span?.setAttribute('http.response.status_code', reply.statusCode);
        if (reply.statusCode >= 500) span?.setStatus({ code: SpanStatusCode.ERROR });
        span?.end();
      });
    },
    stage(name, milliseconds, attributes = {}) {
      if (trace.getActiveSpan() === undefined) return;
      const end = Date.now();
      tracer.startSpan(name, { startTime: end - milliseconds, attributes }).end(end);
    },
    [Symbol.asyncDispose]: () => provider.shutdown().catch(() => undefined),
  };
}
