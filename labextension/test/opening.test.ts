import { PromiseDelegate } from '@lumino/coreutils';
import { beforeEach, expect, it, vi } from 'vitest';

import { OpenedTunnel, TunnelRequest } from '../src/api';
import { Opening } from '../src/opening';
import { TunnelError } from '../src/restapi';
import { tunnel } from './samples';
import { ListedTunnels } from './tunnels';

let manager: ListedTunnels;
let answer: PromiseDelegate<OpenedTunnel>;
let opening: Opening;
let id: string;

beforeEach(() => {
  manager = new ListedTunnels();
  answer = new PromiseDelegate();
  manager.answers.push(answer.promise);
  opening = new Opening(manager, { command: 'gpu01:5006' });
  id = (manager.asked[0]![1] as TunnelRequest).id!;
});

/** The ids of the tunnels that were to be closed. */
function closed(): unknown[] {
  return manager.asked
    .filter(([method]) => method === 'close')
    .map(([, asked]) => asked);
}

it('chooses an id of its own', () => {
  expect(id).toMatch(/^[0-9a-f]{12}$/);
  const next = new Opening(manager, { command: 'gpu01:5006' });
  expect((manager.asked[1]![1] as TunnelRequest).id).not.toBe(id);
  return next.result;
});

it('is given up at once, and again if it opened all the same', async () => {
  const done = opening.giveUp();
  await vi.waitFor(() => expect(closed()).toEqual([id]));
  answer.resolve({
    tunnel: tunnel({ id, state: 'open' }),
    created: true,
    understood: ''
  });
  await done;
  expect(closed()).toEqual([id, id]);
});

it('is given up when it was closed by that', async () => {
  const done = opening.giveUp();
  answer.reject(new TunnelError({ code: 'closed', message: 'Closed.' }));
  manager.answers.push(new TunnelError({ code: 'not_found', message: 'No.' }));
  await done;
});

it.each([
  ['failed', true],
  ['open', false],
  ['connecting', false]
])('is dismissed where its row is %s: %s', async (state, isClosed) => {
  answer.reject(new TunnelError({ code: 'connect_failed', message: 'No.' }));
  await expect(opening.result).rejects.toThrow('No.');
  manager.tunnels = [
    tunnel({ id: 'x', state: 'failed' }),
    tunnel({ id, state })
  ];
  await opening.dismiss();
  expect(closed()).toEqual(isClosed ? [id] : []);
});

it('is dismissed where no row is left of it', async () => {
  answer.reject(new TunnelError({ code: 'bad_input', message: 'No.' }));
  await expect(opening.result).rejects.toThrow('No.');
  await opening.dismiss();
  expect(closed()).toEqual([]);
});
