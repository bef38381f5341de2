import type { FoundDatastore } from '../datastore/find.js';
import { KithError } from '../errors.js';
import type { Domain } from '../gallery/domain.js';
import { type Cutover, settleCutovers, standingCutovers } from './cutover-record.js';
import { type DomainState, domainState } from './domain-state.js';
import type { GallerySource } from './gallery-source.js';
import { type Mode, type ModeVariables, modeWithoutOwn } from './mode.js';
import { ModeMemory, type RememberedDomain, type RememberedDomains } from './mode-memory.js';
import { type PendingRollback, RollbackMemory } from './rollback-memory.js';
import { StorageFolders } from './storage-folders.js';

/** Age in milliseconds from which a look at the database is repeated: how long a change by another instance may take. */
const MAX_AGE = 500;
/** Longest that a search waits for such a look when it has an older one to go by, milliseconds. */
const PATIENCE = 250;

export interface DomainBookOptions {
  readonly source: GallerySource;
  readonly storage: string;
  readonly data: string;
  readonly variables: ModeVariables;
  readonly margin: number;
  /** Told, once at a time, of a rollback in force here that the database, which answers again, does not know of. */
  readonly onPending: (pending: PendingRollback, state: DomainState) => Promise<void>;
}

interface Look {
  readonly states: ReadonlyMap<string, DomainState>;
  readonly at: number;
}

/** Once the database is back, a rollback counts only against the cutover that it was made against. */
function undoes(rollback: PendingRollback | null, cutover: Cutover | null): boolean {
  if (rollback === null || rollback.cutover !== '') return cutover?.id === rollback?.cutover;
  return cutover === null || Number(cutover.startedAt) < Date.parse(rollback.at);
}

type Stored = { readonly domains: readonly Domain[]; readonly cutovers: readonly Cutover[] };

/**
 * What is known of the domains, from three places: the database (asked again when the last look is older than half a
 * second, so a change holds everywhere without a restart), the storage folder, and KITH_DATA's memory for when the
 * database does not answer. A search never waits long for it: it goes by the last look.
 */
export class DomainBook implements AsyncDisposable {
  readonly #options: DomainBookOptions;
  readonly #memory: ModeMemory;
  readonly #folders: StorageFolders;
  readonly rollbacks: RollbackMemory;
  #look: Look | undefined;
  #looking: { readonly since: number; readonly promise: Promise<Look> } | undefined;
  #settling: Promise<void> | undefined;

  constructor(options: DomainBookOptions) {
    this.#options = options;
    this.#memory = new ModeMemory(options.data);
    this.#folders = new StorageFolders(options.storage);
    this.rollbacks = new RollbackMemory(options.data);
  }

  /** Throws `domain-unknown`; while the database is down and the memory has nothing, why it is down. */
  async state(domain: string): Promise<DomainState> {
    const found = await this.find(domain);
    if (found !== null) return found;
    // Without the database nobody can say that a domain does not exist.
    await this.#options.source.get();
    throw new KithError('domain-unknown', { domain });
  }

  async find(domain: string): Promise<DomainState | null> {
    const asked = Date.now();
    const known = (await this.#recent()).states.get(domain);
    if (known !== undefined) return known;
    // Unknown counts only after a look that began after the question: the domain may be a moment old.
    return (await this.refresh(asked)).states.get(domain) ?? null;
  }

  async states(): Promise<readonly DomainState[]> {
    const { states } = await this.#recent();
    return [...states.values()].toSorted((a, b) => (a.domain < b.domain ? -1 : 1));
  }

  /** What a domain would answer from if it had no mode of its own. */
  modeWithoutOwn({ datastore, migrated }: DomainState): Mode {
    return modeWithoutOwn(this.#options.variables, { datastore: datastore !== null, migrated }).mode;
  }

  /** A look that began at `since` or later. */
  async refresh(since: number = Date.now()): Promise<Look> {
    if (this.#looking !== undefined && this.#looking.since < since) await this.#looking.promise.catch(() => undefined);
    return this.#lookAgain();
  }

  async #recent(): Promise<Look> {
    const last = this.#look;
    if (last === undefined) return this.#lookAgain();
    if (Date.now() - last.at < MAX_AGE) return last;
    const underWay = this.#looking;
    const looking = this.#lookAgain();
    // A look that is already slow is not waited for a second time.
    if (underWay !== undefined && Date.now() - underWay.since > PATIENCE) return last;
    return Promise.race([looking, new Promise<Look>((resolve) => setTimeout(resolve, PATIENCE, last).unref())]);
  }

  #lookAgain(): Promise<Look> {
    if (this.#looking !== undefined) return this.#looking.promise;
    const promise = this.#takeLook().finally(() => {
      this.#looking = undefined;
    });
    this.#looking = { since: Date.now(), promise };
    return promise;
  }

  async #takeLook(): Promise<Look> {
    const [stored, found, remembered, pending] = await Promise.all([
      this.#readGallery(),
      this.#folders.datastores(),
      this.#memory.read(),
      this.rollbacks.read(),
    ]);
    const states = this.#combine(stored, found, remembered, pending);
    if (stored !== null) {
      await this.#remember(stored, states, remembered);
      this.#settlePending(states, pending);
    }
    this.#look = { states, at: Date.now() };
    return this.#look;
  }

  #settlePending(states: ReadonlyMap<string, DomainState>, pending: readonly PendingRollback[]): void {
    if (this.#settling !== undefined) return;
    for (const { domain } of pending)
      if (states.get(domain)?.source !== 'rolled-back-here') void this.rollbacks.clear(domain).catch(() => undefined);
    const rollback = pending.find(({ domain }) => states.get(domain)?.source === 'rolled-back-here');
    const state = rollback === undefined ? undefined : states.get(rollback.domain);
    if (rollback === undefined || state === undefined) return;
    this.#settling = this.#options
      .onPending(rollback, state)
      .catch((error: unknown) => this.#options.source.report(error))
      .finally(() => {
        this.#settling = undefined;
      });
  }

  /** Null when the database does not answer; why was told by the gallery's source. */
  async #readGallery(): Promise<Stored | null> {
    try {
      const gallery = await this.#options.source.get();
      const [domains, cutovers] = await Promise.all([gallery.domains(), standingCutovers(gallery.database)]);
      if (cutovers.some((cutover) => cutover.state === 'watching' && Number(cutover.watchUntil) <= Date.now()))
        await settleCutovers(gallery.database);
      return { domains, cutovers };
    } catch (error) {
      this.#options.source.report(error);
      return null;
    }
  }

  #combine(
    stored: Stored | null,
    found: ReadonlyMap<string, readonly FoundDatastore[]>,
    remembered: RememberedDomains,
    pending: readonly PendingRollback[],
  ): ReadonlyMap<string, DomainState> {
    const inGallery = new Map(stored?.domains.map((domain) => [domain.domain, domain]));
    // What the database answers is complete: a remembered domain that neither it nor the storage has is gone.
    const names = new Set([...inGallery.keys(), ...found.keys(), ...(stored === null ? Object.keys(remembered) : [])]);
    const { variables, margin } = this.#options;
    const state = (domain: string): DomainState => {
      const cutover = stored?.cutovers.find((standing) => standing.domain === domain) ?? null;
      const rollback = pending.find((rolledBack) => rolledBack.domain === domain) ?? null;
      const inForce = stored === null || undoes(rollback, cutover);
      const facts = {
        domain,
        stored: inGallery.get(domain) ?? null,
        datastores: found.get(domain) ?? [],
        remembered: this.#recall(remembered[domain], stored !== null),
        cutover,
        pending: inForce ? rollback : null,
      };
      return domainState(facts, variables, margin);
    };
    return new Map([...names].map((domain) => [domain, state(domain)]));
  }

  /** With the database at hand only the place of the datastore is taken from memory. */
  #recall(remembered: RememberedDomain | undefined, databaseAnswers: boolean): RememberedDomain | null {
    if (remembered === undefined || !databaseAnswers) return remembered ?? null;
    const { datastore } = remembered;
    return { own: null, migrated: false, space: null, threshold: null, margin: null, datastore, cutover: null };
  }

  async #remember(
    { domains }: Stored,
    states: ReadonlyMap<string, DomainState>,
    before: RememberedDomains,
  ): Promise<void> {
    const own = new Map(domains.map((domain) => [domain.domain, domain]));
    const entries = [...states.values()].map((state): [string, RememberedDomain] => {
      const stored = own.get(state.domain);
      return [
        state.domain,
        {
          own: stored?.mode ?? null,
          migrated: state.migrated,
          space: state.space,
          threshold: stored?.threshold ?? null,
          margin: stored?.margin ?? null,
          datastore: state.datastore ?? before[state.domain]?.datastore ?? null,
          cutover: state.cutover,
        },
      ];
    });
    // A memory that cannot be written (a full disk) must not stop answers; the next look tries again.
    await this.#memory.write(Object.fromEntries(entries)).catch(() => undefined);
  }

  /** After an archive: the datastore is gone on purpose. */
  async forgetDatastore(domain: string): Promise<void> {
    const remembered = await this.#memory.read();
    const entry = remembered[domain];
    if (entry !== undefined) await this.#memory.write({ ...remembered, [domain]: { ...entry, datastore: null } });
    await this.refresh();
  }

  /** Waits for what is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#looking?.promise.catch(() => undefined);
    await this.#settling;
  }
}
