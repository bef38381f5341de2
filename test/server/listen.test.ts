import { describe, expect, it } from 'vitest';
import { parseConfig } from '#kith/config/config.js';
import { assertMayListen, isLoopback } from '#kith/server/listen.js';

describe('where the service may listen without a key', () => {
  it.each(['127.0.0.1', '127.1.2.3', '::1', 'localhost'])('%s: only this machine reaches it', (host) => {
    expect(isLoopback(host)).toBe(true);
  });

  it.each(['0.0.0.0', '::', '192.168.1.5', '128.0.0.1', 'faces.example', '127.0.0.1.example'])(
    '%s: others reach it',
    async (host) => {
      expect(isLoopback(host)).toBe(false);
      const config = parseConfig({ KITH_HOST: host });
      await expect(assertMayListen(config, async () => false)).rejects.toMatchObject({ code: 'host-without-key' });
      await expect(assertMayListen(config, async () => true)).resolves.toBeUndefined();
    },
  );
});
