import type { EnrolImage, EnrolProgress, EnrolReport, ImageNote } from './enrol.js';
import type { EnrolledImage } from './enrol-record.js';

/** Least time between two progress reports, milliseconds. */
const TELL_EVERY = 200;

type Arrival = 'new' | 'replaced' | 'unchanged';

const noteOf = ({ person, path }: { person: string; path: string }): ImageNote => ({ person, image: path });
const byImage = (a: ImageNote, b: ImageNote): number => (a.image < b.image ? -1 : a.image > b.image ? 1 : 0);

/** Counts a run and tells how it goes. */
export class EnrolTally {
  readonly #started = performance.now();
  readonly #total: number;
  readonly #onProgress: ((progress: EnrolProgress) => void) | undefined;
  readonly #counts = { new: 0, replaced: 0, unchanged: 0 };
  readonly #persons = new Set<string>();
  readonly #noFace: EnrolReport['noFace'][number][] = [];
  readonly #severalFaces: EnrolReport['severalFaces'][number][] = [];
  readonly #poor: EnrolReport['poor'][number][] = [];
  readonly #unreadable: EnrolReport['unreadable'][number][] = [];
  #faces = 0;
  #done = 0;
  #toldAt = 0;

  constructor(total: number, onProgress: ((progress: EnrolProgress) => void) | undefined) {
    this.#total = total;
    this.#onProgress = onProgress;
  }

  /** An image that was dealt with, by this run or an earlier one. */
  add(image: EnrolledImage, arrival: Arrival, facesWritten: number): void {
    const { outcome, notes } = image;
    const about = noteOf(image);
    this.#faces += facesWritten;
    if (outcome === 'enrolled') {
      this.#counts[arrival]++;
      this.#persons.add(image.person);
    } else if (outcome === 'no-face') this.#noFace.push(about);
    else if (outcome === 'unreadable')
      this.#unreadable.push({ ...about, code: notes.code ?? 'unknown', message: notes.message ?? '' });
    if (notes.faces !== undefined && notes.faces > 1)
      this.#severalFaces.push({ ...about, faces: notes.faces, enrolled: notes.enrolled ?? 0 });
    if (notes.poor !== undefined) this.#poor.push({ ...about, ...notes.poor, enrolled: outcome === 'enrolled' });
    this.#tell();
  }

  /** An image whose bytes could not even be had; the next run tries again. */
  unreadable(image: EnrolImage, code: string, message: string): void {
    this.#unreadable.push({ ...noteOf(image), code, message });
    this.#tell();
  }

  #tell(): void {
    this.#done++;
    const now = performance.now();
    if (this.#onProgress === undefined || (now - this.#toldAt < TELL_EVERY && this.#done < this.#total)) return;
    this.#toldAt = now;
    const rate = this.#done / ((now - this.#started) / 1000);
    this.#onProgress({
      done: this.#done,
      total: this.#total,
      rate,
      secondsLeft: rate > 0 ? (this.#total - this.#done) / rate : null,
    });
  }

  report(about: {
    readonly domain: string;
    readonly space: string;
    readonly removed: readonly EnrolledImage[];
    readonly pruned: number;
  }): EnrolReport {
    return {
      domain: about.domain,
      space: about.space,
      images: this.#total,
      ...this.#counts,
      removed: about.removed.map(noteOf).toSorted(byImage),
      pruned: about.pruned,
      faces: this.#faces,
      persons: this.#persons.size,
      noFace: this.#noFace.toSorted(byImage),
      severalFaces: this.#severalFaces.toSorted(byImage),
      poor: this.#poor.toSorted(byImage),
      unreadable: this.#unreadable.toSorted(byImage),
      seconds: Math.round((performance.now() - this.#started) / 10) / 100,
    };
  }
}
