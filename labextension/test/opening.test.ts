import { PromiseDelegate } from '@lumino/coreutils';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { OpenedTunnel } from '../src/api';
import { Opening } from '../src/opening';
import { TunnelError } from '../src/restapi';
import { tunnel } from './samples';
import { ListedTunnels } from './tunnels';

const error = { code: 'connect_failed', message: 'No.', hint: '', hop: null };
const old = tunnel({ id: 'old', state: 'failed', error });
const mine = tunnel({ id: 'mine', state: 'connecting' });
const other = tunnel({ id: 'other', state: 'connecting' });

let manager: ListedTunnels;
let answer: PromiseDelegate<OpenedTunnel>;
let opening: Opening;

beforeEach(() => {
  manager = new ListedTunnels();
  manager.tunnels = [old];
  answer = new PromiseDelegate();
  manager.answers.push(answer.promise);
  opening = new Opening(manager, { command: 'gpu01:5006' });
});

/** The ids of the tunnels that were closed. */
function closed(): unknown[] {
  return manager.asked
    .filter(([method]) => method === 'close')
    .map(([, id]) => id);
}

describe('giving up', () => {
  it('closes what is connecting, at once', async () => {
    manager.tunnels = [old, mine];
    const done = opening.giveUp();
    await vi.waitFor(() => expect(closed()).toEqual(['mine']));
    answer.reject(new TunnelError({ code: 'closed', message: 'Closed.' }));
    await done;
    expect(closed()).toEqual(['mine']);
  });

  it('closes nothing of another front door', async () => {
    manager.tunnels = [old, mine, other];
    const done = opening.giveUp();
    answer.resolve({ tunnel: mine, created: true, understood: '' });
    await done;
    expect(closed()).toEqual(['mine']);
  });

  it('leaves what was there before', async () => {
    const done = opening.giveUp();
    answer.resolve({ tunnel: old, created: false, understood: '' });
    await done;
    expect(closed()).toEqual([]);
  });

  it('leaves no row that failed', async () => {
    const done = opening.giveUp();
    manager.tunnels = [old, { ...mine, state: 'failed', error }];
    answer.reject(new TunnelError(error));
    await done;
    expect(closed()).toEqual(['mine']);
  });
});

describe('dismissing', () => {
  it('takes the own row only', async () => {
    answer.reject(new TunnelError(error));
    const unlike = { ...error, message: 'Another.' };
    manager.tunnels = [
      old,
      { ...mine, state: 'failed', error },
      { ...other, state: 'failed', error: unlike }
    ];
    await opening.dismiss();
    expect(closed()).toEqual(['mine']);
  });

  it('does nothing where nothing failed', async () => {
    answer.resolve({ tunnel: mine, created: true, understood: '' });
    manager.tunnels = [old, mine, { ...other, state: 'failed' }];
    await opening.dismiss();
    expect(closed()).toEqual([]);
  });
});
