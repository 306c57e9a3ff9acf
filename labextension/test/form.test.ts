import { describe, expect, it } from 'vitest';

import { EMPTY, Fields, toRequest } from '../src/form';

const parts: Fields = { ...EMPTY, mode: 'fields', host: ' me@gpu01 ' };

describe('toRequest', () => {
  it('passes a pasted command on as it is', () => {
    const command = ' ssh -NfL 5006:localhost:5006 me@gpu01 ';
    expect(toRequest({ ...EMPTY, command, host: 'ignored' })).toEqual({
      command: command.trim()
    });
  });

  it('adds a name, and the wish for another port', () => {
    const fields = {
      ...EMPTY,
      command: 'gpu01:5006',
      name: ' plot ',
      pick: true
    };
    expect(toRequest(fields)).toEqual({
      command: 'gpu01:5006',
      name: 'plot',
      on_conflict: 'pick'
    });
  });

  it('shows an application over a private socket', () => {
    expect(toRequest({ ...parts, destination: '5006' })).toEqual({
      host: 'me@gpu01',
      kind: 'application',
      forwards: ['-L private:localhost:5006']
    });
  });

  it.each([
    [{ what: 'local', destination: '5006' }, '-L 5006:localhost:5006'],
    [{ what: 'local', destination: 'db:5432', bind: '0' }, '-L 0:db:5432'],
    [{ what: 'local', destination: '[::1]:80', bind: '' }, '-L 80:[::1]:80'],
    [
      { what: 'local', destination: '/run/db.sock', bind: '5432' },
      '-L 5432:/run/db.sock'
    ],
    [{ what: 'remote', destination: '8888', bind: '0' }, '-R 0:localhost:8888'],
    [{ what: 'dynamic', destination: '5006', bind: '1080' }, '-D 1080']
  ] as [Partial<Fields>, string][])('writes %j as %s', (fields, expected) => {
    expect(toRequest({ ...parts, ...fields }).forwards).toEqual([expected]);
  });

  it('goes through another host', () => {
    const fields = { ...parts, destination: '80', jump: 'gw', sshPort: '2222' };
    expect(toRequest(fields).ssh).toEqual({ jump: 'gw', port: 2222 });
  });
});
