import type { Gallery } from '../gallery/gallery.js';
import { coverage } from './coverage.js';
import type { DomainState } from './domain-state.js';
import type { RecognitionOptions } from './options.js';
import type { ShadowReport } from './shadow-report.js';
import { countClasses, countDropped, exampleDifferences, summarize } from './shadow-summary.js';
import { reasonsAgainst } from './shadow-verdict.js';
import { wilsonInterval } from './wilson.js';

export interface ReportParts {
  readonly gallery: Gallery;
  readonly validate: RecognitionOptions['validate'];
  readonly latencyBudget: number;
}

/** What the comparisons of a domain prove, with a fresh validation. */
export async function shadowReport(
  { gallery, validate, latencyBudget }: ReportParts,
  state: DomainState,
  signal: AbortSignal | undefined,
): Promise<ShadowReport> {
  const { domain, datastore } = state;
  const { database } = gallery;
  const [summary, differences, examples, dropped] = await Promise.all([
    summarize(database, domain),
    countClasses(database, domain),
    exampleDifferences(database, domain),
    countDropped(database, domain),
  ]);
  const covered =
    datastore === null || !state.migrated ? null : await coverage(gallery, domain, datastore).catch(() => null);
  const validated = state.migrated ? await validate(domain, gallery, signal).catch(unlessAborted(signal)) : null;
  const evidence = {
    comparisons: summary.comparisons,
    interval: wilsonInterval(summary.agreed, summary.comparisons),
    differences,
    latency: { datastore: summary.datastoreLatency, gallery: summary.galleryLatency },
    validated,
  };
  const reasons = reasonsAgainst(evidence, latencyBudget);
  return {
    domain,
    ...evidence,
    agreement: summary.comparisons === 0 ? null : summary.agreed / summary.comparisons,
    examples,
    coverage: covered,
    dropped,
    verdict: reasons.length === 0 ? 'ready' : 'not ready',
    reasons,
  };
}

/** A datastore that cannot be validated is a reason against switching, not a fault of the report. */
const unlessAborted = (signal: AbortSignal | undefined) => (): null => {
  signal?.throwIfAborted();
  return null;
};
