import type { ExactIndexStatus } from '../datastore/exact-index.js';
import type { EmbeddingSpace, SpaceName } from '../embedding/space.js';
import type { Author, DomainStats, Mode } from '../gallery/domain.js';
import type { FacesAnswer, RecognizeAnswer, SearchJson, VerifyAnswer } from './answer.js';
import type { ArchiveReport, ArchiveRequest, RestoreReport } from './archive.js';
import type { CutoverReport, CutoverRequest, RollbackReport } from './cutover.js';
import type { EnrolReport, EnrolRequest } from './enrol.js';
import type { DomainMode } from './mode.js';
import type { ReplayReport, ReplayRequest, ShadowReport } from './shadow-report.js';

export interface Call {
  /** Aborting cancels the database's statement and takes a waiting photo off the inference queue. */
  readonly signal?: AbortSignal | undefined;
}

export interface DomainCall extends Call {
  readonly domain: string;
  /** Largest distance that counts as a match; the domain's own, else DeepFace's for the space, unless given. */
  readonly threshold?: number | undefined;
  /** Distinct persons wanted, 1–1000; 5 unless given. */
  readonly topK?: number | undefined;
}

export interface SpaceCall extends Call {
  /** The bundled engine's space unless given. */
  readonly space?: SpaceName | EmbeddingSpace | undefined;
}

/**
 * Everything that a photo or a vector can be asked against the domains, and everything that changes what answers it.
 * Photos are bytes of image files. Faults are thrown (`domain-unknown`, `space-not-computed`, `photo-…`,
 * `database-…`); no face and no match are values.
 */
export interface Recognition extends AsyncDisposable {
  /** Who is on the photo? Every face against one domain, in the domain's mode. */
  identify(photo: Uint8Array, call: DomainCall): Promise<RecognizeAnswer>;
  /** The same for an embedding that the caller computed. */
  search(values: ArrayLike<number>, call: DomainCall): Promise<SearchJson>;
  /** Do two photos show one person? The largest face of each. Throws `face-none` when a photo shows none. */
  verify(
    left: Uint8Array,
    right: Uint8Array,
    call?: SpaceCall & { readonly threshold?: number | undefined },
  ): Promise<VerifyAnswer>;
  detect(photo: Uint8Array, call?: SpaceCall): Promise<FacesAnswer>;
  embed(photo: Uint8Array, call?: SpaceCall): Promise<FacesAnswer>;

  /** Photos of persons into a domain; see {@link EnrolRequest}. */
  enrol(request: EnrolRequest): Promise<EnrolReport>;
  stats(call?: Call & { readonly domain?: string | undefined }): Promise<{ readonly domains: readonly DomainStats[] }>;

  readonly modes: {
    list(call?: Call): Promise<readonly DomainMode[]>;
    of(domain: string, call?: Call): Promise<DomainMode>;
    /**
     * `pgvector` passes the gate of {@link Recognition.cutover}: throws `cutover-refused` with the reasons. Null takes
     * the domain's own mode back, through the same gate where that makes the database answer.
     */
    set(
      domain: string,
      mode: Mode | null,
      author: Author,
      options?: Call & { readonly force?: boolean },
    ): Promise<DomainMode>;
  };

  readonly shadow: {
    report(domain: string, call?: Call): Promise<ShadowReport>;
    replay(request: ReplayRequest): Promise<ReplayReport>;
    /** Forgets the comparisons of a domain; answers how many there were. */
    reset(domain: string, author: Author, call?: Call): Promise<{ readonly domain: string; readonly removed: number }>;
  };

  cutover(request: CutoverRequest): Promise<CutoverReport>;
  rollback(domain: string, author: Author, call?: Call): Promise<RollbackReport>;
  archive(request: ArchiveRequest): Promise<ArchiveReport>;
  restoreArchive(file: string, author: Author, call?: Call): Promise<RestoreReport>;

  /** For health checks and metrics: the datastores in memory and every domain's mode. */
  status(): Promise<RecognitionStatus>;
}

export interface RecognitionStatus {
  readonly datastores: ReadonlyMap<string, ExactIndexStatus>;
  readonly modes: readonly DomainMode[];
}
