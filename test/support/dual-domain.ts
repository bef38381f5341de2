import type { WritableRow } from '#kith/datastore/write.js';
import type { DatabaseLocation } from '#kith/gallery/connection.js';
import type { Gallery } from '#kith/gallery/gallery.js';
import { openGallery } from '#kith/gallery/open-gallery.js';
import { migrate } from '#kith/migration/migrate.js';
import { isFailed } from '#kith/migration/report.js';
import type { RecognitionOptions, ValidationCounts } from '#kith/recognition/options.js';
import { type makeRows, writeDomain } from './domain-folder.js';

export type Row = ReturnType<typeof makeRows>[number];

/** Vector of a row that is known to have one. */
export const vectorOfRow = (row: WritableRow | undefined): Float32Array => Float32Array.from(row!.embedding!);

/** Writes rows as a domain's datastore and moves them into the gallery. */
export async function migratedDomain(
  location: DatabaseLocation,
  storage: string,
  domain: string,
  rows: readonly Row[],
): Promise<void> {
  await writeDomain(storage, domain, rows);
  await using gallery = await openGallery({ location });
  const [report] = await migrate(gallery, { storage, domains: [domain] });
  if (report === undefined || isFailed(report)) throw new Error(`the migration failed: ${JSON.stringify(report)}`);
}

/** Migration's validation, as the service and the commands give it to recognition. */
export const validator =
  (storage: string): RecognitionOptions['validate'] =>
  async (domain: string, gallery: Gallery): Promise<ValidationCounts> => {
    const [report] = await migrate(gallery, { storage, domains: [domain], validateOnly: true });
    if (report === undefined || isFailed(report) || report.validated === null)
      throw new Error(`the validation failed: ${JSON.stringify(report)}`);
    return report.validated;
  };
