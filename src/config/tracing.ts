import { type Environment, environment } from './environment.js';

export interface TracingSettings {
  /** Where spans are sent, by OTLP over HTTP. */
  readonly url: string;
  readonly serviceName: string;
}

/**
 * OpenTelemetry's own variables: traces are on when `OTEL_EXPORTER_OTLP_ENDPOINT` (or `…_TRACES_ENDPOINT`) is set and
 * neither `OTEL_SDK_DISABLED=true` nor `OTEL_TRACES_EXPORTER=none` says otherwise. The SDK reads the rest of them
 * (`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER` …) by itself.
 */
export function tracingSettings(env: Environment = environment()): TracingSettings | null {
  if (env.OTEL_SDK_DISABLED?.toLowerCase() === 'true' || env.OTEL_TRACES_EXPORTER === 'none') return null;
  const base = env.OTEL_EXPORTER_OTLP_ENDPOINT;
  const url = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || (base ? `${base.replace(/\/+$/, '')}/v1/traces` : '');
  return url === '' ? null : { url, serviceName: env.OTEL_SERVICE_NAME || 'kith' };
}
