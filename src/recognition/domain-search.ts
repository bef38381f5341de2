import type { Embedding } from '../embedding/embedding.js';
import type { EmbeddingSpace } from '../embedding/space.js';
import type { Candidate } from '../gallery/candidate.js';
import type { CutoverWatch } from './cutover-watch.js';
import type { DatastoreShelf } from './datastore-shelf.js';
import type { DomainQuery } from './domain-query.js';
import type { DomainState } from './domain-state.js';
import type { GallerySource } from './gallery-source.js';
import type { RecognitionEvent } from './options.js';
import type { ProbeIdentity } from './shadow-comparison.js';
import type { ShadowRecorder } from './shadow-recorder.js';

export interface DomainSearchParts {
  readonly source: GallerySource;
  readonly datastores: DatastoreShelf;
  readonly shadow: ShadowRecorder;
  readonly watch: CutoverWatch;
  readonly onEvent: (event: RecognitionEvent) => void;
}

/** The one place that knows what each mode searches. */
export class DomainSearch {
  readonly #parts: DomainSearchParts;

  constructor(parts: DomainSearchParts) {
    this.#parts = parts;
  }

  /** The space that probes of this domain must be of. Throws the `datastore-…` faults. */
  space(state: DomainState): Promise<EmbeddingSpace> {
    return this.#parts.datastores.space(state);
  }

  /** Distinct persons within the threshold, nearest first, from where the domain's mode says. */
  async search(
    state: DomainState,
    probe: Embedding,
    query: DomainQuery,
    identity: ProbeIdentity,
  ): Promise<readonly Candidate[]> {
    const begun = performance.now();
    const answer = await this.#answer(state, probe, query, identity);
    const { domain, mode } = state;
    this.#parts.onEvent({ kind: 'searched', domain, mode, milliseconds: performance.now() - begun });
    return answer;
  }

  async #answer(
    state: DomainState,
    probe: Embedding,
    query: DomainQuery,
    identity: ProbeIdentity,
  ): Promise<readonly Candidate[]> {
    const { datastores, shadow, watch } = this.#parts;
    switch (state.mode) {
      case 'pkl':
        return datastores.search(state, probe, query);
      case 'dual': {
        const answer = datastores.search(state, probe, query);
        shadow.offer({ state, probe, query, identity, datastore: answer });
        return answer;
      }
      case 'pgvector': {
        const inGallery = (bounded: DomainQuery) => this.inGallery(state, probe, bounded);
        return watch.isWatching(state) ? watch.search(state, probe, query, inGallery) : inGallery(query);
      }
    }
  }

  /** Bare values are for a taken-over table whose space nobody has declared: then only their number is checked. */
  async inGallery(
    state: DomainState,
    probe: Embedding | Float32Array,
    { topK, threshold, signal }: { topK: number; threshold?: number; signal?: AbortSignal | undefined },
  ): Promise<readonly Candidate[]> {
    const gallery = await this.#parts.source.get();
    return gallery.findMatches(probe, state.domain, {
      topK,
      ...(threshold === undefined ? {} : { threshold }),
      ...(signal === undefined ? {} : { signal }),
    });
  }
}
