import type { Option } from './option.js';
import { OPTIONS } from './schema.js';

/** The table of docs/configuration.md: a row per variable, in the schema's order. */
export function configurationTable(): string {
  const rows = Object.values<Option<unknown>>(OPTIONS).map(
    (option) => `| \`${option.variable}\` | ${option.meaning} | ${option.allowed} | ${option.defaultText} |`,
  );
  return ['| variable | meaning | allowed | default |', '|---|---|---|---|', ...rows].join('\n');
}
