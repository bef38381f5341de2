import type { FastifyInstance } from 'fastify';
import { KithError } from '../errors.js';

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * Aborted when the answer took too long (`request-timeout`) or nobody waits for it (`request-cancelled`).
     * The framework's own `signal` is aborted by a body that was read to its end, so it cannot serve.
     */
    cancel: AbortSignal;
  }
}

/** Gives every request its `cancel`, and every answer its time, counted from when the request has arrived. */
export function cancelSlowRequests(app: FastifyInstance, milliseconds: number): void {
  const never = new AbortController().signal;
  const controllers = new WeakMap<AbortSignal, { controller: AbortController; timer?: NodeJS.Timeout }>();
  // A getter, because the framework shares plain objects between requests.
  app.decorateRequest('cancel', { getter: () => never });
  app.addHook('onRequest', async (request, reply) => {
    const controller = new AbortController();
    Object.defineProperty(request, 'cancel', { value: controller.signal });
    controllers.set(controller.signal, { controller });
    reply.raw.once('close', () => {
      clearTimeout(controllers.get(controller.signal)?.timer);
      if (!reply.raw.writableFinished) controller.abort(new KithError('request-cancelled', {}));
    });
  });
  app.addHook('preHandler', async ({ cancel }) => {
    const entry = controllers.get(cancel);
    if (entry === undefined) return;
    entry.timer = setTimeout(() => entry.controller.abort(new KithError('request-timeout', {})), milliseconds);
  });
}
