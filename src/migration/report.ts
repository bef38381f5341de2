/** What a migration says when it is done: the JSON of `kith migrate`, an object per domain and space. */

import type { RowFlaw } from '../datastore/row.js';

/**
 * Why a row of a datastore cannot be a face of a gallery: a flaw of its own; `duplicate`, the same image, vector and
 * box as an earlier row; `not-storable`, a path that PostgreSQL's text or index cannot hold.
 */
export type SkipReason = RowFlaw | 'duplicate' | 'not-storable';

export interface SkippedRow {
  /** Counted from 0 in the order of the datastore. */
  readonly row: number;
  /** The path as the datastore spells it; null when it has none. */
  readonly identity: string | null;
  readonly reason: SkipReason;
  /** The reason in words, with the numbers that matter. */
  readonly detail: string;
}

/** The datastore held against the database, both ways. */
export interface Validation {
  readonly ok: number;
  /** Rows that could be migrated and are not in the database. */
  readonly missing: number;
  /** Faces of the domain and space in the database that no row of the datastore accounts for. */
  readonly extra: number;
  /** Faces that are there with another vector, or with another person than their folder says. */
  readonly different: number;
}

/** One thing that validation found; the first hundred are listed. */
export interface Finding {
  readonly kind: 'missing' | 'extra' | 'different-vector' | 'different-person';
  readonly row: number | null;
  readonly imagePath: string;
}

export type MigrationState = 'migrated' | 'dry-run' | 'validated' | 'empty' | 'no-datastore';

export interface MigrationReport {
  readonly domain: string;
  /** Name of the embedding space; null when there is no datastore that would name one. */
  readonly space: string | null;
  readonly state: MigrationState;
  readonly datastore: string | null;
  readonly rows: number;
  /** Rows written by this run (in a dry run: that would be), `updated` of them in place. */
  readonly migrated: number;
  readonly updated: number;
  /** Rows that the database already held. */
  readonly unchanged: number;
  readonly skipped: readonly SkippedRow[];
  /** Persons and faces per person that the datastore's good rows make. */
  readonly persons: number;
  readonly facesPerPerson: number;
  /** Rows whose box is the whole photo: no face was found and DeepFace embedded everything. Migrated and flagged. */
  readonly wholePhoto: number;
  readonly seconds: number;
  /** Null when nothing was compared: a dry run without a database. */
  readonly validated: Validation | null;
  readonly findings: readonly Finding[];
  readonly warnings: readonly string[];
}

/** A domain that failed; the others go on. */
export interface FailedDomain {
  readonly domain: string;
  readonly error: { readonly code: string; readonly message: string; readonly hint?: string };
}

export type DomainReport = MigrationReport | FailedDomain;

export const isFailed = (report: DomainReport): report is FailedDomain => 'error' in report;

/** Whether every row and every face answered to each other. */
export const isClean = ({ missing, extra, different }: Validation): boolean => missing + extra + different === 0;

/** The exit code of `kith migrate`: 1 when a domain failed or, validating, was not clean; skipped rows do not change it. */
export function exitCode(reports: readonly DomainReport[], validateOnly: boolean): 0 | 1 {
  const bad = (report: DomainReport): boolean =>
    isFailed(report) || (validateOnly && (report.validated === null || !isClean(report.validated)));
  return reports.some(bad) ? 1 : 0;
}
