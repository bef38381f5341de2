import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { type MetricSources, type RecallState, StateGauges } from './metric-states.js';

// From half a millisecond (an indexed search) to half a minute (a request at its limit).
const SECONDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30];
/** A label's values are bounded, or somebody who tries names would grow the process without end. */
const MOST_DOMAINS = 2_000;

export interface MetricsOptions {
  readonly version: string;
  /** Node's own figures (memory, event-loop delay, garbage collection); on unless false. */
  readonly processMetrics?: boolean;
}

/**
 * Every metric of a Kith process, under the names that `deploy/` alerts on. Events are pushed by the `observe…` and
 * `count…` methods; states are pulled from {@link MetricSources} at a scrape. No label holds a person, a path or a secret.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #states = new StateGauges(this.#registry, (states) => this.#takeRecall(states));
  readonly #domains = new Set<string>();
  readonly #recallSums = new Map<string, { readonly hits: number; readonly asked: number }>();

  readonly #requests = this.#histogram('kith_request_seconds', 'time to answer a request', [
    'method',
    'route',
    'status',
  ]);
  readonly #detect = this.#histogram('kith_detect_seconds', 'time to find the faces of a photo', ['space']);
  readonly #embed = this.#histogram('kith_embed_seconds', 'time to embed the faces of a photo', ['space']);
  readonly #search = this.#histogram('kith_search_seconds', 'time to search a domain', ['domain', 'mode']);
  readonly #errors = this.#counter('kith_errors_total', 'faults answered, by code of docs/errors.md', ['code']);
  readonly #shadow = this.#counter('kith_shadow_comparisons_total', 'shadow comparisons', ['domain', 'class']);
  readonly #dropped = this.#counter('kith_shadow_dropped_total', 'shadow comparisons dropped under overload', [
    'domain',
  ]);
  readonly #recallHits = this.#counter('kith_search_recall_hits_total', 'exact results that a search also had', [
    'domain',
  ]);
  readonly #recallAsked = this.#counter('kith_search_recall_asked_total', 'exact results compared with', ['domain']);
  readonly #recall: Gauge;
  readonly #reloads = this.#counter('kith_datastore_reload_failures_total', 'changed datastores not loaded', [
    'domain',
  ]);
  readonly #rollbacks = this.#counter('kith_rollbacks_total', 'returns from pgvector to the datastore', [
    'domain',
    'cause',
  ]);

  constructor(options: MetricsOptions) {
    this.#recall = this.#gauge('kith_search_recall', 'share of exact results that sampled searches had', ['domain']);
    const build = this.#gauge('kith_build_info', 'always 1; the versions are in the labels', ['version', 'node']);
    build.set({ version: options.version, node: process.versions.node }, 1);
    if (options.processMetrics !== false) collectDefaultMetrics({ register: this.#registry });
  }

  /** Where states are asked from now on; a source given before stays unless named again. */
  watch(sources: MetricSources): void {
    this.#states.watch(sources);
  }

  /** @param request `route` is the pattern (`/api/v1/domains/:domain`), never the path as it came. */
  observeRequest(request: { method: string; route: string; status: number; seconds: number }): void {
    const { method, route, status, seconds } = request;
    this.#requests.observe({ method, route, status: String(status) }, seconds);
  }

  observeDetect(space: string, seconds: number): void {
    this.#detect.observe({ space }, seconds);
  }

  observeEmbed(space: string, seconds: number): void {
    this.#embed.observe({ space }, seconds);
  }

  observeSearch(domain: string, mode: string, seconds: number): void {
    this.#search.observe({ domain: this.#label(domain), mode }, seconds);
  }

  countError(code: string): void {
    this.#errors.inc({ code });
  }

  /** @param difference the class of the difference, or `agreed` */
  countShadow(domain: string, difference: string): void {
    this.#shadow.inc({ domain: this.#label(domain), class: difference });
  }

  countShadowDropped(domain: string): void {
    this.#dropped.inc({ domain: this.#label(domain) });
  }

  /** One sampled search that was repeated exactly: of `asked` exact results, the first answer had `hits`. */
  countRecall(domain: string, hits: number, asked: number): void {
    const label = this.#label(domain);
    const before = this.#recallSums.get(label) ?? { hits: 0, asked: 0 };
    const sum = { hits: before.hits + hits, asked: before.asked + asked };
    this.#recallSums.set(label, sum);
    this.#recallHits.inc({ domain: label }, hits);
    this.#recallAsked.inc({ domain: label }, asked);
    if (sum.asked > 0) this.#recall.set({ domain: label }, sum.hits / sum.asked);
  }

  /** Totals become events: what is more than at the last scrape. */
  #takeRecall(states: readonly RecallState[]): void {
    for (const { domain, found, wanted } of states) {
      const before = this.#recallSums.get(this.#label(domain)) ?? { hits: 0, asked: 0 };
      if (wanted > before.asked) this.countRecall(domain, found - before.hits, wanted - before.asked);
    }
  }

  countReloadFailure(domain: string): void {
    this.#reloads.inc({ domain: this.#label(domain) });
  }

  countRollback(domain: string, cause: 'automatic' | 'operator'): void {
    this.#rollbacks.inc({ domain: this.#label(domain), cause });
  }

  /** A domain's recall since the start, 0 … 1; null before the first sample. */
  recallOf(domain: string): number | null {
    const sum = this.#recallSums.get(domain);
    return sum === undefined || sum.asked === 0 ? null : sum.hits / sum.asked;
  }

  /** The answer of `/metrics`. */
  async text(): Promise<string> {
    await this.#states.refresh();
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  #label(domain: string): string {
    if (this.#domains.size < MOST_DOMAINS) this.#domains.add(domain);
    return this.#domains.has(domain) ? domain : 'other';
  }

  #histogram(name: string, help: string, labelNames: string[]): Histogram {
    return new Histogram({ name, help, labelNames, buckets: SECONDS, registers: [this.#registry] });
  }

  #counter(name: string, help: string, labelNames: string[]): Counter {
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  }

  #gauge(name: string, help: string, labelNames: string[]): Gauge {
    return new Gauge({ name, help, labelNames, registers: [this.#registry] });
  }
}
