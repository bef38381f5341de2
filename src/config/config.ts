import { KithError } from '../errors.js';
import { checkDatabaseUrl } from './database-url.js';
import { type Environment, environment } from './environment.js';
import type { Option } from './option.js';
import { type Config, OPTIONS } from './schema.js';

function readOption<T>(option: Option<T>, env: Environment): T {
  const given = env[option.variable]?.trim();
  // Compose files and systemd units set a variable to nothing to mean "unset".
  if (given === undefined || given === '') return option.default;
  const value = option.parse(given);
  if (value !== undefined) return value;
  throw new KithError('config-value', {
    variable: option.variable,
    allowed: option.allowed,
    given: option.secret ? 'another value' : JSON.stringify(given),
  });
}

/** Checks every variable once. Throws `config-value`, naming variable, what is allowed and what was given; or `config-database-url`. */
export function parseConfig(env: Environment): Config {
  const options = Object.entries<Option<unknown>>(OPTIONS);
  const read = Object.fromEntries(options.map(([name, option]) => [name, readOption(option, env)]));
  const config = read as Config;
  if (config.databaseUrl !== null) checkDatabaseUrl(config.databaseUrl, OPTIONS.databaseUrl.variable);
  return Object.freeze(config);
}

let loaded: Config | undefined;

/** The configuration of this process: its environment over the `.env` file of the working folder. Read once. */
export function loadConfig(): Config {
  loaded ??= parseConfig(environment());
  return loaded;
}
