import type { Gallery } from '../gallery/gallery.js';

/** Least time between two attempts to open a gallery that does not open, milliseconds. */
const RETRY_AFTER = 1000;
const REPORT_AGAIN = 60_000;

/**
 * The gallery, opened when it is first needed and tried again while it fails, so that a service starts, and answers
 * from datastores, while the database is down. Once open it heals its own connections.
 */
export class GallerySource implements AsyncDisposable {
  readonly #open: () => Promise<Gallery>;
  readonly #onFailure: (reason: string) => void;
  #opening: Promise<Gallery> | undefined;
  #failure: { readonly at: number; readonly error: unknown } | undefined;
  #told: { readonly reason: string; readonly at: number } | undefined;
  #closed = false;

  constructor(open: () => Promise<Gallery>, onFailure: (reason: string) => void) {
    this.#open = open;
    this.#onFailure = onFailure;
  }

  /** Throws what opening threw; within a second of a failure, that same failure without trying again. */
  get(): Promise<Gallery> {
    if (this.#opening !== undefined) return this.#opening;
    if (this.#failure !== undefined && Date.now() - this.#failure.at < RETRY_AFTER)
      return Promise.reject(this.#failure.error);
    this.#opening = this.#attempt();
    return this.#opening;
  }

  async #attempt(): Promise<Gallery> {
    try {
      const gallery = await this.#open();
      this.#failure = undefined;
      return gallery;
    } catch (error) {
      this.#opening = undefined;
      this.#failure = { at: Date.now(), error };
      this.report(error);
      throw error;
    }
  }

  /** Tells of a gallery that did not open or answer; the same reason at most once a minute. */
  report(error: unknown): void {
    if (this.#closed) return;
    const reason = error instanceof Error ? error.message : String(error);
    if (this.#told !== undefined && this.#told.reason === reason && Date.now() - this.#told.at < REPORT_AGAIN) return;
    this.#told = { reason, at: Date.now() };
    this.#onFailure(reason);
  }

  /** Closes the gallery if it was opened. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const gallery = await this.#opening?.catch(() => undefined);
    await gallery?.close();
  }
}
