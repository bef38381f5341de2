import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import sharp from 'sharp';

/** Where in which photo of `@vladmandic/face-api` a person of the sample gallery is. Pixels; the names are invented. */
interface SamplePerson {
  readonly name: string;
  readonly photo: string;
  readonly crop: readonly [left: number, top: number, width: number, height: number];
}

export const SAMPLE_PERSONS: readonly SamplePerson[] = [
  { name: 'Ana', photo: 'sample3.jpg', crop: [426, 112, 518, 705] },
  { name: 'Breda', photo: 'sample3.jpg', crop: [899, 0, 572, 753] },
  { name: 'Cvetka', photo: 'sample3.jpg', crop: [1379, 68, 441, 727] },
  { name: 'Darja', photo: 'sample5.jpg', crop: [239, 619, 448, 779] },
  { name: 'Eva', photo: 'sample5.jpg', crop: [465, 216, 432, 647] },
  { name: 'Fani', photo: 'sample5.jpg', crop: [662, 0, 406, 490] },
  { name: 'Greta', photo: 'sample5.jpg', crop: [986, 9, 412, 615] },
  { name: 'Hana', photo: 'sample5.jpg', crop: [1274, 173, 430, 705] },
  { name: 'Irma', photo: 'sample6.jpg', crop: [81, 235, 547, 756] },
  { name: 'Jana', photo: 'sample6.jpg', crop: [553, 75, 415, 798] },
  { name: 'Katja', photo: 'sample6.jpg', crop: [1030, 81, 489, 727] },
  { name: 'Lena', photo: 'sample6.jpg', crop: [1318, 26, 550, 769] },
];

/** The photo of the example that `kith serve` prints: three persons of the sample gallery are on it. */
export const EXAMPLE_PHOTO = 'sample3.jpg';

/** The path of one of the photos that come with the bundled engine's own package. */
export function samplePhoto(name: string): string {
  const manifest = createRequire(import.meta.url).resolve('@vladmandic/face-api/package.json');
  return join(manifest, '..', 'demo', name);
}

/** The part of its photo that shows a person, as a JPEG. */
export async function samplePortrait({ photo, crop }: SamplePerson): Promise<Uint8Array> {
  const [left, top, width, height] = crop;
  const part = sharp(await readFile(samplePhoto(photo))).extract({ left, top, width, height });
  return part.jpeg({ quality: 92 }).toBuffer();
}
