import type { Datastore } from '../datastore/datastore.js';
import { type SpaceName, spaceName } from '../embedding/space.js';
import { KithError } from '../errors.js';

/** One space of one datastore: what one report is about. An ensemble's datastore gives one for each of its models. */
export interface DatastoreSource {
  readonly domain: string;
  readonly datastore: Datastore;
  /** Which of the datastore's parts. */
  readonly part: number;
  readonly space: SpaceName;
  readonly warnings: readonly string[];
}

const PARTS = ['model', 'detector', 'aligned', 'normalization', 'expand'] as const;

const same = (left: unknown, right: unknown): boolean => left === null || right === null || left === right;

/** Why `given` cannot complete what a file name says, or null when it can. */
function contradiction(said: SpaceName, given: SpaceName): string | null {
  const part = PARTS.find((name) => !same(said[name], given[name]));
  return part === undefined ? null : `${part} ${said[part]} against ${given[part]}`;
}

/** What the file name says, and for the rest what the operator says. */
function completed(said: SpaceName, given: SpaceName): SpaceName {
  return {
    model: said.model,
    detector: said.detector ?? given.detector,
    aligned: said.aligned ?? given.aligned,
    normalization: said.normalization ?? given.normalization,
    expand: said.expand ?? given.expand,
  };
}

function warningsOf(datastore: Datastore, space: SpaceName): string[] {
  const warnings: string[] = [];
  const unknown = PARTS.filter((part) => space[part] === null);
  if (unknown.length > 0)
    warnings.push(
      `the file name does not say ${unknown.join(', ')}: recorded as unknown (complete it with --space, as in model_arcface_detector_retinaface_aligned_normalization_base_expand_0)`,
    );
  if (datastore.signature) warnings.push('a signature (.ldsa) lies beside the datastore; it was not checked');
  return warnings;
}

/**
 * The sources of one domain's datastores. `given` completes those that it does not contradict.
 * Throws `migration-space-conflict` when it contradicts every one.
 */
export function sourcesOf(
  domain: string,
  datastores: readonly Datastore[],
  given: SpaceName | null,
): readonly DatastoreSource[] {
  const sources = datastores.flatMap((datastore) => {
    const said = datastore.fileSpace ?? given;
    if (said === null) return [];
    return datastore.parts.map((model, part) => ({ datastore, part, said: { ...said, model: model ?? said.model } }));
  });
  const conflicts = sources.map(({ said }) => (given === null ? null : contradiction(said, given)));
  const [first] = sources;
  if (given !== null && first !== undefined && conflicts.every((conflict) => conflict !== null))
    throw new KithError('migration-space-conflict', {
      given: spaceName(given),
      datastore: first.datastore.path,
      why: conflicts[0] ?? '',
    });
  return sources.map(({ datastore, part, said }, index) => {
    const space = given !== null && conflicts[index] === null ? completed(said, given) : said;
    return { domain, datastore, part, space, warnings: warningsOf(datastore, space) };
  });
}
