import { resolve } from 'node:path';
import { KithError } from '../errors.js';
import type { Author, DomainStats, Mode } from '../gallery/domain.js';
import type { FacesAnswer, RecognizeAnswer, SearchJson, VerifyAnswer } from './answer.js';
import type { ArchiveReport, ArchiveRequest, RestoreReport } from './archive.js';
import { archiveDatastores, restoreDatastores } from './archive-run.js';
import type { CutoverReport, CutoverRequest, RollbackReport } from './cutover.js';
import { CutoverWatch } from './cutover-watch.js';
import { DatastoreShelf } from './datastore-shelf.js';
import { WriteThrough } from './datastore-write-through.js';
import { DomainBook } from './domain-book.js';
import { DomainSearch } from './domain-search.js';
import type { DomainState } from './domain-state.js';
import { EngineShelf } from './engine-shelf.js';
import type { EnrolReport, EnrolRequest } from './enrol.js';
import { runEnrolment } from './enrol-run.js';
import { GallerySource } from './gallery-source.js';
import { identify, searchVector } from './identify.js';
import type { DomainMode } from './mode.js';
import { DEFAULT_SHADOW, type RecognitionOptions } from './options.js';
import type { Call, DomainCall, Recognition, RecognitionStatus, SpaceCall } from './recognition.js';
import { ShadowRecorder } from './shadow-recorder.js';
import { runReplay } from './shadow-replay.js';
import type { ReplayReport, ReplayRequest, ShadowReport } from './shadow-report.js';
import { shadowReport } from './shadow-reporting.js';
import { deleteComparisons } from './shadow-store.js';
import { domainStats } from './stats.js';
import { ModeSwitch } from './switch-mode.js';
import { detectFaces, embedFaces, verify } from './verify.js';

/** How often a service brings datastores up to their galleries, milliseconds. */
const MAINTAIN_EVERY = 30_000;

/** See {@link Recognition}. Owns the gallery, the engines and the datastores that it opened. */
export class RecognitionService implements Recognition {
  readonly #options: RecognitionOptions;
  readonly #source: GallerySource;
  readonly #engines: EngineShelf;
  readonly #datastores: DatastoreShelf;
  readonly #shadow: ShadowRecorder;
  readonly #book: DomainBook;
  readonly #search: DomainSearch;
  readonly #writeThrough: WriteThrough;
  readonly #switch: ModeSwitch;
  readonly #maintenance: NodeJS.Timeout | undefined;

  constructor(options: RecognitionOptions) {
    const onEvent = options.onEvent ?? (() => undefined);
    const shadow = { ...DEFAULT_SHADOW, ...options.shadow };
    this.#options = options;
    this.#source = new GallerySource(options.gallery, (reason) => onEvent({ kind: 'gallery-unavailable', reason }));
    this.#engines = new EngineShelf(options.openEngine, options.bundledSpace);
    this.#datastores = new DatastoreShelf(onEvent);
    this.#shadow = new ShadowRecorder(this.#source, shadow, onEvent);
    this.#writeThrough = new WriteThrough(this.#source, this.#datastores, onEvent);
    const { storage, data, variables, margin } = options;
    this.#book = new DomainBook({
      source: this.#source,
      storage,
      data,
      variables,
      margin,
      onPending: (pending, state) => this.#switch.settlePending(pending, state),
    });
    this.#switch = new ModeSwitch({
      source: this.#source,
      book: this.#book,
      data,
      datastores: this.#datastores,
      writeThrough: this.#writeThrough,
      report: (state, signal) => this.#report(state, shadow.latencyBudget, signal),
      onEvent,
    });
    const watch = new CutoverWatch(this.#datastores, (state, cutover, why) => this.#switch.trip(state, cutover, why));
    this.#search = new DomainSearch({
      source: this.#source,
      datastores: this.#datastores,
      shadow: this.#shadow,
      watch,
      onEvent,
    });
    this.shadow = {
      report: async (domain, call) => this.#report(await this.#book.state(domain), shadow.latencyBudget, call?.signal),
      replay: (request) => this.#replay(request),
      reset: (domain, author) => this.#resetShadow(domain, author),
    };
    const maintain = () => void this.#maintain().catch((error: unknown) => this.#source.report(error));
    if (options.maintain === true) this.#maintenance = setInterval(maintain, MAINTAIN_EVERY).unref();
  }

  readonly shadow: Recognition['shadow'];

  readonly modes: Recognition['modes'] = {
    list: async () => (await this.#book.states()).map(modeOf),
    of: async (domain) => modeOf(await this.#book.state(domain)),
    set: async (domain: string, mode: Mode | null, author: Author, { force = false, signal } = {}) => {
      await this.#switch.set(domain, mode, author, { force, signal });
      return modeOf(await this.#book.state(domain));
    },
  };

  identify(photo: Uint8Array, call: DomainCall): Promise<RecognizeAnswer> {
    return identify(this.#identifyParts(), photo, call);
  }

  search(values: ArrayLike<number>, call: DomainCall): Promise<SearchJson> {
    return searchVector(this.#identifyParts(), values, call);
  }

  verify(
    left: Uint8Array,
    right: Uint8Array,
    call: SpaceCall & { readonly threshold?: number | undefined } = {},
  ): Promise<VerifyAnswer> {
    return verify(this.#faceParts(), left, right, call);
  }

  detect(photo: Uint8Array, call: SpaceCall = {}): Promise<FacesAnswer> {
    return detectFaces(this.#faceParts(), photo, call);
  }

  embed(photo: Uint8Array, call: SpaceCall = {}): Promise<FacesAnswer> {
    return embedFaces(this.#faceParts(), photo, call);
  }

  async enrol(request: EnrolRequest): Promise<EnrolReport> {
    const state = await this.#book.find(request.domain);
    // Enrolling makes a domain count as migrated; the datastore's faces must not be left behind by that.
    if (state !== null && state.datastore !== null && !state.migrated)
      throw new KithError('enrol-not-migrated', { domain: request.domain });
    const engine = await this.#engines.get(state?.space ?? request.space ?? this.#options.bundledSpace);
    const parts = {
      gallery: await this.#source.get(),
      engine,
      prefix: this.#prefixOf(request),
      photoLimits: this.#options.photoLimits ?? {},
    };
    const report = await runEnrolment(parts, request);
    await this.#book.refresh();
    // The datastore side of a domain that has one learns of the new faces too: dual mode answers from it.
    if (state !== null && state.datastore !== null) await this.#writeThrough.run(state);
    return report;
  }

  async stats(
    call: Call & { readonly domain?: string | undefined } = {},
  ): Promise<{ domains: readonly DomainStats[] }> {
    const parts = { source: this.#source, book: this.#book, datastores: this.#datastores };
    return { domains: await domainStats(parts, call.domain, call.signal) };
  }

  cutover(request: CutoverRequest): Promise<CutoverReport> {
    return this.#switch.cutover(request);
  }

  rollback(domain: string, author: Author): Promise<RollbackReport> {
    return this.#switch.rollback(domain, author);
  }

  async archive(request: ArchiveRequest): Promise<ArchiveReport> {
    const parts = await this.#archiveParts();
    return archiveDatastores(parts, this.#options.storage, request);
  }

  async restoreArchive(file: string, author: Author, call: Call = {}): Promise<RestoreReport> {
    const parts = await this.#archiveParts();
    return restoreDatastores(parts, this.#options.storage, file, author, call.signal);
  }

  async status(): Promise<RecognitionStatus> {
    return { datastores: await this.#datastores.statuses(), modes: await this.modes.list() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#maintenance);
    await this.#shadow[Symbol.asyncDispose]();
    await this.#datastores[Symbol.asyncDispose]();
    await this.#engines[Symbol.asyncDispose]();
    await this.#book[Symbol.asyncDispose]();
    await this.#source[Symbol.asyncDispose]();
  }

  /** Faces that others add to the gallery of a domain that can still go back. */
  async #maintain(): Promise<void> {
    for (const state of await this.#book.states())
      if (state.cutover !== null && state.datastore !== null) await this.#writeThrough.runIfGrown(state);
  }

  #identifyParts() {
    return {
      book: this.#book,
      engines: this.#engines,
      search: this.#search,
      photoLimits: this.#options.photoLimits ?? {},
    };
  }

  async #archiveParts() {
    const { data } = this.#options;
    return { gallery: await this.#source.get(), data, book: this.#book, datastores: this.#datastores };
  }

  #faceParts() {
    const { bundledSpace, photoLimits = {} } = this.#options;
    return { engines: this.#engines, bundledSpace, photoLimits };
  }

  async #report(state: DomainState, latencyBudget: number, signal: AbortSignal | undefined): Promise<ShadowReport> {
    // What this process has compared and not written yet counts too.
    await this.#shadow.flush().catch(() => undefined);
    const gallery = await this.#source.get();
    return shadowReport({ gallery, validate: this.#options.validate, latencyBudget }, state, signal);
  }

  async #replay(request: ReplayRequest): Promise<ReplayReport> {
    const state = await this.#book.state(request.domain);
    const parts = {
      ...this.#identifyParts(),
      gallery: await this.#source.get(),
      source: this.#source,
      datastores: this.#datastores,
      storage: this.#options.storage,
    };
    return runReplay(parts, state, request);
  }

  async #resetShadow(domain: string, author: Author): Promise<{ domain: string; removed: number }> {
    await this.#book.state(domain);
    await this.#shadow.flush().catch(() => undefined);
    const { database } = await this.#source.get();
    return { domain, removed: await deleteComparisons(database, domain, author) };
  }

  /** What stands before `<Person>/<image>` in the path of a domain's first images. */
  #prefixOf({ source, domain }: EnrolRequest): string {
    if (typeof source !== 'string') return domain;
    const { storage } = this.#options;
    return resolve(source) === resolve(storage, domain) ? `${storage.replace(/\/+$/, '')}/${domain}` : domain;
  }
}

const modeOf = ({ domain, mode, source, watch }: DomainState): DomainMode => ({ domain, mode, source, watch });
