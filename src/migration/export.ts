import type { Gallery } from '../gallery/gallery.js';
import type { ProgressListener } from './progress.js';

export interface ExportOptions {
  readonly domain: string;
  /** Folder that gets the datastore, under the name that DeepFace would give it. Made when it is not there. */
  readonly out: string;
  /** Name of the space to write; the domain's own unless given. */
  readonly space?: string;
  readonly onProgress?: ProgressListener;
  readonly signal?: AbortSignal;
}

export interface ExportReport {
  readonly domain: string;
  readonly space: string;
  /** The file that was written. */
  readonly datastore: string;
  /** Rows written: faces, and the rows that a migration skipped and that are kept for this. */
  readonly rows: number;
  readonly faces: number;
  readonly skippedRows: number;
  readonly seconds: number;
}

/**
 * Writes a domain as a datastore that DeepFace opens, atomically: rows of the migrated datastore in its order with
 * all their fields, then what was enrolled since. Throws `domain-unknown`.
 */
export function exportDomain(gallery: Gallery, options: ExportOptions): Promise<ExportReport> {
  void [gallery, options];
  return Promise.reject(new Error('the body lands next'));
}
