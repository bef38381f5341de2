/** What a pickle can build here: data only. Numbers, text, truth values and None are JavaScript's own. */
export type Value =
  | number
  | string
  | boolean
  | null
  | FloatRun
  | PyBytes
  | PyList
  | PyTuple
  | PyDict
  | PyGlobal
  | PyDtype
  | PyArray
  | PyOpaque;

/**
 * Consecutive floats on the stack, kept as one entry: `length` values of `slab` from `start`.
 * Rounded to float32 here, because that is what every reader of rows stores.
 */
export class FloatRun {
  constructor(
    public slab: Float32Array,
    public start: number,
    public length: number,
  ) {}
}

export class PyBytes {
  constructor(readonly data: Uint8Array) {}
}

/** A list (or set). As long as it holds nothing but runs of floats it is compact: then `items` is empty. */
export class PyList {
  items: Value[] = [];
  floats: Float32Array | null = null;
  /** Set when the list went into another object: a later change would reach rows that were already given out. */
  sealed = false;

  get length(): number {
    return this.floats?.length ?? this.items.length;
  }

  push(value: Value): void {
    if (this.floats !== null) this.#expand();
    this.items.push(value);
  }

  pushRun(run: FloatRun): void {
    const added = run.slab.subarray(run.start, run.start + run.length);
    const adjoined = this.floats === null ? null : adjoin(this.floats, added);
    if (adjoined !== null) this.floats = adjoined;
    else if (this.length === 0) this.floats = added;
    else {
      this.#expand();
      for (const value of added) this.items.push(value);
    }
  }

  #expand(): void {
    if (this.floats !== null) this.items = Array.from(this.floats);
    this.floats = null;
  }
}

export class PyTuple {
  constructor(readonly items: readonly Value[]) {}
}

/** A dict whose keys are text; an entry under another key is dropped, since no row has one. */
export class PyDict {
  readonly entries = new Map<string, Value>();
  sealed = false;
}

/** A name of the allowlist, looked up and not executed. */
export class PyGlobal {
  constructor(readonly name: string) {}
}

/** A numpy dtype, such as `f4`. Its byte order arrives after it was memoized, so it is filled in later. */
export class PyDtype {
  littleEndian = true;
  constructor(readonly code: string) {}
}

/** A numpy array; empty as numpy's `_reconstruct` makes it until its state arrives. */
export class PyArray {
  /** Null when the array is not a vector of numbers. */
  values: Float32Array | null = null;
}

/** Something harmless that no row needs, such as an array of text. */
export class PyOpaque {
  constructor(readonly description: string) {}
}

/** Two stretches of floats as one when the second follows the first in the same memory, else null. */
function adjoin(first: Float32Array, second: Float32Array): Float32Array | null {
  const adjacent = first.buffer === second.buffer && first.byteOffset + first.byteLength === second.byteOffset;
  return adjacent ? new Float32Array(first.buffer, first.byteOffset, first.length + second.length) : null;
}

/** Marks what went into another object as finished. */
export function seal(value: Value): void {
  if (value instanceof PyList || value instanceof PyDict) value.sealed = true;
}

/** Bytes that a value's own storage takes, roughly; what it refers to is not counted. */
export function sizeOf(value: Value): number {
  if (value instanceof PyBytes) return value.data.byteLength;
  if (value instanceof PyArray) return value.values?.byteLength ?? 0;
  if (value instanceof PyList || value instanceof PyTuple) return 8 * value.items.length;
  return 0;
}

/** What a value is, in Python's words, for messages. */
export function kindOf(value: Value | undefined): string {
  switch (typeof value) {
    case 'number':
      return 'a number';
    case 'string':
      return 'a text';
    case 'boolean':
      return 'a truth value';
    case 'undefined':
      return 'nothing';
    default:
      if (value === null) return 'None';
      if (value instanceof PyOpaque) return value.description;
      return KINDS[value.constructor.name] ?? 'an object';
  }
}

const KINDS: Readonly<Record<string, string>> = {
  FloatRun: 'numbers',
  PyBytes: 'bytes',
  PyList: 'a list',
  PyTuple: 'a tuple',
  PyDict: 'a dict',
  PyGlobal: 'a class or function',
  PyDtype: 'a dtype',
  PyArray: 'an array',
};
