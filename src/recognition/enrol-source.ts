import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { KithError } from '../errors.js';
import type { EnrolImage } from './enrol.js';

const IMAGES: ReadonlySet<string> = new Set(['.jpg', '.jpeg', '.png', '.webp', '.avif', '.gif', '.tif', '.tiff']);

/** An image by the last two parts of its path, which is how a folder and a gallery recognise each other's images. */
export const imageKey = (person: string, file: string): string => `${person}/${file}`;

/** The key of a stored path, whichever separator it was written with; null when it has no folder. */
export function keyOfPath(path: string): { readonly key: string; readonly prefix: string } | null {
  const parts = path.includes('/') ? path.split('/') : path.split('\\');
  const [person, file] = [parts.at(-2), parts.at(-1)];
  if (person === undefined || file === undefined) return null;
  return { key: imageKey(person, file), prefix: path.slice(0, path.length - person.length - file.length - 2) };
}

/**
 * The images of `<folder>/<Person>/<image>`, in the order of their names; `path` is still their key. What lies elsewhere, hidden files and files
 * that are not images by their extension are passed over. Throws `enrol-folder`.
 */
export async function imagesOfFolder(folder: string): Promise<readonly EnrolImage[]> {
  const persons = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    const why = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    throw new KithError('enrol-folder', { folder, why }, { cause });
  });
  const names = persons.filter((entry) => !entry.isFile() && !entry.name.startsWith('.')).map(({ name }) => name);
  const images: EnrolImage[] = [];
  for (const person of names.toSorted()) {
    // A link to a folder counts as one; whatever else cannot be listed holds no images.
    const files = await readdir(join(folder, person), { withFileTypes: true }).catch(() => []);
    const kept = files.filter(({ name }) => !name.startsWith('.') && IMAGES.has(extname(name).toLowerCase()));
    for (const { name } of kept.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const bytes = () => readFile(join(folder, person, name));
      // One person, however a file system spells the name; the path stays as it is.
      images.push({ person: person.normalize('NFC'), path: imageKey(person, name), bytes });
    }
  }
  return images;
}
