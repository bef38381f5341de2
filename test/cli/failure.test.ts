import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { describeFailure, toFailure } from '#kith/cli/failure.js';
import { KithError } from '#kith/errors.js';

describe('a failure on the command line', () => {
  it('is one JSON document for a machine and a few lines for a person', () => {
    const failure = toFailure(new KithError('space-name', { given: 'x' }));
    expect(JSON.parse(describeFailure(failure, true, false))).toEqual({
      error: {
        code: 'space-name',
        message: '"x" is not the name of an embedding space',
        hint: 'as in model_arcface_detector_retinaface_aligned_normalization_base_expand_0',
      },
    });
    expect(describeFailure(failure, false, false).trim().split('\n')).toHaveLength(3);
  });

  it('that nobody foresaw is named without a stack trace', () => {
    const failure = toFailure(new TypeError('x is undefined\n    at somewhere.js:1'));
    expect(failure.error).toMatchObject({ code: 'internal', exit: 1 });
    for (const json of [true, false]) expect(describeFailure(failure, json, false)).not.toMatch(/\n {4}at |\.js:/);
    expect(describeFailure(failure, false, true)).toContain('failure.test.ts');
  });

  it('of the file system names the path', () => {
    const thrown = (path: string): unknown => {
      try {
        return readFileSync(path);
      } catch (error) {
        return error;
      }
    };
    expect(toFailure(thrown('/no/such.jpg')).error).toMatchObject({ code: 'file-missing', exit: 2 });
  });
});
