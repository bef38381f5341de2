/** How a text or bytes argument is encoded; the memo keeps it, so that the argument can be read again. */
export const Encoding = { UTF8: 1, ESCAPED: 2, QUOTED: 3, OLD: 4, BYTES: 5 } as const;
export type Encoding = (typeof Encoding)[keyof typeof Encoding];

/** The text of an argument, or null when it is not a text in that encoding. */
export function decodeText(encoding: Encoding, bytes: Buffer, start: number, end: number): string | null {
  switch (encoding) {
    case Encoding.UTF8:
      return decodeUtf8(bytes, start, end);
    case Encoding.ESCAPED:
      return unescapeUnicode(bytes.toString('latin1', start, end));
    case Encoding.QUOTED:
      return unquote(bytes.toString('latin1', start, end));
    case Encoding.OLD:
      return decodeOldBytes(bytes.subarray(start, end));
    case Encoding.BYTES:
      return null;
  }
}

/** UTF-8 with Python's lone surrogates: `os.walk` makes them of file names that are not UTF-8. */
function decodeUtf8(bytes: Buffer, start: number, end: number): string | null {
  const text = bytes.toString('utf8', start, end);
  return text.includes('\ufffd') ? decodeSurrogates(bytes.subarray(start, end)) : text;
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Decodes UTF-8 in which ED A0–BF xx stands for a lone surrogate; null when it is broken otherwise. */
function decodeSurrogates(bytes: Uint8Array): string | null {
  let text = '';
  let from = 0;
  try {
    for (let i = 0; i + 2 < bytes.length; i++) {
      const isSurrogate = bytes[i] === 0xed && bytes[i + 1]! >= 0xa0 && (bytes[i + 2]! & 0xc0) === 0x80;
      if (!isSurrogate) continue;
      const unit = 0xd000 | ((bytes[i + 1]! & 0x3f) << 6) | (bytes[i + 2]! & 0x3f);
      text += strict.decode(bytes.subarray(from, i)) + String.fromCharCode(unit);
      from = i + 3;
      i += 2;
    }
    return text + strict.decode(bytes.subarray(from));
  } catch {
    return null;
  }
}

/** Python's `raw-unicode-escape`: Latin-1 with \uXXXX and \UXXXXXXXX. */
function unescapeUnicode(text: string): string | null {
  if (!text.includes('\\')) return text;
  let sound = true;
  const plain = text.replace(/\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/g, (_, short?: string, long?: string) => {
    const code = Number.parseInt(short ?? long ?? '', 16);
    sound &&= code <= 0x10ffff;
    return sound ? String.fromCodePoint(code) : '';
  });
  return sound ? plain : null;
}

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
};

/** The repr of a Python 2 string, such as `'abc\n'`; its bytes are taken as UTF-8, else Latin-1. */
function unquote(text: string): string | null {
  const quoted = /^\s*(['"])(.*)\1\s*$/s.exec(text);
  if (quoted?.[2] === undefined) return null;
  const bytes = quoted[2].replace(/\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|(.))/gs, (_, hex, octal, other) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8) & 0xff);
    return SIMPLE_ESCAPES[other as string] ?? (other as string);
  });
  return decodeOldBytes(Buffer.from(bytes, 'latin1'));
}

/** A Python 2 string: bytes of an encoding that nobody noted. */
function decodeOldBytes(bytes: Buffer): string {
  return decodeUtf8(bytes, 0, bytes.length) ?? bytes.toString('latin1');
}

const FLOAT_LINE = /^\s*[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf(?:inity)?|nan)\s*$/i;

/** The number in a line as Python's repr writes it; null when there is none. */
export function parseFloatLine(line: string): number | null {
  const plain = Number(line);
  if (!Number.isNaN(plain) && FLOAT_LINE.test(line)) return plain;
  if (!FLOAT_LINE.test(line)) return null;
  const word = line.trim().toLowerCase();
  if (word.endsWith('nan')) return Number.NaN;
  return word.startsWith('-') ? -Infinity : Infinity;
}

/** An integer in a line, with Python 2's trailing `L`; null when there is none. */
export function parseIntLine(line: string): number | null {
  return /^\s*[+-]?\d{1,1000}L?\s*$/.test(line) ? Number(line.trim().replace('L', '')) : null;
}

/** A little-endian two's-complement integer of any length, as a double. */
export function decodeLong(bytes: Uint8Array): number {
  let value = 0;
  for (let i = bytes.length - 1; i >= 0; i--) value = value * 256 + bytes[i]!;
  const negative = bytes.length > 0 && bytes.at(-1)! >= 0x80;
  return negative ? value - 256 ** bytes.length : value;
}
