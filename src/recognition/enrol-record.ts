import type { Queryable } from '../gallery/database.js';
import { identifier } from '../gallery/sql-values.js';
import { splitPath } from '../gallery/stored-face.js';
import type { PoorReason } from './enrol.js';

export type Outcome = 'enrolled' | 'no-face' | 'poor' | 'unreadable';

/** What the report says of an image, kept so that a run which passes over the image can say it again. */
export interface ImageNotes {
  /** Faces on the image, and how many of them were enrolled. */
  readonly faces?: number;
  readonly enrolled?: number;
  readonly poor?: {
    readonly reasons: readonly PoorReason[];
    readonly size: number;
    readonly sharpness: number;
    readonly turn: number;
  };
  readonly code?: string;
  readonly message?: string;
}

/** An image that enrolment has dealt with. */
export interface EnrolledImage {
  readonly path: string;
  readonly person: string;
  readonly sha256: string;
  readonly rules: string;
  /** The folder it was enrolled from, or `memory`. */
  readonly root: string;
  readonly outcome: Outcome;
  readonly notes: ImageNotes;
}

export async function enrolledImages(database: Queryable, domain: string): Promise<ReadonlyMap<string, EnrolledImage>> {
  const { rows } = await database.query<Omit<EnrolledImage, 'path'> & { image_path: string }>({
    text: `select image_path, person, sha256, rules, root, outcome, notes from kith_enrolled_images
           where domain = $1::text`,
    values: [domain],
  });
  return new Map(rows.map(({ image_path: path, ...image }) => [path, { path, ...image }]));
}

/** The images of a domain that have a face in the gallery. */
export async function storedImages(database: Queryable, domain: string, table: string): Promise<ReadonlySet<string>> {
  const { rows } = await database.query<{ image_path: string }>({
    text: `select image_path from ${identifier(table)} where domain = $1::text`,
    values: [domain],
  });
  return new Set(rows.map((row) => splitPath(row.image_path).imagePath));
}

export async function recordImage(
  database: Pick<Queryable, 'query'>,
  domain: string,
  image: EnrolledImage,
): Promise<void> {
  await database.query({
    name: 'kith-record-enrolled-image',
    text: `insert into kith_enrolled_images (domain, image_path, person, sha256, rules, root, outcome, notes)
           values ($1::text, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text, $8::jsonb)
           on conflict (domain, image_path) do update set person = excluded.person, sha256 = excluded.sha256,
             rules = excluded.rules, root = excluded.root, outcome = excluded.outcome, notes = excluded.notes,
             enrolled_at = now()`,
    values: [
      domain,
      image.path,
      image.person,
      image.sha256,
      image.rules,
      image.root,
      image.outcome,
      JSON.stringify(image.notes),
    ],
  });
}

/** Deletes the faces of an image, whichever person they belong to; answers how many. */
export async function deleteFacesOfImage(
  database: Pick<Queryable, 'query'>,
  domain: string,
  table: string,
  path: string,
): Promise<number> {
  const { rowCount } = await database.query({
    text: `delete from ${identifier(table)}
           where domain = $1::text and (image_path = $2::text or starts_with(image_path, $2::text || '#face='))`,
    values: [domain, path],
  });
  return rowCount;
}

export async function forgetImage(database: Pick<Queryable, 'query'>, domain: string, path: string): Promise<void> {
  await database.query({
    text: 'delete from kith_enrolled_images where domain = $1::text and image_path = $2::text',
    values: [domain, path],
  });
}
