import { existsSync } from 'node:fs';
import { KithError } from '../errors.js';
import type { Author, Mode } from '../gallery/domain.js';
import type { Gallery } from '../gallery/gallery.js';
import type { CutoverReport, CutoverRequest, RollbackReport } from './cutover.js';
import { type Cutover, insertCutover, undoCutover, wasRolledBack } from './cutover-record.js';
import type { DatastoreShelf } from './datastore-shelf.js';
import type { WriteThrough } from './datastore-write-through.js';
import type { DomainBook } from './domain-book.js';
import { withDomainLock } from './domain-lock.js';
import type { DomainState } from './domain-state.js';
import type { GallerySource } from './gallery-source.js';
import type { RecognitionEvent } from './options.js';
import type { PendingRollback } from './rollback-memory.js';
import type { ShadowReport } from './shadow-report.js';

/** Watch time and bounds of a cutover that does not say otherwise. */
export const WATCH = Object.freeze({ minutes: 15, maxErrorRate: 0.02, maxEmptyRate: 0.02 });

export interface SwitchParts {
  readonly source: GallerySource;
  readonly book: DomainBook;
  /** KITH_DATA */
  readonly data: string;
  readonly datastores: DatastoreShelf;
  readonly writeThrough: WriteThrough;
  readonly report: (state: DomainState, signal: AbortSignal | undefined) => Promise<ShadowReport>;
  readonly onEvent: (event: RecognitionEvent) => void;
}

interface SetOptions {
  /** `pgvector` although the verdict is not ready. */
  readonly force: boolean;
  readonly signal: AbortSignal | undefined;
}

/**
 * Changes of what a domain answers from. The mode, the cutover and the audit row change in one transaction, so a kill
 * leaves the domain in the old mode or in the new one, with its record.
 *
 *   pkl ⇄ dual ──cutover: gate, validation──▶ pgvector, watched ──watch over──▶ pgvector, settled ──archive──▶
 *           ▲                                        │  rates pass a bound             │
 *           └──────────rollback, by hand or by itself┴─────────────────────────────────┘
 */
export class ModeSwitch {
  readonly #parts: SwitchParts;

  constructor(parts: SwitchParts) {
    this.#parts = parts;
  }

  /** Throws `cutover-refused` with the reasons, `cutover-standing`, `cutover-reason`, `domain-busy`. */
  async cutover(request: CutoverRequest): Promise<CutoverReport> {
    const { domain, author, force = false, signal } = request;
    if (force && (author.why ?? '').trim() === '') throw new KithError('cutover-reason', { domain });
    const gallery = await this.#parts.source.get();
    return withDomainLock({ database: gallery.database, data: this.#parts.data }, domain, async () => {
      await this.#parts.book.refresh();
      const state = await this.#parts.book.state(domain);
      if (state.cutover !== null && state.mode === 'pgvector') throw new KithError('cutover-standing', { domain });
      if (!state.migrated) throw new KithError('cutover-refused', { domain, reasons: 'the gallery does not have it' });
      // A domain that never had a datastore has nothing to be compared with.
      const report = state.datastore === null ? null : await this.#parts.report(state, signal);
      const reasons = report?.reasons ?? [];
      if (reasons.length > 0 && !force) throw new KithError('cutover-refused', { domain, reasons: reasons.join('; ') });
      signal?.throwIfAborted();
      const cutover = await this.#write(gallery, request, reasons);
      await this.#told(state, 'pgvector', author.why ?? 'cutover');
      const watchUntil = cutover.watchUntil.toISOString();
      return { domain, mode: 'pgvector', watchUntil, forced: force && reasons.length > 0, reasons, report };
    });
  }

  #write(gallery: Gallery, request: CutoverRequest, reasons: readonly string[]): Promise<Cutover> {
    const { domain, author, force = false } = request;
    return gallery.transaction(async (operations, database) => {
      // One that somebody left standing by setting the mode behind Kith's back.
      await undoCutover(database, domain, { who: author.who, why: 'followed by another cutover' }, null);
      const cutover = await insertCutover(database, {
        domain,
        who: author.who,
        why: author.why ?? '',
        forced: force && reasons.length > 0,
        reasons,
        watchMinutes: request.watchMinutes ?? WATCH.minutes,
        maxErrorRate: request.maxErrorRate ?? WATCH.maxErrorRate,
        maxEmptyRate: request.maxEmptyRate ?? WATCH.maxEmptyRate,
      });
      const spoke = reasons.length > 0 ? ` (forced against: ${reasons.join('; ')})` : '';
      await operations.setDomain(
        domain,
        { mode: 'pgvector' },
        { who: author.who, why: `cutover: ${author.why ?? 'ready'}${spoke}` },
      );
      return cutover;
    });
  }

  /**
   * Back to the datastore's answers, at once; then what was added to the gallery since is written to the datastore.
   * Works while the database is down: this machine follows at once, the database is told when it is back. Killed after
   * the switch, the next call writes what the datastore still lacks.
   * Throws `rollback-nothing`, `rollback-no-datastore`.
   */
  async rollback(domain: string, author: Author): Promise<RollbackReport> {
    const state = await this.#parts.book.state(domain);
    if (state.mode !== 'pgvector') return this.#finish(state, state.mode);
    if (state.datastore === null || !existsSync(state.datastore))
      throw new KithError('rollback-no-datastore', { domain });
    return this.#rollBack(state, 'dual', 'dual', { who: author.who, why: author.why ?? 'rollback' });
  }

  /** The rest of a rollback that was killed after the switch. */
  async #finish(state: DomainState, mode: 'pkl' | 'dual'): Promise<RollbackReport> {
    const { domain } = state;
    const { database } = await this.#parts.source.get();
    const added = (await wasRolledBack(database, domain)) ? await this.#parts.writeThrough.run(state) : null;
    if (added === null || added.faces === 0) throw new KithError('rollback-nothing', { domain, mode });
    return { domain, mode, writtenThrough: added.faces, staleSignature: added.staleSignature, complete: true };
  }

  /** A watch's own decision. */
  async trip(state: DomainState, cutover: Cutover, reason: string): Promise<void> {
    const author = { who: 'kith', why: `watch of cutover ${cutover.id}: ${reason}` };
    this.#parts.onEvent({ kind: 'rolled-back', domain: state.domain, reason });
    // The caller that tripped it has its answer from the datastore already: nothing of this may keep it waiting.
    await this.#note(state, author);
    void this.#settle(state, 'dual', author)
      .then(() => this.#parts.writeThrough.run(state))
      .catch((error: unknown) => this.#parts.source.report(error));
  }

  async #rollBack(
    state: DomainState,
    to: 'pkl' | 'dual',
    own: Mode | null,
    author: { readonly who: string; readonly why: string },
  ): Promise<RollbackReport> {
    const { domain } = state;
    const written = await this.#settle(state, own, author).then(
      () => true,
      () => false,
    );
    if (!written) await this.#note(state, author);
    await this.#told(state, written ? to : 'dual', author.why);
    const added = await this.#parts.writeThrough.run(state).catch(() => null);
    const { faces: writtenThrough, staleSignature } = added ?? { faces: 0, staleSignature: null };
    return { domain, mode: 'dual', writtenThrough, staleSignature, complete: added !== null };
  }

  /** In force here, and for whoever shares KITH_DATA, before the database knows. */
  async #note(state: DomainState, author: { readonly who: string; readonly why: string }): Promise<void> {
    const at = new Date().toISOString();
    const cutover = state.cutover?.id ?? '';
    await this.#parts.book.rollbacks.write({ domain: state.domain, cutover, at, who: author.who, why: author.why });
    await this.#parts.book.refresh();
  }

  /** The mode, the end of the cutover and the audit row, in one transaction; then the note is not needed any more. */
  async #settle(
    { domain, cutover }: Pick<DomainState, 'domain' | 'cutover'>,
    mode: Mode | null,
    author: { readonly who: string; readonly why: string },
  ): Promise<void> {
    const gallery = await this.#parts.source.get();
    await gallery.transaction(async (operations, database) => {
      const undone = await undoCutover(database, domain, author, cutover?.id ?? null);
      if (undone === null && cutover !== null) return; // somebody else was faster
      await operations.setDomain(domain, { mode }, author);
    });
    await this.#parts.book.rollbacks.clear(domain);
  }

  /** Tells the database of a rollback that was made here while it could not be told. */
  async settlePending(pending: PendingRollback, state: DomainState): Promise<void> {
    await this.#settle(state, 'dual', { who: pending.who, why: `${pending.why} (made ${pending.at})` });
    await this.#parts.book.refresh();
    await this.#parts.writeThrough.run(state);
  }

  /**
   * Any mode by hand; null takes the domain's own mode back, so that the variables count, or what the domain has.
   * What then answers from the database is a cutover, and leaving that is a rollback.
   */
  async set(domain: string, mode: Mode | null, author: Author, { force, signal }: SetOptions): Promise<void> {
    const state = await this.#parts.book.state(domain);
    const to = mode ?? this.#parts.book.modeWithoutOwn(state);
    const why = author.why ?? (mode === null ? 'no mode of its own' : `mode ${mode}`);
    switch (to) {
      case 'pgvector':
        if (state.cutover === null && (mode !== null || state.mode !== to))
          await this.cutover({ domain, author, force, signal });
        if (mode === null) await this.#setPlain(state, mode, to, { who: author.who, why });
        return;
      case 'pkl':
      case 'dual':
        if (state.datastore === null) throw new KithError('datastore-none', { domain });
        if (state.mode === 'pgvector') await this.#rollBack(state, to, mode, { who: author.who, why });
        else await this.#setPlain(state, mode, to, { who: author.who, why });
        return;
    }
  }

  async #setPlain(state: DomainState, own: Mode | null, to: Mode, author: Author): Promise<void> {
    if (!state.migrated) throw new KithError('mode-not-migrated', { domain: state.domain });
    const gallery = await this.#parts.source.get();
    await gallery.setDomain(state.domain, { mode: own }, author);
    await this.#told(state, to, author.why ?? '');
  }

  async #told(state: DomainState, to: Mode, why: string): Promise<void> {
    await this.#parts.book.refresh();
    this.#parts.onEvent({ kind: 'mode-changed', domain: state.domain, from: state.mode, to, why });
  }
}
