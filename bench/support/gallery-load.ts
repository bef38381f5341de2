import type { EmbeddingSpace } from '#kith/embedding/space.js';
import { type CopyValue, encodeCopy } from '#kith/gallery/copy-encode.js';
import type { Gallery } from '#kith/gallery/gallery.js';
import { GalleryGenerator, type GalleryShape } from './gallery-generator.js';

export interface LoadedDomain {
  readonly table: string;
  readonly generator: GalleryGenerator;
}

const BATCH = 256;

/** Fills a domain with a generated gallery, by binary COPY. The same shape gives the same gallery. */
export async function loadDomain(
  gallery: Gallery,
  domain: string,
  space: EmbeddingSpace,
  shape: GalleryShape,
): Promise<LoadedDomain> {
  const { stored } = await gallery.ensureDomain(domain, space);
  const { rows } = await gallery.database.query<{ first: number }>({
    text: `with added as (
        insert into persons (name, domain) select 'Person ' || n, $1 from generate_series(1, $2::int) n returning id)
      select min(id)::int as first from added`,
    values: [domain, shape.persons],
  });
  const first = rows[0]!.first;
  const generator = new GalleryGenerator({ ...shape, dimensions: space.dimensions });
  function* batches(): Generator<CopyValue[][], void, undefined> {
    let batch: CopyValue[][] = [];
    let number = 0;
    for (const { person, values } of generator.faces()) {
      batch.push([first + person, `${domain}/${person}/${number++}.jpg`, values, domain]);
      if (batch.length < BATCH) continue;
      yield batch;
      batch = [];
    }
    yield batch;
  }
  await gallery.database.copyIn(
    { table: stored.table, columns: ['person_id', 'image_path', 'embedding', 'domain'] },
    encodeCopy(['int4', 'text', 'vector', 'text'], batches()),
  );
  await gallery.database.query({ text: `analyze ${stored.table}` });
  return { table: stored.table, generator };
}
