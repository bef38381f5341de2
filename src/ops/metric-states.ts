import { Counter, Gauge, type Registry } from 'prom-client';

/** Inference jobs waiting and running, and how many may wait. */
export interface QueueState {
  readonly waiting: number;
  readonly running: number;
  readonly limit: number;
}

/** Connections of a database pool, and callers that wait for one. */
export interface PoolState {
  readonly idle: number;
  readonly busy: number;
  readonly waiting: number;
  readonly limit: number;
}

/** What is known of a domain at the time of a scrape. Absent parts are not reported. */
export interface DomainState {
  readonly domain: string;
  readonly mode: string;
  readonly persons: number;
  readonly faces: number;
  /** Share 0 … 1 of the shadow comparisons since the last reset in which both searches agreed. */
  readonly shadowAgreement?: number;
  readonly shadowComparisons?: number;
  /** Seconds since the datastore's file changed. */
  readonly datastoreAgeSeconds?: number;
  /** Unix time of the end of the domain's last migration, in seconds. */
  readonly lastMigration?: number;
}

export interface IndexState {
  readonly index: string;
  readonly bytes: number;
  readonly valid: boolean;
}

/** What sampled searches of a domain had of the exact results, since the start. */
export interface RecallState {
  readonly domain: string;
  readonly found: number;
  readonly wanted: number;
}

/** A running enrolment or migration. */
export interface BulkState {
  readonly kind: 'enrolment' | 'migration';
  readonly domain: string;
  readonly done: number;
  /** Null while nobody knows. */
  readonly total: number | null;
}

/** Asked at a scrape. One that fails is counted in `kith_scrape_failures_total`; the others still answer. */
export interface MetricSources {
  readonly queue?: () => QueueState;
  /** Null while there is none. */
  readonly pool?: () => PoolState | null | Promise<PoolState | null>;
  readonly domains?: () => Promise<readonly DomainState[]>;
  readonly indexes?: () => Promise<readonly IndexState[]>;
  readonly bulk?: () => readonly BulkState[] | Promise<readonly BulkState[]>;
  readonly ready?: () => boolean | Promise<boolean>;
  /** Sampled searches, in all since the start. */
  readonly recall?: () => Promise<readonly RecallState[]>;
}

/** Figures that cost a query are asked at most this often, however many scrapers there are. */
const KEEP_MS = 10_000;

/** The gauges whose values are asked for at a scrape. */
export class StateGauges {
  readonly #gauges = new Map<string, Gauge>();
  readonly #failures: Counter<'source'>;
  readonly #kept = new Map<keyof MetricSources, number>();
  #sources: MetricSources = {};

  readonly #onRecall: (states: readonly RecallState[]) => void;

  /** @param onRecall takes the totals of sampled searches at a scrape */
  constructor(registry: Registry, onRecall: (states: readonly RecallState[]) => void) {
    this.#onRecall = onRecall;
    this.#failures = new Counter({
      name: 'kith_scrape_failures_total',
      help: 'sources of figures that could not be read at a scrape',
      labelNames: ['source'],
      registers: [registry],
    });
    const gauges: readonly (readonly [name: string, help: string, labels: readonly string[]])[] = [
      ['kith_ready', '1 when the service can recognise', []],
      ['kith_inference_queue_waiting', 'photos that wait for an inference worker', []],
      ['kith_inference_queue_running', 'photos that inference workers have in hand', []],
      ['kith_inference_queue_limit', 'photos that may wait before callers get 503', []],
      ['kith_pool_connections', 'connections of the database pool', ['state']],
      ['kith_pool_waiting', 'callers that wait for a connection', []],
      ['kith_pool_limit', 'connections that the pool may hold', []],
      ['kith_domain_mode', 'always 1; the mode is in the label', ['domain', 'mode']],
      ['kith_persons', 'enrolled persons', ['domain']],
      ['kith_faces', 'enrolled faces', ['domain']],
      ['kith_shadow_agreement', 'share of shadow comparisons since the last reset that agreed', ['domain']],
      ['kith_shadow_comparisons', 'shadow comparisons since the last reset', ['domain']],
      ['kith_datastore_age_seconds', "time since the datastore's file changed", ['domain']],
      ['kith_last_migration_timestamp_seconds', "Unix time of the end of the domain's last migration", ['domain']],
      ['kith_index_bytes', 'size of a vector index', ['index']],
      ['kith_index_valid', '0 when the planner may not use the index', ['index']],
      ['kith_bulk_rows_done', 'rows or photos that a running enrolment or migration has done', ['kind', 'domain']],
      ['kith_bulk_rows_total', 'rows or photos that a running enrolment or migration has in all', ['kind', 'domain']],
    ];
    for (const [name, help, labelNames] of gauges)
      this.#gauges.set(name, new Gauge({ name, help, labelNames: [...labelNames], registers: [registry] }));
  }

  watch(sources: MetricSources): void {
    this.#sources = { ...this.#sources, ...sources };
  }

  async refresh(): Promise<void> {
    const { ready, queue, pool, bulk, domains, indexes, recall } = this.#sources;
    await Promise.all([
      this.#read('ready', ready, (value) => this.#set('kith_ready', {}, value ? 1 : 0)),
      this.#read('queue', queue, (state) => this.#setQueue(state)),
      this.#read('pool', pool, (state) => (state === null ? undefined : this.#setPool(state))),
      this.#read('recall', recall, (states) => this.#onRecall(states)),
      this.#read('bulk', bulk, (states) => this.#setBulk(states)),
      this.#read('domains', domains, (states) => this.#setDomains(states), KEEP_MS),
      this.#read('indexes', indexes, (states) => this.#setIndexes(states), KEEP_MS),
    ]);
  }

  async #read<T>(
    name: keyof MetricSources,
    source: (() => T | Promise<T>) | undefined,
    use: (value: T) => void,
    keepMs = 0,
  ): Promise<void> {
    if (source === undefined || Date.now() < (this.#kept.get(name) ?? 0)) return;
    this.#kept.set(name, Date.now() + keepMs);
    try {
      use(await source());
    } catch {
      // Why it failed is logged where it failed; a scrape must still answer.
      this.#kept.delete(name);
      this.#failures.inc({ source: name });
    }
  }

  #set(name: string, labels: Record<string, string>, value: number | undefined): void {
    if (value !== undefined) this.#gauges.get(name)?.set(labels, value);
  }

  /** Forgets label sets of things that are gone: an erased domain, a dropped index, a finished migration. */
  #forget(...names: readonly string[]): void {
    for (const name of names) this.#gauges.get(name)?.reset();
  }

  #setQueue(state: QueueState): void {
    this.#set('kith_inference_queue_waiting', {}, state.waiting);
    this.#set('kith_inference_queue_running', {}, state.running);
    this.#set('kith_inference_queue_limit', {}, state.limit);
  }

  #setPool(state: PoolState): void {
    this.#set('kith_pool_connections', { state: 'idle' }, state.idle);
    this.#set('kith_pool_connections', { state: 'busy' }, state.busy);
    this.#set('kith_pool_waiting', {}, state.waiting);
    this.#set('kith_pool_limit', {}, state.limit);
  }

  #setBulk(states: readonly BulkState[]): void {
    this.#forget('kith_bulk_rows_done', 'kith_bulk_rows_total');
    for (const { kind, domain, done, total } of states) {
      this.#set('kith_bulk_rows_done', { kind, domain }, done);
      this.#set('kith_bulk_rows_total', { kind, domain }, total ?? undefined);
    }
  }

  #setDomains(states: readonly DomainState[]): void {
    this.#forget('kith_domain_mode', 'kith_persons', 'kith_faces', 'kith_shadow_agreement', 'kith_shadow_comparisons');
    this.#forget('kith_datastore_age_seconds', 'kith_last_migration_timestamp_seconds');
    for (const state of states) {
      const { domain } = state;
      this.#set('kith_domain_mode', { domain, mode: state.mode }, 1);
      this.#set('kith_persons', { domain }, state.persons);
      this.#set('kith_faces', { domain }, state.faces);
      this.#set('kith_shadow_agreement', { domain }, state.shadowAgreement);
      this.#set('kith_shadow_comparisons', { domain }, state.shadowComparisons);
      this.#set('kith_datastore_age_seconds', { domain }, state.datastoreAgeSeconds);
      this.#set('kith_last_migration_timestamp_seconds', { domain }, state.lastMigration);
    }
  }

  #setIndexes(states: readonly IndexState[]): void {
    this.#forget('kith_index_bytes', 'kith_index_valid');
    for (const { index, bytes, valid } of states) {
      this.#set('kith_index_bytes', { index }, bytes);
      this.#set('kith_index_valid', { index }, valid ? 1 : 0);
    }
  }
}
