import { KithError } from '../errors.js';
import { callGlobal, findGlobal, setState } from './pickle-globals.js';
import type { PickleInput } from './pickle-input.js';
import type { PickleMachine } from './pickle-machine.js';
import { Op } from './pickle-opcodes.js';
import { PickleStack } from './pickle-stack.js';
import { decodeLong, Encoding, parseFloatLine, parseIntLine } from './pickle-text.js';
import { kindOf, PyBytes, PyDict, PyGlobal, PyList, PyTuple, seal, type Value } from './pickle-value.js';

type Operation = (machine: PickleMachine, input: PickleInput) => void;

const NEWEST_PROTOCOL = 5;

const line = (input: PickleInput): string =>
  input.bytes.toString('latin1', input.argument, input.argument + input.length);

const text =
  (encoding: Encoding): Operation =>
  (machine) =>
    machine.stack.push(machine.memory.readText(encoding));

const bytes: Operation = (machine) => machine.stack.push(machine.memory.readBytes());

const constant =
  (value: Value): Operation =>
  (machine) =>
    machine.stack.push(value);

function pushNumber(machine: PickleMachine, number: number | null): void {
  if (number === null) throw machine.input.notPickle('a number is not one');
  machine.stack.push(number);
}

const readInt: Operation = (machine, input) => {
  const digits = line(input);
  if (digits === '00' || digits === '01') machine.stack.push(digits === '01');
  else pushNumber(machine, parseIntLine(digits));
};

/** An id in decimal, as PUT and GET write it. */
function idIn(input: PickleInput): number {
  const id = parseIntLine(line(input));
  if (id === null || id < 0) throw input.notPickle('a memo id is not a number');
  return id;
}

function push(machine: PickleMachine, id: number): void {
  const value = machine.memory.get(id);
  if (value instanceof PyBytes) machine.copied(value);
  if (typeof value === 'object' && value !== null) machine.pushContainer(value);
  else machine.stack.push(value);
}

const put = (machine: PickleMachine, id: number): void => machine.memory.put(id, machine.stack.top());

function pushTuple(machine: PickleMachine, items: readonly Value[]): void {
  for (const item of items) seal(item);
  machine.pushContainer(new PyTuple(items));
}

const tupleOf =
  (count: number): Operation =>
  (machine) => {
    const items: Value[] = [];
    for (let i = 0; i < count; i++) items.unshift(machine.stack.pop());
    pushTuple(machine, items);
  };

/** Refuses a name that is not on the allowlist, with its place in the file. */
function forbidden(input: PickleInput, name: string): KithError {
  const printable = name.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
  return new KithError('datastore-forbidden-global', { path: input.path, global: printable, offset: input.at });
}

function globalOf(input: PickleInput, module: string, name: string): PyGlobal {
  const found = findGlobal(module, name);
  if (found === null) throw forbidden(input, `${module}.${name}`);
  return found;
}

function globalIn(input: PickleInput): PyGlobal {
  const [module = '', name = ''] = line(input).split('\n');
  return globalOf(input, module, name);
}

function call(machine: PickleMachine, callable: Value, args: readonly Value[]): void {
  if (!(callable instanceof PyGlobal)) throw machine.input.notPickle(`it calls ${kindOf(callable)}`);
  const made = callGlobal(callable, args);
  if (made === undefined) throw machine.input.notDeepface(`${callable.name} is called in a way that it never is`);
  machine.copied(made);
  machine.pushContainer(made);
}

const reduce: Operation = (machine, input) => {
  const args = machine.stack.pop();
  const callable = machine.stack.pop();
  if (!(args instanceof PyTuple)) throw input.notPickle(`it calls with ${kindOf(args)} for arguments`);
  call(machine, callable, args.items);
};

const dictOf = (machine: PickleMachine): void => {
  const items = machine.takeMarked();
  machine.pushContainer(new PyDict());
  machine.setItems(items);
};

const listOf = (machine: PickleMachine): void => {
  const list = new PyList();
  PickleStack.fill(list, machine.takeMarked());
  machine.pushContainer(list);
};

const setItem = (machine: PickleMachine): void => {
  const value = machine.stack.pop();
  const key = machine.stack.pop();
  seal(value);
  machine.setItems([key, value]);
};

const build: Operation = (machine, input) => {
  const state = machine.stack.pop();
  const object = machine.stack.top();
  if (!setState(object, state)) throw input.notDeepface(`${kindOf(object)} is given ${kindOf(state)} as its state`);
  machine.copied(object);
};

const frame: Operation = (_machine, input) => {
  const length = Number(input.view.getBigUint64(input.argument, true));
  if (input.offset + length > input.size) throw input.truncated(`a frame of ${length} bytes`);
};

const protocol: Operation = (_machine, input) => {
  const given = input.bytes[input.argument]!;
  if (given > NEWEST_PROTOCOL) throw input.notPickle(`protocol ${given} does not exist`);
};

const stackGlobal: Operation = (machine, input) => {
  const name = machine.stack.pop();
  const module = machine.stack.pop();
  if (typeof name !== 'string' || typeof module !== 'string') throw input.notPickle('a global without a name');
  machine.stack.push(globalOf(input, module, name));
};

const inst: Operation = (machine, input) => {
  const callable = globalIn(input);
  call(machine, callable, machine.takeMarked());
};

const obj: Operation = (machine) => {
  const [callable = null, ...args] = machine.takeMarked();
  call(machine, callable, args);
};

const newObjWithNames: Operation = (machine, input) => {
  const names = machine.stack.pop();
  if (!(names instanceof PyDict) || names.entries.size > 0)
    throw input.notDeepface('something is made with named arguments');
  reduce(machine, input);
};

const extension: Operation = (_machine, input) => {
  throw forbidden(input, `extension code at instruction 0x${input.bytes[input.argument - 1]!.toString(16)}`);
};

const persistent: Operation = (_machine, input) => {
  throw forbidden(input, 'an object outside the pickle (persistent id)');
};

const ENTRIES: readonly (readonly [op: number, operation: Operation])[] = [
  [Op.BINFLOAT, (machine) => machine.stack.readFloats()],
  [Op.MARK, (machine) => machine.stack.mark()],
  [Op.STOP, (machine) => machine.stop()],
  [Op.POP, (machine) => machine.drop()],
  [Op.POP_MARK, (machine) => void machine.takeMarked()],
  [Op.DUP, (machine) => machine.pushContainer(machine.stack.top())],
  [Op.NONE, constant(null)],
  [Op.NEWTRUE, constant(true)],
  [Op.NEWFALSE, constant(false)],
  [Op.INT, readInt],
  [Op.LONG, (machine, input) => pushNumber(machine, parseIntLine(line(input)))],
  [Op.FLOAT, (machine, input) => pushNumber(machine, parseFloatLine(line(input)))],
  [Op.BININT, (machine, input) => machine.stack.push(input.view.getInt32(input.argument, true))],
  [Op.BININT1, (machine, input) => machine.stack.push(input.bytes[input.argument]!)],
  [Op.BININT2, (machine, input) => machine.stack.push(input.view.getUint16(input.argument, true))],
  [Op.LONG1, (machine, input) => machine.stack.push(longIn(input))],
  [Op.LONG4, (machine, input) => machine.stack.push(longIn(input))],
  [Op.UNICODE, text(Encoding.ESCAPED)],
  [Op.STRING, text(Encoding.QUOTED)],
  [Op.BINSTRING, text(Encoding.OLD)],
  [Op.SHORT_BINSTRING, text(Encoding.OLD)],
  [Op.BINUNICODE, text(Encoding.UTF8)],
  [Op.BINUNICODE8, text(Encoding.UTF8)],
  [Op.SHORT_BINUNICODE, text(Encoding.UTF8)],
  [Op.BINBYTES, bytes],
  [Op.BINBYTES8, bytes],
  [Op.SHORT_BINBYTES, bytes],
  [Op.BYTEARRAY8, bytes],
  [Op.READONLY_BUFFER, () => undefined],
  [
    Op.NEXT_BUFFER,
    (_machine, input) => {
      throw input.notDeepface('it keeps its arrays outside the file');
    },
  ],
  [Op.EMPTY_LIST, (machine) => machine.pushContainer(new PyList())],
  [Op.EMPTY_SET, (machine) => machine.pushContainer(new PyList())],
  [Op.EMPTY_DICT, (machine) => machine.pushContainer(new PyDict())],
  [Op.EMPTY_TUPLE, (machine) => machine.pushContainer(new PyTuple([]))],
  [Op.LIST, listOf],
  [Op.FROZENSET, listOf],
  [Op.DICT, dictOf],
  [Op.TUPLE, (machine) => pushTuple(machine, machine.takeMarked())],
  [Op.TUPLE1, tupleOf(1)],
  [Op.TUPLE2, tupleOf(2)],
  [Op.TUPLE3, tupleOf(3)],
  [Op.APPEND, (machine) => machine.append()],
  [Op.APPENDS, (machine) => machine.appends()],
  [Op.ADDITEMS, (machine) => machine.appends()],
  [Op.SETITEM, setItem],
  [Op.SETITEMS, (machine) => machine.setItems(machine.takeMarked())],
  [Op.PUT, (machine, input) => put(machine, idIn(input))],
  [Op.BINPUT, (machine, input) => put(machine, input.bytes[input.argument]!)],
  [Op.LONG_BINPUT, (machine, input) => put(machine, input.view.getUint32(input.argument, true))],
  [Op.MEMOIZE, (machine) => machine.memory.memoize(machine.stack.top())],
  [Op.GET, (machine, input) => push(machine, idIn(input))],
  [Op.BINGET, (machine, input) => push(machine, input.bytes[input.argument]!)],
  [Op.LONG_BINGET, (machine, input) => push(machine, input.view.getUint32(input.argument, true))],
  [Op.GLOBAL, (machine, input) => machine.stack.push(globalIn(input))],
  [Op.STACK_GLOBAL, stackGlobal],
  [Op.REDUCE, reduce],
  [Op.NEWOBJ, reduce],
  [Op.NEWOBJ_EX, newObjWithNames],
  [Op.INST, inst],
  [Op.OBJ, obj],
  [Op.BUILD, build],
  [Op.PROTO, protocol],
  [Op.FRAME, frame],
  [Op.EXT1, extension],
  [Op.EXT2, extension],
  [Op.EXT4, extension],
  [Op.PERSID, persistent],
  [Op.BINPERSID, persistent],
];

function longIn(input: PickleInput): number {
  if (input.length > 255) throw input.notDeepface('a number has more than 255 bytes');
  return decodeLong(input.bytes.subarray(input.argument, input.argument + input.length));
}

const OPERATIONS: (Operation | undefined)[] = Array.from({ length: 256 });
for (const [op, operation] of ENTRIES) OPERATIONS[op] = operation;

/** Executes instructions until the sink is full, the window must be refilled, or the pickle stops. */
export function run(machine: PickleMachine, isFull: () => boolean): void {
  const { input } = machine;
  while (!machine.stopped && input.ready && !isFull()) {
    const op = input.next();
    const operation = OPERATIONS[op];
    if (operation === undefined) throw input.notPickle(`0x${op.toString(16).padStart(2, '0')} is no instruction`);
    operation(machine, input);
    machine.stepped();
  }
}
