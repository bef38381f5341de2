import { createRequire } from 'node:module';

const { version } = createRequire(import.meta.url)('../../package.json') as { readonly version: string };

/** What a space's `producer` says of embeddings made here. */
export const PRODUCER = `kith ${version}`;
