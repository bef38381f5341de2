import { expect, it } from 'vitest';
import { openBundledEngine } from '#kith/inference/bundled-engine.js';
import type { FaceEngine } from '#kith/inference/engine.js';
import { embeddedDatabase } from '../support/database.js';
import { makeWorkplace, portrait } from '../support/recognition.js';

const IMAGES = 60;
const BATCH = 16;

it('an enrolment keeps so many photos in flight that an engine which takes several gets full batches', async () => {
  const place = await makeWorkplace();
  const database = await embeddedDatabase();
  try {
    const portraits = await Promise.all(([1, 2, 3, 4, 5, 6] as const).map(portrait));
    let engine: FaceEngine | undefined;
    await using recognition = place.open(database.location, {
      openEngine: async () => {
        engine = await openBundledEngine({ workers: 1, batch: BATCH });
        return engine;
      },
    });
    let most = 0;
    const source = Array.from({ length: IMAGES }, (_, i) => ({
      person: `Person ${i % 6}`,
      path: `many/Person ${i % 6}/${i}.jpg`,
      bytes: async () => {
        most = Math.max(most, engine?.load.running ?? 0);
        // Bytes after the end of a JPEG do not change the picture: every file has a hash of its own.
        return Buffer.concat([portraits[i % 6]!, Buffer.from(`#${i}`)]);
      },
    }));
    const report = await recognition.enrol({ domain: 'many', source });
    expect(report).toMatchObject({ images: IMAGES, new: IMAGES, faces: IMAGES, persons: 6 });
    expect(most).toBe(BATCH);
  } finally {
    await database.drop();
    await place.remove();
  }
}, 60_000);
