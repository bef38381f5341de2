/** A column of numbers that grows, in a typed array: several times as fast to go through as a list. */
export class NumberColumn<T extends Float64Array<ArrayBuffer> | Int32Array<ArrayBuffer>> {
  #values: T;
  #length = 0;
  readonly #make: (length: number) => T;

  constructor(make: (length: number) => T) {
    this.#make = make;
    this.#values = make(1024);
  }

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const wider = this.#make(2 * this.#length);
      wider.set(this.#values);
      this.#values = wider;
    }
    this.#values[this.#length++] = value;
  }

  /** The numbers so far and unused room behind them; valid until the next {@link push}. */
  get values(): T {
    return this.#values;
  }
}

export const floatColumn = (): NumberColumn<Float64Array<ArrayBuffer>> =>
  new NumberColumn((length) => new Float64Array(length));
export const integerColumn = (): NumberColumn<Int32Array<ArrayBuffer>> =>
  new NumberColumn((length) => new Int32Array(length));
