/** A point of search-growth's answer that the chart shows. */
export interface GrowthRow {
  readonly efSearch: number;
  readonly faces: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly recallAt1: number;
}

const [WIDTH, HEIGHT] = [720, 400];
const AREA = { left: 64, right: 560, top: 48, bottom: 340 };
const COLOURS = ['#1f6f8b', '#c2571a', '#5b3f8c'];

/** p50 of a search against the faces in the gallery, both logarithmic, a line for each ef_search: an SVG. */
export function growthChart(rows: readonly GrowthRow[]): string {
  const faces = [...new Set(rows.map((row) => row.faces))].sort((a, b) => a - b);
  const highest = Math.max(...rows.map((row) => row.p50));
  const lowest = Math.min(...rows.map((row) => row.p50));
  const across = scale([faces[0]!, faces.at(-1)!], [AREA.left, AREA.right]);
  const ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100];
  const bottom = ticks.findLast((tick) => tick <= lowest) ?? lowest;
  const top = ticks.find((tick) => tick >= highest) ?? highest;
  const up = scale([bottom, top], [AREA.bottom, AREA.top]);
  const grid = ticks
    .filter((tick) => tick >= bottom && tick <= top)
    .map(
      (tick) =>
        `<path d="M${AREA.left} ${up(tick)}H${AREA.right}" stroke="#ddd"/>${text(AREA.left - 8, up(tick) + 4, `${tick}`, 'end')}`,
    );
  const sizes = faces.map(
    (count) =>
      `<path d="M${across(count)} ${AREA.bottom}v5" stroke="#555"/>${text(across(count), AREA.bottom + 20, count.toLocaleString('en'), 'middle')}`,
  );
  const lines = [...new Set(rows.map((row) => row.efSearch))].map((efSearch, n) => {
    const own = rows.filter((row) => row.efSearch === efSearch).sort((a, b) => a.faces - b.faces);
    const colour = COLOURS[n % COLOURS.length]!;
    const points = own.map((row) => `${across(row.faces)},${up(row.p50)}`).join(' ');
    const dots = own.map((row) => `<circle cx="${across(row.faces)}" cy="${up(row.p50)}" r="3.5" fill="${colour}"/>`);
    const last = own.at(-1)!;
    const label = `ef ${efSearch}: recall@1 ${last.recallAt1}`;
    return `<polyline points="${points}" fill="none" stroke="${colour}" stroke-width="2"/>${dots.join('')}${text(AREA.right + 10, up(last.p50) + 4, label, 'start', colour)}`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    '<title>Time of a search against the faces in the gallery</title>',
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    text(AREA.left, 24, 'findMatches, milliseconds (p50)', 'start', '#222'),
    ...grid,
    ...sizes,
    text((AREA.left + AREA.right) / 2, AREA.bottom + 44, 'faces in the domain', 'middle'),
    ...lines,
    '</svg>',
    '',
  ].join('\n');
}

/** Logarithmic, rounded to a tenth of a pixel. */
function scale([from, to]: [number, number], [low, high]: [number, number]): (value: number) => number {
  const span = Math.log(to / from) || 1;
  return (value) => Math.round((low + ((high - low) * Math.log(value / from)) / span) * 10) / 10;
}

const text = (x: number, y: number, words: string, anchor: string, colour = '#555'): string =>
  `<text x="${x}" y="${y}" text-anchor="${anchor}" fill="${colour}">${words}</text>`;
