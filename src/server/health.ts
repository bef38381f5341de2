import { KithError } from '../errors.js';
import type { ServiceState } from './service-state.js';

interface Part {
  readonly ok: boolean;
  readonly detail: string;
}

/** The answer of `/health`. */
export interface ServiceHealth {
  readonly status: 'ok' | 'failing' | 'starting';
  readonly service: { readonly version: string; readonly uptimeSeconds: number };
  readonly database: Part;
  readonly model: Part;
  readonly index: Part;
}

const waiting = (detail: string): Part => ({ ok: false, detail });

const why = (error: unknown): Part => waiting(error instanceof KithError ? error.message : 'an unforeseen fault');

/** What works and what does not; asks the database, and never throws. */
export async function healthOf(state: ServiceState, version: string, signal: AbortSignal): Promise<ServiceHealth> {
  const service = { version, uptimeSeconds: Math.round(process.uptime()) };
  if (state.stage.name === 'starting') {
    const part = waiting(state.stage.step);
    return { status: 'starting', service, database: part, model: part, index: part };
  }
  const { services } = state;
  const model = await services.engines.warm().then(() => ({ ok: true, detail: 'the bundled engine is ready' }), why);
  try {
    const { database, index } = await (await services.gallery()).healthCheck({ signal });
    const status = database.ok && index.ok && model.ok ? 'ok' : 'failing';
    return { status, service, database, model, index };
  } catch (error) {
    return { status: 'failing', service, database: why(error), model, index: waiting('the database does not answer') };
  }
}
