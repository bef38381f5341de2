import { personOf } from '../datastore/row.js';
import { distance } from '../embedding/distance.js';
import { type Embedding, embedding, inspectVector } from '../embedding/embedding.js';
import type { Candidate } from '../gallery/candidate.js';
import { type Comparison, DISTANCE_EPSILON, type DifferenceClass, type SideAnswer } from './shadow-comparison.js';

/** A face as the gallery has it. */
export interface GalleryFace {
  readonly person: string;
  readonly values: Float32Array;
}

/** What finding a cause may ask, off the request path. */
export interface Witnesses {
  /** The gallery's row of an image and face, or null. */
  readonly galleryFace: (imagePath: string, faceNumber: number) => Promise<GalleryFace | null>;
  /** The gallery's answer without its index. */
  readonly galleryExact: () => Promise<readonly Candidate[]>;
  /** The probe in the other channel order, or null where that cannot be had. */
  readonly otherOrder: () => Promise<Embedding | null>;
}

export interface Compared {
  readonly probe: Embedding;
  readonly threshold: number;
  readonly topK: number;
  readonly datastore: SideAnswer;
  readonly gallery: SideAnswer;
}

interface Cause {
  readonly class: DifferenceClass;
  readonly detail: string;
}

const near = (a: number, b: number): boolean => Math.abs(a - b) <= DISTANCE_EPSILON;
// One person may be spelt in two Unicode forms: a folder's name from a Mac against one from Linux.
const nameOf = ({ person }: Candidate): string => person.name.normalize('NFC');
const folderOf = ({ imagePath }: Candidate): string | undefined => personOf(imagePath)?.normalize('NFC');
/** Also a person who was renamed or merged in the gallery: the folder of the image is still that of the datastore's person. */
const samePerson = (a: Candidate, b: Candidate): boolean =>
  nameOf(a) === nameOf(b) || (folderOf(a) !== undefined && folderOf(a) === folderOf(b));
const same = (a: Candidate, b: Candidate): boolean => samePerson(a, b) && near(a.distance, b.distance);
const told = ({ person, distance: d }: Candidate): string => `${person.name} at ${d.toFixed(6)}`;

/** Compares the two answers to one probe and finds the cause of the first difference. */
export async function compareAnswers(compared: Compared, witnesses: Witnesses): Promise<Comparison> {
  const { datastore, gallery } = compared;
  if (!datastore.ok || !gallery.ok) {
    const side = datastore.ok ? 'gallery' : 'datastore';
    const error = !datastore.ok ? datastore.error : !gallery.ok ? gallery.error : '';
    return { agreed: false, class: 'error', overlap: null, maxDifference: null, detail: `${side}: ${error}` };
  }
  const [ours, theirs] = [datastore.candidates, gallery.candidates];
  const cause = await findCause(compared, ours, theirs, witnesses);
  const [first, other] = [ours[0], theirs[0]];
  const sameTop = first === undefined || other === undefined ? first === other : samePerson(first, other);
  return {
    // Persons tied at the top are the same answer in another order.
    agreed: sameTop || cause?.class === 'tie',
    class: cause?.class ?? null,
    overlap: overlapOf(ours, theirs),
    maxDifference: largestDifference(ours, theirs),
    detail: cause?.detail ?? '',
  };
}

function overlapOf(ours: readonly Candidate[], theirs: readonly Candidate[]): number {
  const length = Math.max(ours.length, theirs.length);
  return length === 0 ? 1 : ours.filter((ds) => theirs.some((db) => samePerson(ds, db))).length / length;
}

function largestDifference(ours: readonly Candidate[], theirs: readonly Candidate[]): number | null {
  const differences = ours.flatMap((ds) => {
    const db = theirs.find((candidate) => samePerson(ds, candidate));
    return db === undefined ? [] : [Math.abs(ds.distance - db.distance)];
  });
  return differences.length === 0 ? null : Math.max(...differences);
}

/** The cause of the first rank at which the answers differ; null when they do not. */
async function findCause(
  compared: Compared,
  ours: readonly Candidate[],
  theirs: readonly Candidate[],
  witnesses: Witnesses,
): Promise<Cause | null> {
  for (let rank = 0; rank < Math.max(ours.length, theirs.length); rank++) {
    const [ds, db] = [ours[rank], theirs[rank]];
    if (ds !== undefined && db !== undefined && same(ds, db)) continue;
    return (
      atThreshold(ds, db, ours, theirs, compared.threshold) ??
      tied(ds, db, ours, theirs, compared.topK) ??
      (await missed(compared, ds, theirs, witnesses)) ??
      added(ds, db, ours) ?? { class: 'unexplained', detail: `rank ${rank + 1} differs` }
    );
  }
  return null;
}

/** A candidate that only one side has, at the threshold. */
function atThreshold(
  ds: Candidate | undefined,
  db: Candidate | undefined,
  ours: readonly Candidate[],
  theirs: readonly Candidate[],
  threshold: number,
): Cause | null {
  const onlyOne = (candidate: Candidate | undefined, others: readonly Candidate[]): boolean =>
    candidate !== undefined &&
    near(candidate.distance, threshold) &&
    !others.some((other) => samePerson(candidate, other));
  const edge = onlyOne(ds, theirs) ? ds : onlyOne(db, ours) ? db : undefined;
  return edge === undefined ? null : { class: 'threshold-edge', detail: `${told(edge)}, threshold ${threshold}` };
}

/** Two persons at one distance: each is on the other side too, or just below its k. */
function tied(
  ds: Candidate | undefined,
  db: Candidate | undefined,
  ours: readonly Candidate[],
  theirs: readonly Candidate[],
  topK: number,
): Cause | null {
  if (ds === undefined || db === undefined || samePerson(ds, db) || !near(ds.distance, db.distance)) return null;
  const has = (list: readonly Candidate[], wanted: Candidate): boolean =>
    list.some((candidate) => same(candidate, wanted)) ||
    (list.length >= topK && near(list.at(-1)?.distance ?? Number.NaN, wanted.distance));
  if (!has(theirs, ds) || !has(ours, db)) return null;
  return { class: 'tie', detail: `${told(ds)} and ${told(db)}` };
}

/** The datastore's candidate that the gallery did not answer: why not? */
async function missed(
  compared: Compared,
  ds: Candidate | undefined,
  theirs: readonly Candidate[],
  witnesses: Witnesses,
): Promise<Cause | null> {
  if (ds === undefined || theirs.some((db) => same(ds, db))) return null;
  const face = await witnesses.galleryFace(ds.imagePath, ds.faceNumber);
  const where = `${ds.imagePath}${ds.faceNumber === 1 ? '' : ` face ${ds.faceNumber}`}`;
  if (face === null) return { class: 'missing-row', detail: `${where} is not in the gallery` };
  const there = distanceTo(compared.probe, face.values);
  if (there === null) return { class: 'stale-row', detail: `${where} has another dimension or no direction` };
  if (!near(there, ds.distance)) {
    const order = await inOtherOrder(face.values, ds.distance, there, witnesses);
    const detail = `${where}: ${ds.distance.toFixed(6)} in the datastore, ${there.toFixed(6)} in the gallery`;
    return { class: order ? 'channel-order' : 'stale-row', detail };
  }
  const exact = await witnesses.galleryExact();
  if (exact.some((candidate) => same(candidate, ds)))
    return { class: 'ann-miss', detail: `${told(ds)}: found by an exact scan, not by the index` };
  if (face.person.normalize('NFC') !== nameOf(ds))
    return { class: 'stale-row', detail: `${where} belongs to ${face.person} in the gallery` };
  return null;
}

function distanceTo(probe: Embedding, values: Float32Array): number | null {
  if (typeof inspectVector(values, probe.space.dimensions) !== 'number') return null;
  return distance(probe, embedding(values, probe.space));
}

/**
 * Whether a row was computed in the other channel order: the probe in that order is about as far from it as the
 * probe is from the datastore's row. "About" is half the gap: two photos never differ by the same amount in both orders.
 */
async function inOtherOrder(
  values: Float32Array,
  inDatastore: number,
  inGallery: number,
  witnesses: Witnesses,
): Promise<boolean> {
  const other = await witnesses.otherOrder();
  if (other === null) return false;
  const crossed = distanceTo(other, values);
  return crossed !== null && Math.abs(crossed - inDatastore) < Math.abs(inGallery - inDatastore) / 2;
}

/** The gallery's candidate that the datastore did not answer: a face that only the gallery has. */
function added(ds: Candidate | undefined, db: Candidate | undefined, ours: readonly Candidate[]): Cause | null {
  if (db === undefined || ours.some((candidate) => same(candidate, db))) return null;
  if (ds !== undefined && db.distance > ds.distance + DISTANCE_EPSILON) return null;
  return { class: 'stale-row', detail: `${told(db)} by ${db.imagePath}, which the datastore does not have so` };
}
