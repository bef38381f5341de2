/**
 * Why the two answers to one probe differ:
 * - `missing-row`: the gallery lacks a face that the datastore has (not migrated)
 * - `stale-row`: both have the face, with another vector; or only the gallery has it
 * - `ann-miss`: the gallery has it and an exact scan finds it: the index did not
 * - `tie`: persons at equal distance, within ε, in another order
 * - `threshold-edge`: a distance within ε of the threshold fell on different sides of it
 * - `channel-order`: the other order of colour channels explains the distances
 * - `error`: one side failed
 * - `unexplained`: none of these; it keeps a domain from being ready
 */
export const DIFFERENCE_CLASSES = [
  'missing-row',
  'stale-row',
  'ann-miss',
  'tie',
  'threshold-edge',
  'channel-order',
  'error',
  'unexplained',
] as const;

export type DifferenceClass = (typeof DIFFERENCE_CLASSES)[number];
