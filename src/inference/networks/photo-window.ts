import type { GraphBuilder, Value } from '../graph-builder.js';

/** How a part of a network looks at its input. */
export interface FieldOfView {
  /** Input pixels per output pixel; sizes that do not divide are rounded up. */
  readonly stride: number;
  /** Input pixels on each side of `stride` × an output pixel that it depends on, at most. */
  readonly reach: number;
}

/**
 * Runs a part of a network over an image [1, c, h, w] that is black but for a photo in it, and gives the same numbers as
 * over all of it. `photo` is int64 [4]: top, left, bottom, right, in pixels; all else is 0.
 *
 * Far from the photo and from the image's edges every output pixel is the same, and near the edges it depends only on how
 * near. So all that does not see the photo is taken from a black image just large enough to have edges and a middle, and
 * only a window around the photo is worked out: the photo, what sees it, and once more as much, which is cut off because
 * the window's own edges change it. `part` is built twice.
 */
export function inWindow(g: GraphBuilder, image: Value, photo: Value, field: FieldOfView, part: Part): Value {
  const rows = new Axis(g, image, 2, photo, field);
  const columns = new Axis(g, image, 3, photo, field);
  const black = part(
    g.node('ConstantOfShape', [g.node('Concat', [g.integers([1, 3]), rows.black, columns.black], { axis: 0 })]),
  );
  const seen = columns.cut(rows.cut(part(columns.window(rows.window(image)))));
  const line = (which: Stretch): Value => columns.spread(rows.spread(black, which), 'all');
  const beside = (which: Stretch): Value => columns.spread(rows.spread(black, 'seeing'), which);
  const middle = g.node('Concat', [beside('before'), seen, beside('after')], { axis: 3 });
  return g.node('Concat', [line('before'), middle, line('after')], { axis: 2 });
}

type Part = (image: Value) => Value;
/** Output pixels along an axis, by whether they see the photo. */
type Stretch = 'before' | 'seeing' | 'after' | 'all';

/** One axis of {@link inWindow}; all values are int64 [1]. */
class Axis {
  readonly #g: GraphBuilder;
  readonly #axis: number;
  /** Image pixels of the black image. */
  readonly black: Value;
  readonly #window: readonly [from: Value, to: Value];
  readonly #cut: readonly [from: Value, to: Value];
  /** For every output pixel, where the black image has its like. */
  readonly #like: Record<Stretch, Value>;

  constructor(g: GraphBuilder, image: Value, axis: 2 | 3, photo: Value, { stride, reach }: FieldOfView) {
    this.#g = g;
    this.#axis = axis;
    const one = (value: number): Value => g.integers([value]);
    const at = (vector: Value, index: number): Value => g.node('Slice', [vector, one(index), one(index + 1)]);
    const outputs = (pixels: Value): Value => g.node('Div', [g.node('Add', [pixels, one(stride - 1)]), one(stride)]);
    const edge = Math.ceil(reach / stride);
    const size = at(g.node('Shape', [image]), axis);
    const all = outputs(size);
    const enough = g.node('Add', [one(stride * (2 * edge + 1)), g.node('Mod', [size, one(stride)])]);
    this.black = g.node('Min', [size, enough]);

    const top = g.node('Div', [at(photo, axis - 2), one(stride)]);
    const from = g.node('Max', [g.node('Sub', [top, one(edge)]), one(0)]);
    const to = g.node('Min', [g.node('Add', [outputs(at(photo, axis)), one(edge)]), all]);
    const start = g.node('Max', [g.node('Sub', [from, one(edge)]), one(0)]);
    const end = g.node('Add', [to, one(edge)]);
    this.#window = [g.node('Mul', [start, one(stride)]), g.node('Mul', [end, one(stride)])];
    this.#cut = [g.node('Sub', [from, start]), g.node('Sub', [to, start])];

    const positions = g.node('Range', [g.integers(0), g.node('Squeeze', [all]), g.integers(1)]);
    const fromEnd = g.node('Sub', [positions, g.node('Sub', [all, outputs(this.black)])]);
    const like = g.node('Max', [g.node('Min', [positions, one(edge)]), fromEnd]);
    const slice = (first: Value, last: Value): Value => g.node('Slice', [like, first, last]);
    this.#like = { all: like, before: slice(one(0), from), seeing: slice(from, to), after: slice(to, all) };
  }

  #slice(x: Value, [from, to]: readonly [Value, Value]): Value {
    return this.#g.node('Slice', [x, from, to, this.#g.integers([this.#axis])]);
  }

  /** What of the image is worked out. */
  window(image: Value): Value {
    return this.#slice(image, this.#window);
  }

  /** What of that does not depend on the window's edges. */
  cut(map: Value): Value {
    return this.#slice(map, this.#cut);
  }

  /** The black image's map drawn out to a stretch of the image. */
  spread(map: Value, which: Stretch): Value {
    return this.#g.node('Gather', [map, this.#like[which]], { axis: this.#axis });
  }
}
