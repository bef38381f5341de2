/** Adds up how long each stage of a photo takes. */
export class StageClock {
  readonly #stages: Record<string, number> = {};

  /** Milliseconds by stage. */
  get stages(): Readonly<Record<string, number>> {
    return this.#stages;
  }

  async time<T>(stage: string, work: () => T | Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      return await work();
    } finally {
      this.add(stage, performance.now() - start);
    }
  }

  add(stage: string, milliseconds: number): void {
    this.#stages[stage] = (this.#stages[stage] ?? 0) + milliseconds;
  }
}
