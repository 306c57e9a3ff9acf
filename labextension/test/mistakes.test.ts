import { nullTranslator } from '@jupyterlab/translation';
import { describe, expect, it } from 'vitest';

import { EMPTY, Fields, toRequest } from '../src/form';
import { explain, misread } from '../src/mistakes';
import { TunnelError } from '../src/restapi';

const trans = nullTranslator.load('jupyter_remote_tunnel');
const parts: Fields = {
  ...EMPTY,
  mode: 'fields',
  host: 'gpu01',
  destination: '80'
};

describe('explain', () => {
  /** What is said of an error of the forward, and of which field. */
  function said(change: Partial<Fields>, message: string): unknown[] {
    const fields = { ...parts, ...change };
    const text = toRequest(fields).forwards![0]!;
    const error = new TunnelError({
      code: 'bad_input',
      message,
      hint: '-L [bind_address:]port:host:hostport',
      where: { text, start: 3, end: text.length }
    });
    const mistake = explain(fields, error, trans);
    expect(mistake.hint).not.toContain('-L');
    return [mistake.message, mistake.place?.field];
  }

  it('names the field', () => {
    expect(said({ destination: 'db' }, 'A port is missing.')).toEqual([
      'Port on the remote host: A port is missing.',
      'destination'
    ]);
    expect(
      said({ what: 'remote', destination: 'db' }, 'A port is missing.')
    ).toEqual(['Port on this machine: A port is missing.', 'destination']);
  });

  it('does not speak of options of ssh', () => {
    expect(
      said({ what: 'dynamic', bind: '1:2:3' }, '-D takes no destination.')
    ).toEqual(['Port on this machine: this cannot be used here.', 'bind']);
  });

  it.each([
    ['port_in_use', 'Port 80 is in use.', { what: 'local' }, 'bind'],
    ['port_in_use', 'Port 80 is in use.', { what: 'application' }, undefined],
    ['host_unresolved', 'gpu01 could not be resolved.', {}, 'host'],
    ['host_unresolved', 'gw could not be resolved.', { jump: 'gw' }, 'jump'],
    ['host_unresolved', 'gpu01 …', { mode: 'command' }, undefined],
    ['conflict', 'The name plot is taken.', { name: ' plot ' }, 'name'],
    ['conflict', 'There is a file.', { name: 'plot' }, undefined],
    ['auth_failed', 'gpu01 took no key.', {}, undefined]
  ] as [string, string, Partial<Fields>, string | undefined][])(
    'suspects by %s (%s) with %j the field %s',
    (code, message, change, field) => {
      const error = new TunnelError({ code, message, hint: 'Do this.' });
      const found = explain({ ...parts, ...change }, error, trans);
      expect(found.message).toBe(message);
      expect(found.place?.field).toBe(field);
    }
  );

  it('does not tell who clicks what to type in a shell', () => {
    const error = new TunnelError({
      code: 'conflict',
      message: 'The name plot belongs to another tunnel.',
      hint: 'Choose another --name.'
    });
    expect(explain({ ...parts, name: 'plot' }, error, trans).hint).toBe(
      'Choose another name, or close that tunnel first.'
    );
  });

  it('tells of the tick instead of the option that does the same', () => {
    const error = new TunnelError({
      code: 'port_in_use',
      message: 'Port 80 is in use.',
      hint: 'With --on-conflict pick a busy port is replaced.'
    });
    const { hint } = explain({ ...EMPTY, command: 'gpu01:80' }, error, trans);
    expect(hint).toContain('“If the local port is taken, use another one”');
    expect(hint).not.toContain('--');
  });

  it('leaves a command its own words', () => {
    const where = { text: '-L 1:x', start: 3, end: 6 };
    const error = new TunnelError({
      code: 'bad_input',
      message: 'No.',
      hint: '-L …',
      where
    });
    const fields = { ...EMPTY, command: 'ssh -L 1:x gpu01' };
    expect(explain(fields, error, trans)).toEqual({
      message: 'No.',
      hint: '-L …',
      place: { field: 'command', start: 7, end: 10 }
    });
  });
});

describe('misread', () => {
  it.each([
    [{ host: 'gpu01:5006' }, 'host'],
    [{ host: ' me@gpu01:5006 ' }, 'host'],
    [{ host: 'ssh://gpu01:2222' }, undefined],
    [{ host: '::1' }, undefined],
    [{ sshPort: '0' }, 'sshPort'],
    [{ sshPort: '65536' }, 'sshPort'],
    [{ sshPort: '65535' }, undefined],
    [{ mode: 'command', host: 'gpu01:5006' }, undefined]
  ] as [Partial<Fields>, string | undefined][])(
    'finds in %j the field %s',
    (change, field) => {
      expect(misread({ ...parts, ...change }, trans)?.place?.field).toBe(field);
    }
  );
});
