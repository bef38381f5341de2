import { type Attribute, Dataset, type File, Group } from 'h5wasm/node';

/** A layer of a Keras weight file that has weights, in the file's order. */
export interface StoredLayer {
  readonly name: string;
  readonly weights: readonly Dataset[];
}

/**
 * The layers of a Keras HDF5 file and how they are to be matched: `listed` files (Keras 2, and whole models of either)
 * name their layers in Keras' order; `numbered` ones (`.weights.h5`) name them by class and number, such as `conv2d_3`.
 * `null`: not a file of Keras'.
 */
export type StoredLayers =
  | { readonly layout: 'listed'; readonly layers: readonly StoredLayer[] }
  | { readonly layout: 'numbered'; readonly layers: ReadonlyMap<string, StoredLayer> };

export function readLayers(file: File): StoredLayers | null {
  const model = groupAt(file, 'model_weights') ?? file;
  const names = textList(model.attrs, 'layer_names');
  if (names !== null) return { layout: 'listed', layers: names.flatMap((name) => listedLayer(model, name)) };
  // Keras 3, and Keras 2.12 onward for names that end in .weights.h5; the longer name is that of the first versions.
  const numbered = groupAt(file, 'layers') ?? groupAt(file, '_layer_checkpoint_dependencies');
  return numbered === null ? null : { layout: 'numbered', layers: numberedLayers(numbered) };
}

function listedLayer(model: Group, name: string): StoredLayer[] {
  const group = groupAt(model, name);
  const weights =
    group === null ? [] : (textList(group.attrs, 'weight_names') ?? []).map((weight) => group.get(weight));
  return weights.length === 0 ? [] : [{ name, weights: weights.filter((weight) => weight instanceof Dataset) }];
}

function numberedLayers(group: Group): Map<string, StoredLayer> {
  const layers = new Map<string, StoredLayer>();
  for (const name of group.keys()) {
    const vars = groupAt(group, `${name}/vars`);
    const keys = vars?.keys().sort((a, b) => Number(a) - Number(b)) ?? [];
    const weights = keys.map((key) => vars?.get(key)).filter((weight) => weight instanceof Dataset);
    if (weights.length > 0) layers.set(name, { name, weights });
  }
  return layers;
}

function groupAt(parent: Group, path: string): Group | null {
  const found = parent.get(path);
  return found instanceof Group ? found : null;
}

/** An attribute of texts. Keras splits a long one into `name0`, `name1`, …, each below HDF5's 64 KB. */
function textList(attributes: Record<string, Attribute>, name: string): string[] | null {
  if (name in attributes) return texts(attributes[name]!);
  const parts: string[] = [];
  for (let i = 0; `${name}${i}` in attributes; i++) parts.push(...texts(attributes[`${name}${i}`]!));
  return parts.length > 0 ? parts : null;
}

const texts = (attribute: Attribute): string[] => {
  const { value } = attribute;
  return Array.isArray(value) ? value.map(String) : [];
};
