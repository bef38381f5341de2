import { type PickleInput, ROW_BYTES_LIMIT } from './pickle-input.js';
import { PickleMemory } from './pickle-memory.js';
import { PickleStack } from './pickle-stack.js';
import { kindOf, PyDict, PyList, seal, sizeOf, type Value } from './pickle-value.js';

/** The most instructions between two rows: a vector of 65,536 numbers written one by one takes 131,072. */
const ROW_STEPS_LIMIT = 1_000_000;

/** The most bytes of copies (arrays decoded, bytes read again) between two rows: a few bytes of a file can ask for many. */
const ROW_COPIES_LIMIT = 4 * ROW_BYTES_LIMIT;

/** Where completed rows go. */
export interface RowSink {
  /** Takes the value if it is a whole row; false when it is not one, or not yet. */
  accept(value: Value): boolean;
}

/**
 * One unpickling. The outermost list never holds its rows: each goes to the sink as soon as its next sibling begins,
 * so the stack is never higher than one row. Between two rows the number of instructions and of bytes is bounded, and
 * with it all that this holds. An object that went into another is sealed: changing it later is refused, because it
 * may have been given out.
 */
export class PickleMachine {
  readonly input: PickleInput;
  readonly stack: PickleStack;
  readonly memory: PickleMemory;
  stopped = false;
  readonly #sink: RowSink;
  /** Rows given to the sink out of the marked stretch at hand. */
  #given = 0;
  #steps = 0;
  #rowOffset = 0;
  #copied = 0;

  /** `shared`: ids of rows and vectors to keep, in a second pass. */
  constructor(input: PickleInput, sink: RowSink, shared: ReadonlySet<number> | null) {
    this.input = input;
    this.#sink = sink;
    this.stack = new PickleStack(input, shared !== null);
    this.memory = new PickleMemory(input, shared);
  }

  /** Counts an instruction. */
  stepped(): void {
    if (++this.#steps > ROW_STEPS_LIMIT || this.input.at - this.#rowOffset > ROW_BYTES_LIMIT)
      throw this.input.notDeepface('there is no row where one is due');
  }

  /** Counts a value that was made of others rather than read, or read again. */
  copied(value: Value): void {
    this.#copied += sizeOf(value);
    if (this.#copied > ROW_COPIES_LIMIT) throw this.input.notDeepface('a row copies more than any row holds');
  }

  /**
   * Pushes something that may be a row's beginning. If it lies directly in the outermost list's marked stretch, the
   * one before it there is complete. (One that is not yet a row stays: a list of one item is filled without a mark.)
   */
  pushContainer(value: Value): void {
    const { values, marks } = this.stack;
    if (marks.length === 1 && marks[0] === 1 && values.length === 2 && values[0] instanceof PyList) {
      if (this.#give(values[1]!)) {
        values.pop();
        this.#given++;
      }
    }
    values.push(value);
  }

  /** Takes everything above the last mark, floats one by one, for anything but APPENDS. */
  takeMarked(): Value[] {
    this.#mayNotBeRows();
    const values = this.stack.popMarkedNumbers();
    for (const value of values) seal(value);
    return values;
  }

  /** POP: the topmost value, or the mark if nothing is above it. */
  drop(): void {
    const { values, marks } = this.stack;
    if (marks.at(-1) !== values.length) this.stack.pop();
    else {
      this.#mayNotBeRows();
      marks.pop();
    }
  }

  append(): void {
    const value = this.stack.pop();
    seal(value);
    const list = this.#openList();
    if (this.#isOutermost()) this.#mustGive(value);
    else list.push(value);
  }

  appends(): void {
    const values = this.stack.popMarked();
    const list = this.#openList();
    for (const value of values) seal(value);
    if (!this.#isOutermost()) {
      PickleStack.fill(list, values);
      return;
    }
    this.#given = 0;
    for (const value of values) this.#mustGive(value);
  }

  setItems(items: readonly Value[]): void {
    const dict = this.stack.top();
    if (!(dict instanceof PyDict)) throw this.input.notPickle(`an entry is set in ${kindOf(dict)}`);
    if (dict.sealed) throw this.#lateChange();
    for (let i = 0; i + 1 < items.length; i += 2) {
      const key = items[i];
      if (typeof key === 'string') dict.entries.set(key, items[i + 1]!);
    }
  }

  /** STOP: what is left must be the list whose rows were given out. */
  stop(): void {
    const { values, marks } = this.stack;
    if (values.length === 0) throw this.input.notPickle('it ends without a value');
    const [outermost] = values;
    if (!(outermost instanceof PyList) || outermost.length > 0 || values.length > 1 || marks.length > 0)
      throw this.input.notDeepface(`it holds ${kindOf(outermost)}, not a list of rows`);
    this.stopped = true;
  }

  #openList(): PyList {
    const list = this.stack.top();
    if (!(list instanceof PyList)) throw this.input.notPickle(`an item is appended to ${kindOf(list)}`);
    if (list.sealed) throw this.#lateChange();
    return list;
  }

  #isOutermost(): boolean {
    return this.stack.values.length === 1 && this.stack.marks.length === 0;
  }

  #give(value: Value): boolean {
    if (!this.#sink.accept(value)) return false;
    this.memory.rowEnded(this.#steps);
    this.#steps = 0;
    this.#rowOffset = this.input.at;
    this.#copied = 0;
    return true;
  }

  #mustGive(value: Value): void {
    if (!this.#give(value)) throw this.input.notDeepface(`a row is ${kindOf(value)} that no version wrote`);
  }

  #mayNotBeRows(): void {
    if (this.#given > 0 && this.stack.marks.length === 1) throw this.input.notDeepface('its rows are not in a list');
  }

  #lateChange(): Error {
    return this.input.notDeepface('an object is changed after it was put into another');
  }
}
