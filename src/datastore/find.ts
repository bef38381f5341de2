import type { DatastoreName } from './file-name.js';

/** A datastore lying in a domain's folder. */
export interface FoundDatastore extends DatastoreName {
  readonly path: string;
  readonly name: string;
  readonly bytes: number;
  readonly modified: Date;
  /**
   * Name of a datastore beside it that made it obsolete: DeepFace changed its naming twice, and a version that reads
   * the newer name never looks at the older file again. Null when this one is current.
   */
  readonly supersededBy: string | null;
}
