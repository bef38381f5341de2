import type { Gallery } from '../gallery/gallery.js';
import { storedPath } from '../gallery/stored-face.js';
import { decodeVector } from '../gallery/vector-binary.js';
import type { GallerySource } from './gallery-source.js';
import type { Compared, GalleryFace, Witnesses } from './shadow-classify.js';
import type { ProbeIdentity } from './shadow-comparison.js';

/** One row of the gallery by its image, with its vector. */
export async function galleryFace(
  gallery: Gallery,
  domain: string,
  imagePath: string,
  faceNumber: number,
): Promise<GalleryFace | null> {
  const { stored } = await gallery.domain(domain);
  // The table's name comes from the gallery's own list of spaces, never from a caller.
  const { rows } = await gallery.database.query<{ name: string; embedding: Buffer }>({
    text: `select p.name, vector_send(f.embedding) as embedding from ${stored.table} f join persons p on p.id = f.person_id
           where f.domain = $1::text and f.image_path = $2::text`,
    values: [domain, storedPath(imagePath, faceNumber)],
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
