import { ProtobufWriter } from './protobuf-writer.js';

declare const brand: unique symbol;
/** The name of a tensor in the graph, as {@link GraphBuilder} gave it. */
export type Value = string & { readonly [brand]: true };

export type ElementType = 'float32' | 'uint8' | 'int32' | 'int64' | 'bool';
/** A size, or the name of one that is only known when the graph runs (such as `n` for the batch). */
export type Dimension = number | string;

/** A number that is to be written as a float attribute even when it is whole. Plain numbers are integers. */
export interface FloatAttribute {
  readonly float: number | readonly number[];
}
export const float = (value: number | readonly number[]): FloatAttribute => ({ float: value });
export type Attribute = number | string | readonly number[] | FloatAttribute;

// onnx.proto3: TensorProto.DataType
const ELEMENT: Readonly<Record<ElementType, number>> = { float32: 1, uint8: 2, int32: 6, int64: 7, bool: 9 };
// onnx.proto3: AttributeProto.AttributeType
const ATTRIBUTE = { float: 1, int: 2, string: 3, floats: 6, ints: 7 } as const;
// Opset 17 is the newest that every operator used here is defined in; IR version 8 goes with it.
const OPSET = 17;
const IR_VERSION = 8;

/**
 * Where large weights go instead of into the model: a file beside it, which onnxruntime maps into memory rather than
 * copying (ONNX "external data").
 */
export interface ExternalWeights {
  /** Name of the file, in the model's own folder. */
  readonly file: string;
  /** Writes the bytes and returns the offset they start at. */
  append(bytes: Uint8Array): number;
}

// Smaller ones stay in the model: shapes and axes have to be there when the graph is optimised.
const EXTERNAL_FROM_BYTES = 1024;

/**
 * Writes an ONNX model in code: no Python, no model file, no protobuf library.
 * Every method returns the name of what it made, to be passed on; {@link build} gives the bytes of the ModelProto.
 * Weights are referenced, not copied, until `build` writes them once into the result.
 *
 * @example
 * const g = new GraphBuilder('double');
 * const x = g.input('x', 'float32', ['n', 3]);
 * g.output(g.node('Mul', [x, g.constant(new Float32Array([2]), [1])]), 'y', 'float32', ['n', 3]);
 * const session = await openSession(g.build());
 */
export class GraphBuilder {
  readonly #graph = new ProtobufWriter();
  readonly #external: ExternalWeights | undefined;
  #next = 0;

  constructor(name: string, external?: ExternalWeights) {
    this.#graph.string(2, name);
    this.#external = external;
  }

  #name(hint: string): Value {
    return `${hint}_${this.#next++}` as Value;
  }

  input(name: string, type: ElementType, shape: readonly Dimension[]): Value {
    this.#graph.message(11, valueInfo(name, type, shape));
    return name as Value;
  }

  /** Names an output and declares its type; the name is what `session.run` answers with. */
  output(value: Value, name: string, type: ElementType, shape: readonly Dimension[]): void {
    this.#graph.message(1, nodeMessage('Identity', [value], [name], {}));
    this.#graph.message(12, valueInfo(name, type, shape));
  }

  /** A float32 weight, row-major. It must not change before {@link build}. */
  constant(data: Float32Array, shape: readonly number[]): Value {
    return this.#initializer('float32', shape, data);
  }

  /** An int64 tensor, such as a shape, axes or pads. A number alone makes a scalar. */
  integers(values: number | readonly number[]): Value {
    const list = typeof values === 'number' ? [values] : values;
    return this.#initializer(
      'int64',
      typeof values === 'number' ? [] : [list.length],
      BigInt64Array.from(list, BigInt),
    );
  }

  /** A float32 scalar. */
  scalar(value: number): Value {
    return this.#initializer('float32', [], Float32Array.of(value));
  }

  #initializer(type: ElementType, shape: readonly number[], data: Float32Array | BigInt64Array): Value {
    const expected = shape.reduce((a, b) => a * b, 1);
    if (data.length !== expected)
      throw new Error(
        `graph: ${data.length} values were given for shape [${shape.join(', ')}], which needs ${expected}`,
      );
    const name = this.#name('w');
    const tensor = new ProtobufWriter();
    tensor.packed(1, shape);
    tensor.integer(2, ELEMENT[type]);
    tensor.string(8, name);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    if (this.#external === undefined || bytes.length < EXTERNAL_FROM_BYTES) tensor.bytes(9, bytes);
    else referExternal(tensor, this.#external, bytes);
    this.#graph.message(5, tensor);
    return name;
  }

  /** Adds an operator of one output. An input that is left out is `null`. */
  node(
    operator: string,
    inputs: readonly (Value | null)[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): Value {
    return this.nodes(operator, inputs, attributes, 1)[0]!;
  }

  /** Adds an operator of several outputs. */
  nodes(
    operator: string,
    inputs: readonly (Value | null)[],
    attributes: Readonly<Record<string, Attribute>>,
    outputs: number,
  ): Value[] {
    const names = Array.from({ length: outputs }, () => this.#name(operator.toLowerCase()));
    this.#graph.message(1, nodeMessage(operator, inputs, names, attributes));
    return names;
  }

  /** The model, as `InferenceSession.create` takes it. */
  build(): Uint8Array {
    const model = new ProtobufWriter();
    model.integer(1, IR_VERSION);
    model.string(2, 'kith');
    const opset = new ProtobufWriter();
    opset.string(1, '');
    opset.integer(2, OPSET);
    model.message(8, opset);
    model.message(7, this.#graph);
    return model.finish();
  }
}

/** onnx.proto3: TensorProto.external_data and data_location EXTERNAL. */
function referExternal(tensor: ProtobufWriter, external: ExternalWeights, bytes: Uint8Array): void {
  const entries = { location: external.file, offset: external.append(bytes), length: bytes.length };
  for (const [key, value] of Object.entries(entries)) {
    const entry = new ProtobufWriter();
    entry.string(1, key);
    entry.string(2, String(value));
    tensor.message(13, entry);
  }
  tensor.integer(14, 1);
}

function valueInfo(name: string, type: ElementType, shape: readonly Dimension[]): ProtobufWriter {
  const shapeMessage = new ProtobufWriter();
  for (const size of shape) {
    const dimension = new ProtobufWriter();
    if (typeof size === 'number') dimension.integer(1, size);
    else dimension.string(2, size);
    shapeMessage.message(1, dimension);
  }
  const tensor = new ProtobufWriter();
  tensor.integer(1, ELEMENT[type]);
  tensor.message(2, shapeMessage);
  const typeMessage = new ProtobufWriter();
  typeMessage.message(1, tensor);
  const info = new ProtobufWriter();
  info.string(1, name);
  info.message(2, typeMessage);
  return info;
}

function nodeMessage(
  operator: string,
  inputs: readonly (string | null)[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, Attribute>>,
): ProtobufWriter {
  const node = new ProtobufWriter();
  for (const input of inputs) node.string(1, input ?? '');
  for (const output of outputs) node.string(2, output);
  node.string(3, `${operator}:${outputs[0]}`);
  node.string(4, operator);
  for (const [name, value] of Object.entries(attributes)) node.message(5, attributeMessage(name, value));
  return node;
}

function attributeMessage(name: string, value: Attribute): ProtobufWriter {
  const attribute = new ProtobufWriter();
  attribute.string(1, name);
  attribute.integer(20, writeAttributeValue(attribute, value));
  return attribute;
}

/** Writes the value and returns the type's number. */
function writeAttributeValue(attribute: ProtobufWriter, value: Attribute): number {
  if (typeof value === 'string') {
    attribute.string(4, value);
    return ATTRIBUTE.string;
  }
  if (typeof value === 'number') {
    attribute.integer(3, value);
    return ATTRIBUTE.int;
  }
  if (!('float' in value)) {
    attribute.packed(8, value);
    return ATTRIBUTE.ints;
  }
  if (typeof value.float === 'number') {
    attribute.float(2, value.float);
    return ATTRIBUTE.float;
  }
  for (const each of value.float) attribute.float(7, each);
  return ATTRIBUTE.floats;
}
