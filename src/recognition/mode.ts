import type { Mode } from '../gallery/domain.js';

export type { Mode } from '../gallery/domain.js';

export const MODES: readonly Mode[] = ['pkl', 'dual', 'pgvector'];

export const isMode = (value: unknown): value is Mode => MODES.some((mode) => mode === value);

/** Why a domain is in its mode. */
export type ModeSource =
  /** Somebody set it for this domain. */
  | 'own'
  /** `VECTOR_DB_ENABLED` and `VECTOR_DB_DUAL_MODE`. */
  | 'variables'
  /** Nobody said: it follows from what the domain has. */
  | 'default'
  /** The database did not answer: what was last known, from KITH_DATA. */
  | 'remembered'
  /** This service rolled the domain back by itself and could not write that down yet. */
  | 'rolled-back-here';

export interface DomainMode {
  readonly domain: string;
  readonly mode: Mode;
  readonly source: ModeSource;
  /** A cutover that the running services still watch. */
  readonly watch: { readonly until: string; readonly by: string } | null;
}

/** `VECTOR_DB_ENABLED` and `VECTOR_DB_DUAL_MODE`; null is unset. */
export interface ModeVariables {
  readonly enabled: boolean | null;
  readonly dualMode: boolean | null;
}

/** What a domain has to answer from. */
export interface DomainStock {
  /** A datastore that can be searched. */
  readonly datastore: boolean;
  /** A row in the gallery: it was migrated or enrolled. */
  readonly migrated: boolean;
}

/** The mode of a domain without one of its own, as docs/configuration.md says. */
export function modeWithoutOwn(variables: ModeVariables, stock: DomainStock): { mode: Mode; source: ModeSource } {
  const { enabled, dualMode } = variables;
  if (enabled === false) return { mode: 'pkl', source: 'variables' };
  // Both searches need both sides: a domain without a datastore has only the gallery's answer to give.
  if (enabled === true && dualMode === true)
    return { mode: stock.datastore ? 'dual' : 'pgvector', source: 'variables' };
  if (enabled === true && dualMode === false) return { mode: 'pgvector', source: 'variables' };
  if (!stock.datastore) return { mode: 'pgvector', source: 'default' };
  return { mode: stock.migrated ? 'dual' : 'pkl', source: 'default' };
}
