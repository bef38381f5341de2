import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { parseSpaceName, spaceName } from '#kith/embedding/space.js';
import { openGallery } from '#kith/gallery/open-gallery.js';
import { openBundledEngine } from '#kith/inference/bundled-engine.js';
import type { FaceEngine } from '#kith/inference/engine.js';
import { migrate } from '#kith/migration/migrate.js';
import type { Photo } from '#kith/photo/photo.js';
import { embeddedDatabase } from '../support/database.js';
import { writeDomain } from '../support/domain-folder.js';
import { makeWorkplace, portrait } from '../support/recognition.js';

/** The bundled engine fed with blue and red exchanged: the same net in the other channel order. */
async function openSwapped(): Promise<FaceEngine> {
  const engine = await openBundledEngine({ workers: 1 });
  const swap = (photo: Photo): Photo => {
    const pixels = new Uint8Array(new SharedArrayBuffer(photo.pixels.length));
    for (let i = 0; i < pixels.length; i++) pixels[i] = photo.pixels[i + 2 - 2 * (i % 3)]!;
    return { ...photo, pixels };
  };
  return {
    space: { ...engine.space, channelOrder: 'bgr' },
    load: engine.load,
    view: engine.view,
    photosAtOnce: engine.photosAtOnce,
    detect: (photo, call) => engine.detect(swap(photo), call),
    embed: (photo, call) => engine.embed(swap(photo), call),
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}

it('a replay with --legacy-find shows what the old query would have answered', async () => {
  const place = await makeWorkplace();
  const database = await embeddedDatabase();
  try {
    await using recognition = place.open(database.location, {
      // The bundled engine here stands for one that has two orders.
      bundledSpace: parseSpaceName('model_other_detector_other_aligned_normalization_base_expand_0'),
      openEngine: (space) =>
        'channelOrder' in space && space.channelOrder === 'bgr' ? openSwapped() : openBundledEngine({ workers: 1 }),
    });
    const rows = [];
    let file = '';
    for (const number of [1, 2, 3, 5] as const) {
      const photo = await portrait(number);
      const { space, faces } = await recognition.embed(photo, {
        space: parseSpaceName('model_faceapi_detector_ssdmobilenetv1_aligned_normalization_base_expand_0'),
      });
      const identity = join(place.storage, 'd', `Person ${number}`, '1.jpg');
      await mkdir(dirname(identity), { recursive: true });
      await writeFile(identity, photo);
      rows.push({ identity, hash: '', embedding: [...faces[0]!.embedding!], box: null });
      file = `ds_${space}.pkl`;
    }
    await writeDomain(place.storage, 'd', rows, file);
    await using gallery = await openGallery({ location: database.location });
    await migrate(gallery, { storage: place.storage, domains: ['d'] });

    const replay = await recognition.shadow.replay({ domain: 'd', photos: join(place.storage, 'd'), legacyFind: true });
    expect(replay).toMatchObject({ comparisons: 4, agreed: 4, differences: {} });
    // On three of them the swapped detector, unlike DeepFace's, which is not swapped, finds no face.
    const legacy = replay.legacyFind!;
    expect(legacy.comparisons).toBeGreaterThan(0);
    expect(legacy.comparisons + replay.skipped).toBe(4);
    // The legacy arm is recorded, and counts in no verdict.
    const { rows: arms } = await gallery.database.query<{ arm: string; count: number; moved: number }>({
      text: `select arm, count(*)::int, count(*) filter (where abs(datastore_distance - gallery_distance) > 1e-4)::int as moved
             from kith_shadow_comparisons group by arm order by arm`,
    });
    expect(arms.map(({ arm, count }) => [arm, count])).toEqual([
      ['legacy-find', legacy.comparisons],
      ['represent', 4],
    ]);
    // The other order moves every query away from where the represent query finds the photo itself.
    expect(legacy.differ + arms[0]!.moved).toBeGreaterThanOrEqual(legacy.comparisons);
    const { domains } = await gallery.getStats();
    expect(domains[0]?.space).toBe(spaceName(parseSpaceName(file.slice(3, -4))));
  } finally {
    await database.drop();
    await place.remove();
  }
}, 120_000);
