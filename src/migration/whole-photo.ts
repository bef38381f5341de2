import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type DatastoreRow, isWholePhoto } from '../datastore/row.js';
import type { DatastoreSource } from './datastore-source.js';
import { imageTail } from './image-tail.js';

/**
 * Whether DeepFace found no face in a row's image and embedded all of it. The box tells when it does not start at the
 * photo's corner; otherwise the photo itself, where it still lies in the domain's folder. Without it a box at the
 * corner is taken for the whole photo: a face that begins exactly there is rarer by far.
 */
export async function embedsWholePhoto(row: DatastoreRow, source: DatastoreSource): Promise<boolean> {
  const byBox = isWholePhoto(row.box);
  if (byBox !== null) return byBox;
  const size = await photoSize(dirname(source.datastore.path), row.identity ?? '');
  return isWholePhoto(row.box, size ?? undefined) ?? true;
}

/** The photo's size, upright as DeepFace saw it, from its header; null when it is not there or is none. */
async function photoSize(folder: string, identity: string): Promise<{ width: number; height: number } | null> {
  const tail = imageTail(identity);
  if (tail === null || tail.includes('\0') || tail.split('/').includes('..')) return null;
  const path = join(folder, tail);
  const isFile = await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
  if (!isFile) return null;
  const { default: sharp } = await import('sharp');
  const header = await sharp(path, { limitInputPixels: false })
    .metadata()
    .catch(() => null);
  return header === null ? null : header.autoOrient;
}
