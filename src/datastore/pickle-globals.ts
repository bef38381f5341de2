import { arrayFromBuffer, makeDtype, makeScalar, setArrayState, setDtypeState } from './pickle-numpy.js';
import { PyArray, PyBytes, PyDict, PyDtype, PyGlobal, PyList, PyOpaque, PyTuple, type Value } from './pickle-value.js';

/** What a call gives; undefined when its arguments are not what that name takes. */
type Call = (args: readonly Value[]) => Value | undefined;

const items = (value: Value | undefined): readonly Value[] | undefined => {
  if (value === undefined) return [];
  if (value instanceof PyTuple) return value.items;
  if (value instanceof PyList) return value.floats === null ? value.items : [...value.floats];
  return undefined;
};

const list: Call = ([from]) => {
  const contents = items(from);
  if (contents === undefined) return undefined;
  const made = new PyList();
  for (const value of contents) made.push(value);
  return made;
};

const tuple: Call = ([from]) => {
  const contents = items(from);
  return contents === undefined ? undefined : new PyTuple(contents);
};

const bytes: Call = ([from, encoding]) => {
  if (from === undefined) return new PyBytes(new Uint8Array(0));
  if (from instanceof PyBytes) return from;
  return typeof from === 'string' && typeof encoding === 'string' ? encode([from, encoding]) : undefined;
};

/** `_codecs.encode(text, 'latin1')`: how protocols 0–2 write bytes. */
const encode: Call = ([text, encoding]) =>
  typeof text === 'string' && (encoding === 'latin1' || encoding === 'latin-1')
    ? new PyBytes(Buffer.from(text, 'latin1'))
    : undefined;

const number: Call = ([from]) => (from === undefined ? 0 : typeof from === 'number' ? from : undefined);

const reconstruct: Call = ([type]) =>
  type instanceof PyGlobal && type.name.endsWith('.ndarray') ? new PyArray() : undefined;

/**
 * Everything that a datastore may name: numpy's reconstructors under the old and the new module names, bytes as old
 * protocols write them, containers. A name stands for a piece of this file; nothing of Python is ever called.
 */
const ALLOWED: ReadonlyMap<string, Call | null> = new Map<string, Call | null>([
  ...['numpy.core', 'numpy._core'].flatMap((core): [string, Call | null][] => [
    [`${core}.multiarray._reconstruct`, reconstruct],
    [`${core}.multiarray.scalar`, (args) => makeScalar(args) ?? undefined],
    [`${core}.multiarray.ndarray`, null],
    [`${core}.numeric._frombuffer`, (args) => arrayFromBuffer(args) ?? undefined],
  ]),
  ['numpy.ndarray', null],
  ['numpy.dtype', makeDtype],
  ['_codecs.encode', encode],
  ['collections.OrderedDict', (args) => (args.length === 0 ? new PyDict() : undefined)],
  ...['builtins', '__builtin__'].flatMap((module): [string, Call | null][] => [
    [`${module}.bytes`, bytes],
    [`${module}.bytearray`, bytes],
    [`${module}.list`, list],
    [`${module}.tuple`, tuple],
    [`${module}.set`, list],
    [`${module}.frozenset`, list],
    [`${module}.dict`, (args) => (args.length === 0 ? new PyDict() : undefined)],
    [`${module}.float`, number],
    [`${module}.int`, number],
  ]),
]);

/** The global of that name, or null when it is not allowed. */
export function findGlobal(module: string, name: string): PyGlobal | null {
  const full = `${module}.${name}`;
  return ALLOWED.has(full) ? new PyGlobal(full) : null;
}

/** What calling an allowed global gives; undefined when it cannot be called so. */
export function callGlobal(global: PyGlobal, args: readonly Value[]): Value | undefined {
  return ALLOWED.get(global.name)?.(args);
}

/** Gives an object its state, as `__setstate__` does; false when that object takes no such state. */
export function setState(object: Value, state: Value): boolean {
  if (object instanceof PyArray) return setArrayState(object, state);
  if (object instanceof PyDtype) return setDtypeState(object, state);
  return object instanceof PyOpaque;
}
