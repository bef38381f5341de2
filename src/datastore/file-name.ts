import { parseSpaceName, type SpaceName, spaceName } from '../embedding/space.js';
import { KithError } from '../errors.js';

/** The three ways in which DeepFace has named its datastores: `representations_…` (layouts A–D), `ds_…_v2` (E), `ds_model_…` (F). */
export type NameEra = 'A-D' | 'E' | 'F';

export interface DatastoreName {
  readonly era: NameEra;
  /** What the name says of the space; what it does not say is null. An ensemble's model is `ensemble`. */
  readonly space: SpaceName;
}

const OLD_NAME = /^representations_(?<model>.+)\.pkl$/;
const V2_NAME = /^ds_(?<model>.+)_(?<detector>[^_]+)_v2\.pkl$/;
const NAME = /^ds_(?<space>model_.+)\.pkl$/;

const nothingKnown = { detector: null, aligned: null, normalization: null, expand: null } as const;

/**
 * Reads a file name as DeepFace wrote it; null when it is not a datastore's.
 * Layouts A–D replaced `-` by `_` (`vgg_face`), later ones removed it (`vggface`): the space always has the latter.
 */
export function parseFileName(name: string): DatastoreName | null {
  const full = NAME.exec(name)?.groups?.space;
  if (full !== undefined) {
    try {
      return { era: 'F', space: parseSpaceName(full) };
    } catch (fault) {
      if (fault instanceof KithError) return null;
      throw fault;
    }
  }
  const v2 = V2_NAME.exec(name)?.groups;
  if (v2?.model !== undefined && v2.detector !== undefined)
    return { era: 'E', space: { ...nothingKnown, model: v2.model, detector: v2.detector } };
  const model = OLD_NAME.exec(name)?.groups?.model;
  if (model === undefined) return null;
  return { era: 'A-D', space: { ...nothingKnown, model: model.replaceAll(/[_-]/g, '') } };
}

/** The part of a space that a datastore's file name spells, unknown parts null; null when it is not a datastore's name. */
export function spaceOfFileName(name: string): SpaceName | null {
  return parseFileName(name)?.space ?? null;
}

/** The name under which DeepFace 0.0.90 and newer looks for its datastore. Throws `datastore-name` when a part is unknown. */
export function datastoreFileName(space: SpaceName): string {
  const unknown = (['detector', 'aligned', 'normalization', 'expand'] as const).filter((part) => space[part] === null);
  if (unknown.length > 0) throw new KithError('datastore-name', { unknown: unknown.join(', ') });
  return `ds_${spaceName(space)}.pkl`;
}
