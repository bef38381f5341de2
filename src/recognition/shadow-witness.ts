import type { Gallery } from '../gallery/gallery.js';
import { identifier } from '../gallery/sql-values.js';
import { splitPath, storedPath } from '../gallery/stored-face.js';
import { decodeVector } from '../gallery/vector-binary.js';
import type { GallerySource } from './gallery-source.js';
import type { Compared, GalleryFace, Witnesses } from './shadow-classify.js';
import type { ProbeIdentity } from './shadow-comparison.js';

/**
 * Images that the gallery keeps under another path than the datastore spells (an old migration's, or one that two
 * domains share): the gallery's path by the datastore's.
 */
export async function otherPaths(gallery: Gallery, domain: string): Promise<ReadonlyMap<string, string>> {
  const { stored } = await gallery.domain(domain);
  const { rows } = await gallery.database.query<{ identity: string; image_path: string }>({
    text: `select kept.identity, f.image_path
           from kith_datastore_rows kept join ${identifier(stored.table)} f on f.id = kept.face_id
           where kept.domain = $1::text and kept.space_id = $2::int and f.domain = $1::text
             and f.image_path <> kept.identity`,
    values: [domain, stored.id],
  });
  return new Map(rows.map((row) => [row.identity, splitPath(row.image_path).imagePath]));
}

/** The gallery's row of an image that the datastore has, with its vector. */
async function galleryFace(
  gallery: Gallery,
  domain: string,
  identity: string,
  faceNumber: number,
): Promise<GalleryFace | null> {
  const { stored } = await gallery.domain(domain);
  const paths = [storedPath(identity, faceNumber), storedPath(`${domain}/${identity}`, faceNumber)];
  const { rows } = await gallery.database.query<{ name: string; embedding: Buffer }>({
    text: `select p.name, vector_send(f.embedding) as embedding
           from ${identifier(stored.table)} f join persons p on p.id = f.person_id
           where f.domain = $1::text and (f.image_path = any($2::text[]) or f.id in (
             select kept.face_id from kith_datastore_rows kept
             where kept.domain = $1::text and kept.space_id = $3::int and kept.identity = $4::text))
           order by array_position($2::text[], f.image_path), f.id`,
    values: [domain, paths, stored.id, identity],
  });
  const [row] = rows;
  return row === undefined ? null : { person: row.name, values: decodeVector(row.embedding) };
}

/** What the search for a cause may ask of the gallery, each once. */
export function galleryWitnesses(
  source: GallerySource,
  domain: string,
  { probe, threshold, topK }: Compared,
  identity: ProbeIdentity,
  signal: AbortSignal,
  excludeImage?: string,
): Witnesses {
  return {
    galleryFace: async (imagePath, faceNumber) => galleryFace(await source.get(), domain, imagePath, faceNumber),
    galleryExact: async () =>
      (await source.get()).findMatches(probe, domain, {
        topK,
        threshold,
        exact: true,
        signal,
        ...(excludeImage === undefined ? {} : { excludeImage }),
      }),
    otherOrder: async () => (await identity.otherOrder?.()) ?? null,
  };
}
