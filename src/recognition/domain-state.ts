import { type FoundDatastore, pickDatastore } from '../datastore/find.js';
import type { EmbeddingSpace } from '../embedding/space.js';
import type { Domain } from '../gallery/domain.js';
import type { Cutover } from './cutover-record.js';
import { type DomainMode, type ModeSource, type ModeVariables, modeWithoutOwn } from './mode.js';
import type { RememberedDomain } from './mode-memory.js';
import type { PendingRollback } from './rollback-memory.js';

/** A domain as searches need it: in which mode, from what, by which rules. Frozen; replaced by the next look. */
export interface DomainState extends DomainMode {
  /** The gallery's space of the domain; null while only a datastore's file name tells of it. */
  readonly space: EmbeddingSpace | null;
  readonly threshold: number | null;
  readonly margin: number;
  readonly migrated: boolean;
  /** Path of the datastore that is searched; it may have vanished since. */
  readonly datastore: string | null;
  /** The cutover in force: the domain's mode is `pgvector` because of it. */
  readonly cutover: Cutover | null;
}

export interface DomainFacts {
  readonly domain: string;
  /** Null when the gallery does not have it, or cannot be asked. */
  readonly stored: Domain | null;
  readonly datastores: readonly FoundDatastore[];
  readonly remembered: RememberedDomain | null;
  readonly cutover: Cutover | null;
  /** A rollback in force here that the database does not know of yet. */
  readonly pending: PendingRollback | null;
}

function decideMode(
  facts: DomainFacts,
  own: DomainMode['mode'] | null,
  datastore: string | null,
  variables: ModeVariables,
): { mode: DomainMode['mode']; source: ModeSource } {
  const { pending, stored, remembered } = facts;
  if (pending !== null) return { mode: 'dual', source: 'rolled-back-here' };
  if (own !== null) return { mode: own, source: stored === null ? 'remembered' : 'own' };
  const migrated = stored !== null || remembered?.migrated === true;
  return modeWithoutOwn(variables, { datastore: datastore !== null, migrated });
}

/** Puts together what the database, the storage folder and the memory say of a domain. */
export function domainState(facts: DomainFacts, variables: ModeVariables, defaultMargin: number): DomainState {
  const { domain, stored, remembered } = facts;
  const cutover = facts.cutover ?? remembered?.cutover ?? null;
  // While the database answers it is right, also about what it does not have; the memory counts only without it.
  const known = stored ?? remembered;
  const space = stored === null ? (remembered?.space ?? null) : stored.stored.space;
  const own = stored === null ? (remembered?.own ?? null) : stored.mode;
  const datastore = pickDatastore(facts.datastores, space ?? undefined)?.path ?? remembered?.datastore ?? null;
  return Object.freeze({
    domain,
    ...decideMode(facts, own, datastore, variables),
    watch: cutover?.state === 'watching' ? { until: cutover.watchUntil.toISOString(), by: cutover.who } : null,
    space,
    threshold: known?.threshold ?? null,
    margin: known?.margin ?? defaultMargin,
    migrated: stored !== null || remembered?.migrated === true,
    datastore,
    cutover,
  });
}
