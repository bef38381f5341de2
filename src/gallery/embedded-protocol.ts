/** PostgreSQL's major version inside the PGlite that package.json pins. */
export const EMBEDDED_MAJOR = '18';

export interface WorkerInput {
  readonly folder: string;
  readonly socket: string;
}

/** What the thread of the embedded database tells its owner. The owner tells it one thing: any message ends it. */
export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'closed' }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string };
