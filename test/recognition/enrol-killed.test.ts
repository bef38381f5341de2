import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openGallery } from '#kith/gallery/open-gallery.js';
import { onServer, serverDatabase } from '../support/database.js';
import { kith, startKith } from '../support/kith.js';
import { makeWorkplace, portrait } from '../support/recognition.js';

const IMAGES = 36;

onServer('an enrolment that is killed', () => {
  it('goes on where it was: every face once, nothing twice', async () => {
    const place = await makeWorkplace();
    const database = await serverDatabase();
    try {
      const photos = join(place.folder, 'photos');
      const portraits = await Promise.all(([1, 2, 3, 4, 5, 6] as const).map(portrait));
      for (let nth = 0; nth < IMAGES; nth++) {
        const folder = join(photos, `Oseba Š ${nth % 6}`);
        await mkdir(folder, { recursive: true });
        // Bytes after the end of a JPEG do not change the picture: every file has a hash of its own.
        await writeFile(join(folder, `${nth}.jpg`), Buffer.concat([portraits[nth % 6]!, Buffer.from(`#${nth}`)]));
      }
      const env = { VECTOR_DB_URL: database.url!, KITH_DATA: place.data, KITH_STORAGE: place.storage };
      const args = ['enroll', photos, '--domain', 'killed', '--json'];
      await using gallery = await openGallery({ location: database.location });
      const stored = async () => {
        const { rows } = await gallery.database.query<{ faces: number; paths: number; notes: number }>({
          text: `select count(*)::int as faces, count(distinct image_path)::int as paths,
                   (select count(*)::int from kith_enrolled_images where domain = 'killed' and outcome = 'enrolled') as notes
                 from face_embeddings_2 where domain = 'killed'`,
        });
        return rows[0]!;
      };
      let partial = 0;
      for (let round = 0; round < 6 && partial === 0; round++) {
        const child = startKith(args, { env });
        const ended = once(child, 'close');
        // Killed as soon as some faces, and not all, are in.
        while (child.exitCode === null && child.signalCode === null) {
          const { faces } = await stored().catch(() => ({ faces: 0 }));
          if (faces > 0) child.kill('SIGKILL');
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        await ended;
        const { faces, paths, notes } = await stored();
        expect([paths, notes]).toEqual([faces, faces]);
        if (faces > 0 && faces < IMAGES) partial = faces;
      }
      expect(partial).toBeGreaterThan(0);
      const { code, stdout, stderr } = await kith(args, { env });
      expect(stderr).not.toContain('"error"');
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({
        images: IMAGES,
        new: IMAGES - partial,
        unchanged: partial,
        persons: 6,
      });
      expect(await stored()).toEqual({ faces: IMAGES, paths: IMAGES, notes: IMAGES });
    } finally {
      await database.drop();
      await place.remove();
    }
  }, 120_000);
});
