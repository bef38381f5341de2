import type { Author } from '../gallery/domain.js';

export interface ArchiveRequest {
  readonly domain: string;
  readonly author: Author;
  /** Least age of the cutover in days; 14 unless given. */
  readonly minDays?: number;
  /** Folder that gets the archive; the storage folder unless given. */
  readonly out?: string;
  /** Say what would be done, and do nothing. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface ArchivedFile {
  /** File name inside the domain's folder. */
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** The JSON of `kith archive`. */
export interface ArchiveReport {
  readonly domain: string;
  /** `pkl_archive_<domain>_<date>.tar.gz` */
  readonly archive: string;
  readonly files: readonly ArchivedFile[];
  /** Bytes of the archive; null in a dry run. */
  readonly bytes: number | null;
  /** Whether the datastores were removed: only after the archive was read back and equalled them. */
  readonly removed: boolean;
}

/** The JSON of `kith archive restore`. */
export interface RestoreReport {
  readonly domain: string;
  readonly files: readonly ArchivedFile[];
  /** Files that were already there with the same content. */
  readonly unchanged: number;
}
