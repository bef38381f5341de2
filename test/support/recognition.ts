import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { parseSpaceName } from '#kith/embedding/space.js';
import type { DatabaseLocation } from '#kith/gallery/connection.js';
import { openGallery } from '#kith/gallery/open-gallery.js';
import { openBundledEngine } from '#kith/inference/bundled-engine.js';
import { openRecognition } from '#kith/recognition/open.js';
import type { RecognitionEvent, RecognitionOptions } from '#kith/recognition/options.js';
import type { Recognition } from '#kith/recognition/recognition.js';

/** Photos inside the bundled engine's own package; `sample1` … `sample6`. */
export const samplePhoto = (number: number): string =>
  fileURLToPath(new URL(`../../node_modules/@vladmandic/face-api/demo/sample${number}.jpg`, import.meta.url));

/** Where faces are on the sample photos (1920 pixels wide), as the bundled detector finds them. */
const PORTRAITS = {
  1: [414, 355, 177, 240],
  2: [1447, 153, 194, 242],
  3: [585, 329, 199, 271],
  4: [664, 53, 187, 258],
  5: [1113, 198, 158, 236],
  6: [1487, 263, 212, 296],
} as const;

/** A sample photo cut down to one of its faces, JPEG. */
export async function portrait(number: keyof typeof PORTRAITS): Promise<Buffer> {
  const [x, y, width, height] = PORTRAITS[number];
  const margin = Math.round(width * 0.25);
  const [left, top] = [x - margin, Math.max(0, y - margin)];
  const region = { left, top, width: width + 2 * margin, height: height + 2 * margin };
  return sharp(samplePhoto(number)).extract(region).jpeg({ quality: 95 }).toBuffer();
}

export interface Workplace {
  readonly folder: string;
  readonly storage: string;
  readonly data: string;
  /** What recognition said, in order. */
  readonly events: RecognitionEvent[];
  open(location: DatabaseLocation, options?: Partial<RecognitionOptions>): Recognition;
  remove(): Promise<void>;
}

const BUNDLED = parseSpaceName('model_faceapi_detector_ssdmobilenetv1_aligned_normalization_base_expand_0');

/** A storage folder and a data folder of its own, and a way to open services on them. */
export async function makeWorkplace(): Promise<Workplace> {
  const folder = await mkdtemp(join(tmpdir(), 'kith-recognition-'));
  const storage = join(folder, 'storage');
  const data = join(folder, 'data');
  const events: RecognitionEvent[] = [];
  return {
    folder,
    storage,
    data,
    events,
    open: (location, options = {}) =>
      openRecognition({
        gallery: () => openGallery({ location }),
        storage,
        data,
        variables: { enabled: null, dualMode: null },
        margin: 0.02,
        openEngine: () => openBundledEngine({ workers: 1 }),
        bundledSpace: BUNDLED,
        validate: () => Promise.reject(new Error('this test validates nothing')),
        onEvent: (event) => events.push(event),
        ...options,
      }),
    remove: async () => {
      if (existsSync(folder)) await rm(folder, { recursive: true, force: true });
    },
  };
}
