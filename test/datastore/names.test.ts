import { mkdirSync, symlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { datastoreFileName, parseFileName, spaceOfFileName } from '#kith/datastore/file-name.js';
import { findDatastores, pickDatastore } from '#kith/datastore/find.js';
import { parseSpaceName } from '#kith/embedding/space.js';
import { bytes, Folder } from './pickle-bytes.js';

const unknown = { detector: null, aligned: null, normalization: null, expand: null };

describe('the file names that DeepFace has given', () => {
  it.each([
    ['representations_vgg_face.pkl', 'A-D', { ...unknown, model: 'vggface' }],
    ['representations_facenet512.pkl', 'A-D', { ...unknown, model: 'facenet512' }],
    ['representations_arcface.pkl', 'A-D', { ...unknown, model: 'arcface' }],
    ['representations_ensemble.pkl', 'A-D', { ...unknown, model: 'ensemble' }],
    ['ds_vggface_opencv_v2.pkl', 'E', { ...unknown, model: 'vggface', detector: 'opencv' }],
    ['ds_arcface_retinaface_v2.pkl', 'E', { ...unknown, model: 'arcface', detector: 'retinaface' }],
    [
      'ds_model_arcface_detector_retinaface_aligned_normalization_base_expand_0.pkl',
      'F',
      { model: 'arcface', detector: 'retinaface', aligned: true, normalization: 'base', expand: 0 },
    ],
    [
      'ds_model_buffalo_l_detector_yolov8n_unaligned_normalization_vggface2_expand_25.pkl',
      'F',
      { model: 'buffalo_l', detector: 'yolov8n', aligned: false, normalization: 'vggface2', expand: 25 },
    ],
  ] as const)('%s', (name, era, space) => {
    expect(parseFileName(name)).toEqual({ era, space });
    expect(spaceOfFileName(name)).toEqual(space);
  });

  it.each([
    'representations.pkl',
    'ds_arcface_retinaface.pkl',
    'ds_model_arcface_detector_retinaface.pkl',
    'ds_model_arcface_detector_retinaface_aligned_normalization_base_expand_0.pkl.ldsa',
    '.ds_model_arcface_detector_retinaface_aligned_normalization_base_expand_0.pkl.7.tmp',
    'photo.jpg',
  ])('%s is none', (name) => {
    expect(spaceOfFileName(name)).toBeNull();
  });

  it('are written back the same, and not at all when a part is unknown', () => {
    const name = 'ds_model_buffalo_l_detector_retinaface_unaligned_normalization_arcface_expand_7.pkl';
    expect(datastoreFileName(spaceOfFileName(name)!)).toBe(name);
    expect(() => datastoreFileName(spaceOfFileName('ds_arcface_retinaface_v2.pkl')!)).toThrow(
      'unknown here: aligned, normalization, expand',
    );
  });
});

describe('the datastores of a folder', () => {
  const folder = new Folder();
  afterAll(() => folder[Symbol.dispose]());
  const F = 'ds_model_arcface_detector_retinaface_aligned_normalization_base_expand_0.pkl';
  const F_OLDER = 'ds_model_arcface_detector_mtcnn_aligned_normalization_base_expand_0.pkl';

  beforeAll(() => {
    const names: [string, number][] = [
      ['representations_arcface.pkl', 900],
      ['representations_vgg_face.pkl', 800],
      ['ds_arcface_retinaface_v2.pkl', 700],
      ['ds_arcface_opencv_v2.pkl', 600],
      [F, 500],
      [F_OLDER, 400],
    ];
    for (const [name, time] of names) utimesSync(folder.write(bytes(0x80, 4, ']\x94.'), name), time, time);
    folder.write(bytes('x'), `${F}.ldsa`);
    mkdirSync(join(folder.path, 'representations_folder.pkl'));
    symlinkSync('nowhere.pkl', join(folder.path, 'representations_dangling.pkl'));
  });

  it('come current first, newest naming first, newest file first', async () => {
    const found = await findDatastores(folder.path);
    expect(found.map(({ name, supersededBy }) => [name, supersededBy])).toEqual([
      [F, null],
      [F_OLDER, null],
      ['ds_arcface_opencv_v2.pkl', null],
      ['representations_vgg_face.pkl', null],
      ['ds_arcface_retinaface_v2.pkl', F],
      ['representations_arcface.pkl', F],
    ]);
    expect(found[0]).toMatchObject({ bytes: 5, era: 'F', path: join(folder.path, F), modified: new Date(500_000) });
  });

  it('are picked by space', async () => {
    const found = await findDatastores(folder.path);
    const pick = (space?: string) =>
      pickDatastore(found, space === undefined ? undefined : parseSpaceName(space))?.name;
    expect(pick()).toBe(F);
    expect(pick('model_arcface_detector_mtcnn_aligned_normalization_base_expand_0')).toBe(F_OLDER);
    expect(pick('model_vggface_detector_opencv_aligned_normalization_base_expand_0')).toBe(
      'representations_vgg_face.pkl',
    );
    expect(pick('model_sface_detector_opencv_aligned_normalization_base_expand_0')).toBeUndefined();
  });

  it('need a folder', async () => {
    await expect(findDatastores(join(folder.path, 'none'))).rejects.toMatchObject({ code: 'datastore-missing' });
  });
});
