import sharp from 'sharp';
import type { Pixels } from './photo.js';

export interface Annotation {
  /** Pixels of the upright photo; parts outside it are not drawn. */
  readonly box: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
  /** Written above the box, or below where there is no room; any Unicode. */
  readonly label?: string;
  /** `known` draws green, `ambiguous` amber, `unknown` white. */
  readonly verdict?: 'known' | 'ambiguous' | 'unknown';
}

const COLOURS = { known: '#27c93f', ambiguous: '#ffbd2e', unknown: '#ffffff' } as const;
const LONGEST_LABEL = 80;
// Most fonts' letters are narrower than this share of their height; it only keeps labels off the right edge.
const LETTER_WIDTH = 0.6;

/**
 * Draws boxes and names on a photo and encodes it. Names need a font on the machine: see {@link canDrawNames}.
 *
 * @example await writeFile('out.jpg', await annotatePhoto(photo, [{ box: face.box, label: 'Jože', verdict: 'known' }]));
 */
export async function annotatePhoto(
  photo: Pixels,
  annotations: readonly Annotation[],
  format: 'jpeg' | 'png' = 'jpeg',
): Promise<Buffer> {
  const drawing = Buffer.from(drawSvg(photo, annotations));
  // Shared memory is copied out: the encoder may only be given memory that nobody else can write to.
  const image = sharp(Uint8Array.from(photo.pixels), {
    raw: { width: photo.width, height: photo.height, channels: 3 },
  });
  return image
    .composite([{ input: drawing }])
    .removeAlpha()
    .toFormat(format, format === 'jpeg' ? { quality: 90 } : {})
    .toBuffer();
}

/** Whether any font is installed: without one boxes are drawn, names are not. */
export async function canDrawNames(): Promise<boolean> {
  const photo = { width: 64, height: 64, pixels: new Uint8Array(64 * 64 * 3) };
  const drawn = await annotatePhoto(photo, [{ box: { x: 0, y: 48, width: 1, height: 1 }, label: 'Mm' }], 'png');
  const { channels } = await sharp(drawn).stats();
  return channels.some((channel) => channel.max > 64);
}

function drawSvg({ width, height }: Pixels, annotations: readonly Annotation[]): string {
  const line = Math.max(2, Math.round(Math.max(width, height) / 400));
  const font = Math.max(12, Math.round(Math.max(width, height) / 45));
  const marks = annotations.map((annotation) => drawMark(annotation, { width, height, line, font }));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${marks.join('')}</svg>`;
}

interface Canvas {
  readonly width: number;
  readonly height: number;
  readonly line: number;
  readonly font: number;
}

function drawMark({ box, label, verdict = 'unknown' }: Annotation, canvas: Canvas): string {
  const colour = COLOURS[verdict];
  const frame = `x="${box.x}" y="${box.y}" width="${box.width}" height="${box.height}" fill="none"`;
  const outline = `<rect ${frame} stroke="#000" stroke-width="${canvas.line * 2}" stroke-opacity="0.6"/>`;
  const rectangle = `${outline}<rect ${frame} stroke="${colour}" stroke-width="${canvas.line}"/>`;
  return label === undefined || label === '' ? rectangle : rectangle + drawLabel(label, box, colour, canvas);
}

function drawLabel(label: string, box: Annotation['box'], colour: string, canvas: Canvas): string {
  const { width, height, line, font } = canvas;
  const letters = [...label];
  const shown = letters.length > LONGEST_LABEL ? [...letters.slice(0, LONGEST_LABEL - 1), '…'] : letters;
  const above = box.y - 2 * line;
  const below = box.y + box.height + font;
  const baseline = above >= font ? above : below <= height - line ? below : Math.min(box.y + font, height - line);
  const left = Math.max(line, Math.min(box.x, width - shown.length * font * LETTER_WIDTH));
  return (
    `<text x="${left}" y="${baseline}" font-family="sans-serif" font-weight="bold" font-size="${font}" fill="${colour}" ` +
    `stroke="#000" stroke-width="${font / 6}" stroke-linejoin="round" paint-order="stroke">${escapeXml(shown.join(''))}</text>`
  );
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** Escapes what XML gives a meaning to and replaces what it does not allow at all (XML 1.0, 2.2: control characters, lone surrogates). */
function escapeXml(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD')
    .replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}
