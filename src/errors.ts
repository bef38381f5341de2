/**
 * The catalogue of faults: a stable code, a message template, an HTTP status, an exit code.
 * Every code has an entry in docs/errors.md (a test holds the two together).
 * Ordinary outcomes (no face, no match) are not faults: they are values.
 */

interface FaultDefinition {
  /** Template: `{name}` is replaced by the parameter of that name. Never put a secret, a vector or a photo in one. */
  readonly message: string;
  /** What the reader can do about it; also a template. */
  readonly hint?: string;
  readonly status: number;
  /** 1: the thing asked for failed; 2: wrong usage or configuration. */
  readonly exit: 1 | 2;
  /** Seconds after which a caller may try again; sent as Retry-After. */
  readonly retryAfter?: number;
}

export const FAULTS = {
  // embedding
  'embedding-dimension': {
    message: 'an embedding of {given} numbers was given where the space {space} has {expected}',
    hint: 'use an embedding of the same model as the gallery',
    status: 422,
    exit: 1,
  },
  'embedding-not-finite': {
    message: 'the embedding holds a value that is not a finite number, at index {index}',
    status: 422,
    exit: 1,
  },
  'embedding-zero-norm': { message: 'the embedding has norm 0: it has no direction to compare', status: 422, exit: 1 },
  'space-mismatch': {
    message: 'embeddings of two spaces cannot be compared: {left} and {right} ({why})',
    hint: "use an engine of the domain's own space, or enrol the photos again in the other space",
    status: 409,
    exit: 1,
  },
  'space-name': {
    message: '"{given}" is not the name of an embedding space',
    hint: 'as in model_arcface_detector_retinaface_aligned_normalization_base_expand_0',
    status: 400,
    exit: 2,
  },

  // config

  // photo

  // face

  // inference

  // datastore

  // gallery

  // recognition

  // migration

  // ops

  // server

  // cli
} as const satisfies Record<string, FaultDefinition>;

export type FaultCode = keyof typeof FAULTS;

type Placeholders<T extends string> = T extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Placeholders<Rest>
  : never;
type Definition<C extends FaultCode> = (typeof FAULTS)[C];
type HintOf<C extends FaultCode> = Definition<C> extends { readonly hint: infer H extends string } ? H : '';
/** The parameters that a code's message and hint name. */
export type FaultParameters<C extends FaultCode> = Readonly<
  Record<Placeholders<Definition<C>['message']> | Placeholders<HintOf<C>>, string | number>
>;

const fill = (template: string, parameters: Readonly<Record<string, string | number>>): string =>
  template.replace(/\{(\w+)\}/g, (whole, name: string) => String(parameters[name] ?? whole));

/** A catalogued fault. `cause` is kept for debugging but is not enumerable, so that logs do not print it. */
export class KithError<C extends FaultCode = FaultCode> extends Error {
  readonly code: C;
  readonly status: number;
  readonly exit: 1 | 2;
  readonly hint: string | undefined;
  readonly retryAfter: number | undefined;

  constructor(code: C, parameters: FaultParameters<C>, options?: { cause?: unknown }) {
    const definition: FaultDefinition = FAULTS[code];
    super(fill(definition.message, parameters));
    this.name = 'KithError';
    this.code = code;
    this.status = definition.status;
    this.exit = definition.exit;
    this.hint = definition.hint === undefined ? undefined : fill(definition.hint, parameters);
    this.retryAfter = definition.retryAfter;
    if (options?.cause !== undefined) Object.defineProperty(this, 'cause', { value: options.cause, enumerable: false });
  }

  toJSON(): { code: C; message: string; hint?: string } {
    return { code: this.code, message: this.message, ...(this.hint === undefined ? {} : { hint: this.hint }) };
  }
}
