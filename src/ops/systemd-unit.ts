import { isAbsolute } from 'node:path';
import { KithError } from '../errors.js';

export interface UnitOptions {
  /** The unit's name without `.service`, also the journal's identifier. */
  readonly name: string;
  readonly user: string;
  readonly group: string;
  /** Absolute paths of the Node program and of `bin/kith.js`. */
  readonly node: string;
  readonly program: string;
  /** The folder that the service runs in; `.env` is read there. */
  readonly workingFolder: string;
  readonly host: string;
  readonly port: number;
  /** `KITH_STORAGE`; must be writable for enrolment and archives. */
  readonly storage: string;
  /** `KITH_MODELS`; null leaves it to the environment file. */
  readonly models: string | null;
  /** A file with the database's URL, handed over by `LoadCredential`; null for the embedded database. */
  readonly urlFile: string | null;
  readonly memoryMax: string;
  readonly cpuQuota: string | null;
  readonly watchdogSeconds: number;
  /** Major version of the systemd that will read it. */
  readonly systemdVersion: number;
}

/** `RestartSteps` came with 254; older ones reject the line. */
const GROWING_DELAY_SINCE = 254;
/** The state directory's name is fixed, so that a unit of another name finds the same data. */
const STATE = 'kith';

/** One word of an `Exec…` line: quoted, and with systemd's own `%` and `$` doubled. */
function word(text: string): string {
  const escaped = text.replace(/[\\"]/g, '\\$&').replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /^[\w./:=,@+%$-]+$/.test(escaped) ? escaped : `"${escaped}"`;
}

/** A path in a setting that takes a list of paths. */
const path = (text: string): string =>
  /\s/.test(text) ? `"${text.replaceAll('%', '%%')}"` : text.replaceAll('%', '%%');

const variable = (name: string, value: string): string =>
  `Environment="${name}=${value.replace(/[\\"]/g, '\\$&').replaceAll('%', '%%')}"`;

function check(options: UnitOptions): void {
  const wrong = (what: string, allowed: string) => new KithError('unit-option', { what, allowed });
  if (!/^[a-zA-Z0-9:_.@-]{1,200}$/.test(options.name)) throw wrong('the name', 'letters, digits and :_.@-');
  for (const [what, name] of [
    ['the user', options.user],
    ['the group', options.group],
  ] as const)
    if (!/^[a-z_][a-z0-9_-]{0,30}$/.test(name)) throw wrong(what, 'a system name, such as kith');
  for (const [what, file] of Object.entries({
    'the Node program': options.node,
    'the program': options.program,
    'the working folder': options.workingFolder,
    'the storage': options.storage,
    ...(options.models === null ? {} : { 'the models': options.models }),
    ...(options.urlFile === null ? {} : { 'the file of the URL': options.urlFile }),
  }))
    if (!isAbsolute(file) || /[\n\r]/.test(file)) throw wrong(what, 'an absolute path on one line');
}

function unitSection(options: UnitOptions): string[] {
  return [
    '[Unit]',
    `Description=Kith face identification (${options.name})`,
    'Documentation=man:systemd.service(5)',
    'Wants=network-online.target',
    'After=network-online.target postgresql.service',
    '# Five failed starts in ten minutes, then it stays down for a person to look at (systemctl reset-failed).',
    'StartLimitIntervalSec=600',
    'StartLimitBurst=5',
  ];
}

function startAndStop(options: UnitOptions): string[] {
  const kith = `${word(options.node)} ${word(options.program)}`;
  const watched = options.watchdogSeconds > 0;
  return [
    '[Service]',
    'Type=notify',
    '# Readiness and watchdog are sent by systemd-notify, a child of the main process.',
    'NotifyAccess=all',
    `User=${options.user}`,
    `Group=${options.group}`,
    `WorkingDirectory=${options.workingFolder.replaceAll('%', '%%')}`,
    '',
    '# Before: the port is free, the database answers and its schema is known. A warning does not stop the start.',
    `ExecStartPre=${kith} doctor --check port,database`,
    `ExecStart=${kith} serve`,
    '# After: systemctl start returns when the service recognises, not when it merely runs.',
    `ExecStartPost=${kith} doctor --check health --wait 60`,
    'TimeoutStartSec=180',
    '# One SIGTERM, then wait: a second one would end it at once.',
    `ExecStop=/bin/sh -c 'test -z "$MAINPID" || { kill -s TERM "$MAINPID"; while kill -s 0 "$MAINPID" 2>/dev/null; do sleep 0.1; done; }'`,
    'KillMode=mixed',
    'KillSignal=SIGTERM',
    'TimeoutStopSec=30',
    ...(watched ? [`WatchdogSec=${options.watchdogSeconds}`, 'WatchdogSignal=SIGABRT'] : []),
    '',
    'Restart=on-failure',
    '# 2 is a wrong configuration: starting again would not mend it.',
    'RestartPreventExitStatus=2',
    'RestartSec=5',
    ...(options.systemdVersion >= GROWING_DELAY_SINCE ? ['RestartSteps=4', 'RestartMaxDelaySec=60'] : []),
  ];
}

function environment(options: UnitOptions): string[] {
  return [
    `StateDirectory=${STATE}`,
    'StateDirectoryMode=0700',
    `RuntimeDirectory=${options.name.replaceAll('@', '-')}`,
    'RuntimeDirectoryMode=0750',
    'UMask=0077',
    variable('NODE_ENV', 'production'),
    variable('KITH_DATA', '/var/lib/kith'),
    variable('KITH_STORAGE', options.storage),
    variable('KITH_HOST', options.host),
    variable('KITH_PORT', String(options.port)),
    variable('KITH_SHUTDOWN_SECONDS', '25'),
    ...(options.models === null ? [] : [variable('KITH_MODELS', options.models)]),
    ...(options.urlFile === null
      ? []
      : [
          '# The password: read by systemd as root, shown to this service alone, in no environment and no process list.',
          `LoadCredential=vector_db_url:${options.urlFile.replaceAll('%', '%%')}`,
          'Environment=VECTOR_DB_URL_FILE=%d/vector_db_url',
        ]),
    '# Everything else of docs/configuration.md; wins over the lines above.',
    `EnvironmentFile=-/etc/kith/${options.name}.env`,
  ];
}

function journal(options: UnitOptions): string[] {
  return [
    'StandardInput=null',
    'StandardOutput=journal',
    'StandardError=journal',
    `SyslogIdentifier=${options.name}`,
    'LogRateLimitIntervalSec=30s',
    'LogRateLimitBurst=20000',
  ];
}

function bounds(options: UnitOptions): string[] {
  return [
    `MemoryMax=${options.memoryMax}`,
    'MemorySwapMax=0',
    ...(options.cpuQuota === null ? [] : [`CPUQuota=${options.cpuQuota}`]),
    'TasksMax=512',
    'LimitNOFILE=65536',
    'LimitCORE=0',
    'OOMPolicy=stop',
  ];
}

/** Whether a service without access to home folders would miss one of its own files. */
const underHome = (file: string): boolean => /^\/(home|root|run\/user)(\/|$)/.test(file);

function sandbox(options: UnitOptions): string[] {
  const own = [options.node, options.program, options.workingFolder, options.storage, options.models ?? '/'];
  return [
    'NoNewPrivileges=yes',
    'CapabilityBoundingSet=',
    'AmbientCapabilities=',
    'ProtectSystem=strict',
    `ReadWritePaths=-${path(options.storage)}`,
    `ProtectHome=${own.some(underHome) ? 'read-only' : 'yes'}`,
    'PrivateTmp=yes',
    'PrivateDevices=yes',
    'DevicePolicy=closed',
    'PrivateUsers=yes',
    'PrivateIPC=yes',
    'PrivateMounts=yes',
    'ProtectProc=invisible',
    'ProtectClock=yes',
    'ProtectHostname=yes',
    'ProtectControlGroups=yes',
    'ProtectKernelLogs=yes',
    'ProtectKernelModules=yes',
    'ProtectKernelTunables=yes',
    'LockPersonality=yes',
    'KeyringMode=private',
    'RemoveIPC=yes',
    'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6',
    'RestrictNamespaces=yes',
    'RestrictRealtime=yes',
    'RestrictSUIDSGID=yes',
    '# No MemoryDenyWriteExecute: V8 compiles to memory that it then runs.',
    'SystemCallArchitectures=native',
    'SystemCallFilter=@system-service',
    'SystemCallFilter=~@privileged @resources',
    '# A refused call is an error that the program handles, as on a kernel without it; not a kill.',
    'SystemCallErrorNumber=EPERM',
  ];
}

/**
 * The text of a systemd unit for the service, for systemd 252 (Debian 12) and newer. `docs/systemd.md` tells what each
 * line is for.
 * @throws `unit-option`
 */
export function systemdUnit(options: UnitOptions): string {
  check(options);
  const service = [startAndStop, environment, journal, bounds, sandbox].map((part) => part(options).join('\n'));
  const install = ['[Install]', 'WantedBy=multi-user.target'].join('\n');
  const head = '# Made by `kith systemd print`; docs/systemd.md tells what each line is for.';
  return `${head}\n${[unitSection(options).join('\n'), ...service, install].join('\n\n')}\n`;
}
