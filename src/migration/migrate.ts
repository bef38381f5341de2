import type { Gallery } from '../gallery/gallery.js';
import type { ProgressListener } from './progress.js';
import type { DomainReport } from './report.js';

export interface MigrateOptions {
  /** Folder of domains: `<storage>/<domain>/<Person>/<image>`, each domain's datastores beside its persons. */
  readonly storage: string;
  /** Domains by name, or every folder of the storage. */
  readonly domains: readonly string[] | 'all';
  /** Reads and checks every row and writes nothing. Without a gallery nothing is compared: `migrated` is every good row. */
  readonly dryRun?: boolean;
  /** Holds every row against the database, both ways, and writes nothing. */
  readonly validateOnly?: boolean;
  /** Name of a space (`model_…_expand_0`) that completes what an old file name does not say. */
  readonly space?: string;
  readonly onProgress?: ProgressListener;
  /** Ends the run: what was committed stays, and the next run goes on from there. */
  readonly signal?: AbortSignal;
}

/**
 * Moves the datastores of domains into a gallery whose schema is up to date: a report per domain and space.
 * A domain that fails is reported as failed and the others go on. Never deletes a row of the gallery.
 * `gallery` may be null in a dry run only. Throws `migration-no-gallery`, `migration-no-storage`, `space-name`.
 */
export function migrate(gallery: Gallery | null, options: MigrateOptions): Promise<DomainReport[]> {
  void [gallery, options];
  return Promise.reject(new Error('the body lands next'));
}
