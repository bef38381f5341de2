import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { installUnit, verifyUnit } from '#kith/ops/systemd-install.js';
import { systemdUnit, type UnitOptions } from '#kith/ops/systemd-unit.js';
import { kith, ROOT } from '../support/kith.js';
import { findProgram } from '../support/postgres-cluster.js';

const folder = mkdtempSync(join(tmpdir(), 'kith-unit-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const options: UnitOptions = {
  name: 'kith',
  user: 'kith',
  group: 'kith',
  node: process.execPath,
  program: join(ROOT, 'bin', 'kith.js'),
  workingFolder: '/opt',
  host: '127.0.0.1',
  port: 5001,
  storage: '/srv/kith storage/50%',
  models: '/srv/models',
  urlFile: '/etc/kith/vector_db_url',
  memoryMax: '4G',
  cpuQuota: '150%',
  watchdogSeconds: 30,
  systemdVersion: 252,
};

function written(name: string, unit: string): string {
  const file = join(folder, `${name}.service`);
  writeFileSync(file, unit);
  return file;
}

/** A line in the output, not silence, on a machine without systemd's own checker. */
function withSystemd(name: string, test: () => void | Promise<void>): void {
  if (findProgram('systemd-analyze') === null) it(`NOT RUN, no systemd-analyze: ${name}`, () => undefined);
  else it(name, test);
}

function exposure(file: string): number {
  const output = execFileSync('systemd-analyze', ['security', '--offline=true', '--no-pager', file], {
    encoding: 'utf8',
  });
  return Number(/exposure level for \S+: ([\d.]+)/.exec(output)?.[1]);
}

describe('the systemd unit', () => {
  withSystemd('is clean to systemd-analyze verify, which does find a planted fault', async () => {
    expect(await verifyUnit(written('kith', systemdUnit(options)))).toBe('');
    expect(
      await verifyUnit(written('bare', systemdUnit({ ...options, urlFile: null, models: null, cpuQuota: null }))),
    ).toBe('');
    const broken = systemdUnit(options).replace('KillMode=mixed', 'KillMode=gently');
    expect(await verifyUnit(written('broken', broken))).toContain('gently');
  });

  withSystemd('is exposed less than 2.0, and more when a line of its sandbox is taken out', () => {
    const unit = systemdUnit(options);
    const whole = exposure(written('exposed', unit));
    expect(whole).toBeLessThan(2);
    expect(exposure(written('open', unit.replace(/^SystemCallFilter=.*\n/gm, '')))).toBeGreaterThan(whole);
  });

  it.each([
    ['readiness and watchdog', ['Type=notify', 'NotifyAccess=all', 'WatchdogSec=30']],
    ['checks before, health after', ['doctor --check port,database', 'doctor --check health --wait 60']],
    [
      'a bounded start and stop',
      ['TimeoutStartSec=180', 'TimeoutStopSec=30', 'KillMode=mixed', 'KillSignal=SIGTERM', 'ExecStop='],
    ],
    [
      'bounded restarts',
      [
        'StartLimitIntervalSec=600',
        'StartLimitBurst=5',
        'Restart=on-failure',
        'RestartSec=5',
        'RestartPreventExitStatus=2',
      ],
    ],
    ['one journal', ['StandardOutput=journal', 'StandardError=journal', 'SyslogIdentifier=kith']],
    [
      'a password in no file of the unit',
      ['LoadCredential=vector_db_url:/etc/kith/vector_db_url', 'VECTOR_DB_URL_FILE=%d/vector_db_url'],
    ],
    ['bounds', ['MemoryMax=4G', 'CPUQuota=150%', 'TasksMax=512']],
    [
      'a sandbox',
      ['ProtectSystem=strict', 'NoNewPrivileges=yes', 'SystemCallFilter=@system-service', 'ProtectHome=yes'],
    ],
  ])('has %s', (_what, lines) => {
    const unit = systemdUnit({ ...options, program: '/opt/kith/bin/kith.js', node: '/usr/bin/node' });
    for (const line of lines) expect(unit).toContain(line);
    expect(unit).not.toMatch(/^MemoryDenyWriteExecute/m);
  });

  it('lets the delay between restarts grow only where systemd knows how', () => {
    expect(systemdUnit(options)).not.toContain('RestartSteps');
    expect(systemdUnit({ ...options, systemdVersion: 254 })).toContain('RestartSteps=4');
  });

  it('may bear the name of the unit that it replaces, and finds the same data under it', () => {
    const unit = systemdUnit({ ...options, name: 'facerecweb' });
    expect(unit).toContain('SyslogIdentifier=facerecweb');
    expect(unit).toContain('StateDirectory=kith\n');
    expect(unit).toContain('EnvironmentFile=-/etc/kith/facerecweb.env');
  });

  it.each([
    { name: 'kith\nExecStart=/bin/sh' },
    { name: '../kith' },
    { user: 'root;' },
    { storage: 'storage' },
    { program: '/opt/kith\n/x' },
  ])('refuses %o', (change) => {
    expect(() => systemdUnit({ ...options, ...change })).toThrow(expect.objectContaining({ code: 'unit-option' }));
  });
});

describe('kith systemd install', () => {
  const { username } = userInfo();

  it("keeps another program's unit beside the new one, once, and is safe to run again", async () => {
    const units = mkdtempSync(join(folder, 'units-'));
    writeFileSync(join(units, 'facerecweb.service'), '[Service]\nExecStart=/usr/bin/python3 app.py\n');
    const unit = systemdUnit({ ...options, name: 'facerecweb', user: username, group: username });
    const first = await installUnit({ name: 'facerecweb', user: username, unit, folder: units });
    expect(first).toMatchObject({ changed: true, userMade: false, loaded: false });
    expect(readFileSync(first.kept ?? '', 'utf8')).toContain('app.py');
    expect(readFileSync(first.file, 'utf8')).toBe(unit);
    const again = await installUnit({ name: 'facerecweb', user: username, unit, folder: units });
    expect(again).toMatchObject({ changed: false, kept: null });
    expect(spawnSync('ls', [units], { encoding: 'utf8' }).stdout.trim().split('\n').sort()).toEqual([
      'facerecweb.service',
      'facerecweb.service.before-kith',
    ]);
  });

  withSystemd('changes nothing when systemd finds a fault in the unit', async () => {
    const units = mkdtempSync(join(folder, 'units-'));
    const unit = systemdUnit({ ...options, user: username, group: username }).replace('Type=notify', 'Type=nothing');
    await expect(installUnit({ name: 'kith', user: username, unit, folder: units })).rejects.toMatchObject({
      code: 'unit-install',
    });
    expect(spawnSync('ls', [units], { encoding: 'utf8' }).stdout).toBe('');
  });

  it('says that a folder which is not there cannot be written', async () => {
    const install = installUnit({
      name: 'kith',
      user: username,
      unit: systemdUnit(options),
      folder: join(folder, 'none'),
    });
    await expect(install).rejects.toMatchObject({ code: 'unit-install' });
  });
});

describe('kith systemd print', () => {
  it('prints a unit with the flags given, as JSON too', async () => {
    const ended = await kith([
      'systemd',
      'print',
      '--name',
      'facerecweb',
      '--url-file',
      '/etc/kith/url',
      '--cpu',
      '150%',
    ]);
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(ended.stdout).toContain('SyslogIdentifier=facerecweb');
    expect(ended.stdout).toContain('CPUQuota=150%');
    expect(ended.stdout).toContain('LoadCredential=vector_db_url:/etc/kith/url');
    const json = await kith(['systemd', 'print', '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ name: 'kith' });
  });

  it('refuses a name that would not be one, with exit code 2', async () => {
    expect(await kith(['systemd', 'print', '--name', 'a b'])).toMatchObject({ code: 2 });
  });
});
