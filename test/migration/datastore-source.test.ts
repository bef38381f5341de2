import { describe, expect, it } from 'vitest';
import type { Datastore } from '#kith/datastore/datastore.js';
import { parseSpaceName, type SpaceName, spaceName } from '#kith/embedding/space.js';
import { sourcesOf } from '#kith/migration/datastore-source.js';

const FULL = 'model_arcface_detector_retinaface_aligned_normalization_base_expand_0';
const old: SpaceName = { model: 'arcface', detector: null, aligned: null, normalization: null, expand: null };
const unread = (): never => {
  throw new Error('not read here');
};

const datastore = (fileSpace: SpaceName, changes: Partial<Datastore> = {}): Datastore => ({
  path: `${fileSpace.model}.pkl`,
  bytes: 0,
  layout: null,
  state: 'empty',
  fileSpace,
  parts: [null],
  signature: false,
  rows: unread,
  survey: unread,
  ...changes,
});

describe('sourcesOf', () => {
  it('records what an old name does not say as unknown, with a warning', () => {
    const [source] = sourcesOf('slovenia', [datastore(old)], null);
    expect(spaceName(source!.space)).toBe(
      'model_arcface_detector_unknown_unknown_normalization_unknown_expand_unknown',
    );
    expect(source!.warnings).toEqual([
      expect.stringContaining('does not say detector, aligned, normalization, expand'),
    ]);
  });

  it('completes it with what the operator says', () => {
    const [source] = sourcesOf('slovenia', [datastore(old)], parseSpaceName(FULL));
    expect(spaceName(source!.space)).toBe(FULL);
    expect(source!.warnings).toEqual([]);
  });

  it('completes the datastores that it fits and leaves the others as they are', () => {
    const both = [datastore({ ...old, model: 'vggface' }), datastore(old)];
    const sources = sourcesOf('slovenia', both, parseSpaceName(FULL));
    expect(sources.map((source) => source.space.detector)).toEqual([null, 'retinaface']);
  });

  it('refuses to change what the name says', () => {
    const other = [datastore({ ...old, model: 'vggface' })];
    expect(() => sourcesOf('slovenia', other, parseSpaceName(FULL))).toThrow(
      expect.objectContaining({ code: 'migration-space-conflict' }),
    );
  });

  it('makes a source of each model of an ensemble', () => {
    const parts = ['vggface', 'facenet', 'openface', 'deepface'];
    const sources = sourcesOf('slovenia', [datastore({ ...old, model: 'ensemble' }, { parts })], null);
    expect(sources.map(({ part, space }) => [part, space.model])).toEqual(parts.map((model, part) => [part, model]));
  });

  it('says that a signature was not checked', () => {
    const [source] = sourcesOf('slovenia', [datastore(parseSpaceName(FULL), { signature: true })], null);
    expect(source!.warnings).toEqual([expect.stringContaining('not checked')]);
  });
});
