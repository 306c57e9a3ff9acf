import { nullTranslator } from '@jupyterlab/translation';
import { describe, expect, it } from 'vitest';

import { FarLeg, ForwardStatus, TunnelStatus } from '../src/api';
import {
  applicationOf,
  byteCount,
  clock,
  errorsOf,
  groupByHost,
  inOurWords,
  lastProblem,
  localAddress,
  NBSP,
  stateLabel,
  stateOf,
  summary,
  traffic,
  worstState
} from '../src/format';
import { application, farLeg, forward, tunnel } from './samples';

const trans = nullTranslator.load('jupyter_remote_tunnel');

describe('byteCount', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [9_960, '10 kB'],
    [999_499, '999 kB'],
    [999_500, '1.0 MB'],
    [12_345_678, '12 MB'],
    [5_000_000_000_000_000, '5000 TB']
  ])('%d is %s', (bytes, expected) => {
    expect(byteCount(bytes)).toBe(expected.replace(' ', NBSP));
  });
});

describe('groupByHost', () => {
  it('keeps the order of hosts and of tunnels', () => {
    const tunnels = [
      tunnel({ id: '1', host: 'b' }),
      tunnel({ id: '2', host: 'a' }),
      tunnel({ id: '3', host: 'b' })
    ];
    expect(
      groupByHost(tunnels).map(({ host, tunnels }) => [
        host,
        tunnels.map(({ id }) => id)
      ])
    ).toEqual([
      ['b', ['1', '3']],
      ['a', ['2']]
    ]);
  });
});

describe('words', () => {
  it('name each state, also one of a newer server', () => {
    expect(stateLabel('waiting_for_user', trans)).toBe('Waiting for you');
    expect(stateLabel('unknown', trans)).toBe('Unknown');
    expect(stateLabel('sleeping', trans)).toBe('sleeping');
  });

  it('name who else is waited for', () => {
    const others = [
      { id: 'x', hop: 'gw', tunnels: [tunnel().id], waits_for: ['Ann', 'Bob'] }
    ];
    const waiting = tunnel({ state: 'waiting_for_user' });
    expect(stateOf(waiting, others, trans)).toBe('Waiting for Ann, Bob');
    expect(stateOf({ ...waiting, id: 'y' }, others, trans)).toBe(
      'Waiting for you'
    );
  });

  it('tell what flows', () => {
    const words = traffic([forward()], tunnel(), trans).replaceAll(NBSP, ' ');
    expect(words).toBe('1 of 4 streams open · ↓ 1.2 MB · ↑ 890 B · 12 ms');
  });

  it('tell what flows through all forwards of a kernel', () => {
    const forwards = [forward(), forward({ streams: { open: 2, total: 3 } })];
    const words = traffic(forwards, tunnel(), trans).replaceAll(NBSP, ' ');
    expect(words).toMatch(/^3 of 7 streams open · ↓ 2.5 MB · ↑ 1.8 kB/);
  });

  it('say what is wrong with several forwards once', () => {
    const refused = {
      code: 'forward_refused',
      message: 'Port 1 refused.',
      hint: '',
      hop: null
    };
    const again = { ...refused, message: 'Port 2 refused.' };
    const other = { ...refused, code: 'connection_lost' };
    const forwards = [null, refused, again, other].map(error =>
      forward({ error })
    );
    expect(errorsOf(forwards)).toEqual([refused, other]);
  });

  it('say of a busy port what can be done where the tunnel comes from', () => {
    const error = {
      code: 'port_in_use',
      message: 'Port 80 is in use.',
      hint: 'With --on-conflict pick a busy port is replaced.',
      hop: null
    };
    const hint = (source: TunnelStatus['source']): string =>
      inOurWords(error, trans, tunnel({ source })).hint;
    expect(hint('user')).toContain('tick');
    expect(hint('config')).toContain('"on_conflict": "pick"');
    expect(hint('config')).not.toContain('tick');
  });

  it('leave out the round trip of a connection that is gone', () => {
    const lost = tunnel({ state: 'reconnecting' });
    expect(traffic([forward()], lost, trans)).not.toMatch(/\d\sms/);
  });

  it('hide the path of a private socket', () => {
    const hidden = forward({ asked: 'private', bound: '/run/jrt/a.sock' });
    expect(localAddress(hidden, trans)).toBe('inside Jupyter');
  });

  it.each([
    ['127.0.0.1:5006', '127.0.0.1:5006'],
    ['127.0.0.1:0', 'any free port'],
    ['0', 'any free port'],
    ['/run/a:10', '/run/a:10']
  ])('show what was asked for until something is bound: %s', (asked, shown) => {
    const waiting = forward({ asked, bound: null });
    expect(localAddress(waiting, trans)).toBe(shown);
  });

  it('sum up, with what needs a person', () => {
    expect(summary([], trans)).toBe('');
    expect(summary([tunnel()], trans)).toBe('1 SSH tunnel');
    expect(summary([tunnel(), tunnel({ state: 'failed' })], trans)).toBe(
      '2 SSH tunnels, 1 failed'
    );
    expect(summary([tunnel({ state: 'unknown' })], trans)).toBe(
      '1 SSH tunnel, 1 unknown'
    );
  });

  it('count a leg that is down', () => {
    const withLeg = (state: FarLeg['state']): TunnelStatus =>
      tunnel({ forwards: [forward({ far: farLeg({ state }) })] });
    const down = withLeg('down');
    const without = withLeg('no_application');
    expect(summary([down, without, tunnel()], trans)).toBe(
      '3 SSH tunnels, 1 with its far leg down, 1 without its application'
    );
    expect(worstState([tunnel(), without, down])).toBe('leg_down');
    expect(worstState([tunnel(), without])).toBe('no_application');
    expect(worstState([{ ...down, state: 'reconnecting' }])).toBe(
      'reconnecting'
    );
  });
});

describe('lastProblem', () => {
  const error = { code: 'x', message: 'No.', hint: '', hop: null };
  const at = (minute: number): ForwardStatus =>
    forward({ error, error_at: `2026-11-21T10:0${minute}:00.000Z` });

  it('is the last of those that have passed', () => {
    const forwards = [at(1), at(3), at(2), forward({ error }), forward()];
    expect(lastProblem(forwards)).toEqual({ error, at: at(3).error_at });
    expect(lastProblem([forward({ error }), forward()])).toBeNull();
  });
});

describe('clock', () => {
  it('tells the date of another day', () => {
    const now = new Date();
    const before = new Date(now.getTime() - 48 * 3_600_000);
    expect(clock(now.toISOString())).toBe(now.toLocaleTimeString());
    expect(clock(before.toISOString())).toBe(before.toLocaleString());
  });
});

describe('worstState', () => {
  it('is what needs a person first', () => {
    const states = ['open', 'reconnecting', 'failed', 'waiting_for_user'];
    expect(worstState(states.map(state => tunnel({ state })))).toBe('failed');
    expect(worstState([])).toBe('closed');
  });
});

describe('applicationOf', () => {
  it('finds the one at the far end of this forward', () => {
    const apps = [
      application({ id: 'x', destination: 'localhost:1' }),
      application({ id: 'y', tunnel: 'other' }),
      application({ id: 'z' })
    ];
    expect(applicationOf(tunnel(), forward(), apps)?.id).toBe('z');
    expect(
      applicationOf(tunnel(), forward({ destination: null }), apps)
    ).toBeUndefined();
    expect(
      applicationOf(tunnel({ state: 'failed' }), forward(), apps)
    ).toBeUndefined();
  });
});
