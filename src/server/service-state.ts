import { KithError } from '../errors.js';
import type { Services } from './services.js';

/**
 * Where a service is in its life: `starting` (a step in words) → `ready` → `stopping`. The port is bound from the first
 * moment, so that a busy one shows at once and probes get an answer; requests are served when it is ready.
 */
export type Stage =
  | { readonly name: 'starting'; readonly step: string }
  | { readonly name: 'ready' }
  | { readonly name: 'stopping' };

export class ServiceState {
  #stage: Stage = { name: 'starting', step: 'opening the database' };
  #services: Services | null = null;

  get stage(): Stage {
    return this.#stage;
  }

  starting(step: string): void {
    this.#stage = { name: 'starting', step };
  }

  ready(services: Services): void {
    this.#services = services;
    this.#stage = { name: 'ready' };
  }

  /** Requests that have arrived are still answered; `/readyz` sends the others elsewhere. */
  stopping(): void {
    this.#stage = { name: 'stopping' };
  }

  /** What routes answer from. Throws `starting`. */
  get services(): Services {
    if (this.#services !== null) return this.#services;
    const step = this.#stage.name === 'starting' ? this.#stage.step : 'it is about to end';
    throw new KithError('starting', { step });
  }
}
