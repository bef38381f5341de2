/** Columns of text for a terminal: aligned, a rule under the heading, numbers to the right. */
export function* tableLines(
  heading: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): Generator<string> {
  const cells = rows.map((row) => row.map(String));
  const widths = heading.map((title, column) =>
    Math.max(title.length, ...cells.map((row) => row[column]?.length ?? 0)),
  );
  const right = heading.map(
    (_title, column) => rows.length > 0 && rows.every((row) => typeof row[column] === 'number'),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => (right[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd();
  yield line(heading);
  yield widths.map((width) => '─'.repeat(width)).join('  ');
  for (const row of cells) yield line(row);
}
