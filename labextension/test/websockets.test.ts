import { Notification } from '@jupyterlab/apputils';
import { nullTranslator } from '@jupyterlab/translation';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { checkWebsockets, suffixOf } from '../src/websockets';
import { TestServer } from './server';
import { ListedTunnels } from './tunnels';

const trans = nullTranslator.load('jupyter_remote_tunnel');

let server: TestServer;
let manager: ListedTunnels;

beforeEach(() => {
  manager = new ListedTunnels();
});

async function check(): Promise<string[]> {
  const settings = await server.start();
  await checkWebsockets(settings, manager, trans);
  return told();
}

function told(): string[] {
  return Notification.manager.notifications.map(({ message }) => message);
}

afterEach(async () => {
  Notification.dismiss();
  await server.stop();
});

it('says nothing where websockets come through', async () => {
  server = new TestServer(() => ({ body: {} }));
  server.takeWebsockets();
  expect(await check()).toEqual([]);
  expect(server.seen).toEqual([]);
});

it('names what to enter where pages come through and websockets do not', async () => {
  server = new TestServer(() => ({ body: {} }));
  const [message, ...more] = await check();
  expect(message).toContain('Add “127.0.0.1” to “No proxy for”');
  expect(message!.length).toBeLessThanOrEqual(140);
  expect(more).toEqual([]);
  const [{ options }] = Notification.manager.notifications as [
    Notification.INotification
  ];
  expect(options.autoClose).toBe(false);
  expect(options.actions!.map(({ label }) => label)).toEqual([
    'Copy “127.0.0.1”',
    'More…'
  ]);
});

it('names those of applications, too', async () => {
  manager.originNames = '{id}.localhost';
  server = new TestServer(() => ({ body: {} }));
  const [message] = await check();
  expect(message).toContain('Add “127.0.0.1, .localhost” to “No proxy for”');
  expect(message!.length).toBeLessThanOrEqual(140);
});

it.each([
  ['{id}.localhost', 'http://127.0.0.1:8888/', '.localhost'],
  ['{id}.localhost', 'https://jupyter.example.org/', ''],
  [
    'ann-{id}.apps.example.net',
    'https://jupyter.example.org/',
    '.apps.example.net'
  ],
  ['ann-{id}.apps.example.net', 'http://127.0.0.1:8888/', ''],
  ['', 'https://jupyter.example.org/', '']
])('of %s at %s all end in “%s”', (names, url, suffix) => {
  expect(suffixOf(names, new URL(url))).toBe(suffix);
});

it('says nothing of one that opens the second time', async () => {
  server = new TestServer(() => {
    server.takeWebsockets();
    return { body: {} };
  });
  expect(await check()).toEqual([]);
});

it('says nothing where Jupyter does not answer at all', async () => {
  server = new TestServer(() => ({ status: 503, body: {} }));
  expect(await check()).toEqual([]);
});

it('gives up a websocket that neither opens nor fails', async () => {
  server = new TestServer(() => ({ body: {} }));
  server.ignoreWebsockets();
  await checkWebsockets(await server.start(), manager, trans, 10);
  expect(told()).toHaveLength(1);
});
