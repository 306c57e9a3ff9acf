import { Dialog } from '@jupyterlab/apputils';
import { nullTranslator } from '@jupyterlab/translation';
import { PromiseDelegate } from '@lumino/coreutils';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { askForTunnel } from '../src/adddialog';
import { OpenedTunnel, TunnelStatus } from '../src/api';
import { EMPTY } from '../src/form';
import { HostBook } from '../src/hosts';
import { Questions } from '../src/questions';
import { TunnelError } from '../src/restapi';
import { alias, prompt, tunnel } from './samples';
import { ListedTunnels } from './tunnels';

const trans = nullTranslator.load('jupyter_remote_tunnel');
const PASSWORD = 'Password for gw (hop 1 of 2)';
const ADD = 'Add an SSH Tunnel';

let manager: ListedTunnels;
let answer: PromiseDelegate<OpenedTunnel>;
let added: Promise<OpenedTunnel | null>;
let diagnosed: string[];

beforeEach(async () => {
  manager = new ListedTunnels();
  new Questions(manager, trans);
  answer = new PromiseDelegate();
  manager.answers.push(answer.promise);
  const offered = [alias('gpu01', { user: 'ann' })];
  const hosts = new HostBook({
    hosts: async () => ({ hosts: offered, problem: null })
  });
  const fields = { ...EMPTY, command: 'gpu01:5006' };
  diagnosed = [];
  const diagnose = ({ id }: TunnelStatus): number => diagnosed.push(id);
  added = askForTunnel(manager, hosts, fields, diagnose, trans);
  await shows(ADD);
  press('Open');
});

afterEach(() => {
  manager.ask();
  Dialog.flush();
});

async function shows(...titles: string[]): Promise<void> {
  await vi.waitFor(() => expect(shown()).toEqual(titles));
}

function shown(): (string | null)[] {
  return [...document.querySelectorAll('.jp-Dialog-header')].map(
    ({ textContent }) => textContent
  );
}

function press(label: string): void {
  [...document.querySelectorAll<HTMLElement>('.jp-Dialog-button')]
    .find(({ textContent }) => textContent === label)!
    .click();
}

async function command(): Promise<HTMLInputElement> {
  return vi.waitFor(() => {
    const input = document.querySelector<HTMLInputElement>('[type="text"]');
    expect(input).not.toBeNull();
    return input!;
  });
}

it('makes room for a question, and is not there again for what was opened', async () => {
  const opened = { tunnel: tunnel(), created: true, understood: '' };
  manager.ask(prompt());
  await shows(PASSWORD);
  manager.ask();
  answer.resolve(opened);
  expect(await added).toEqual(opened);
  expect(shown()).toEqual([]);
});

it('comes back while the host thinks, and makes room again', async () => {
  manager.ask(prompt());
  await shows(PASSWORD);
  manager.ask();
  await shows(ADD);
  await vi.waitFor(() =>
    expect(document.querySelector('[role="status"]')?.textContent).toContain(
      'Cancel gives up'
    )
  );
  // What somebody still types is no command.
  await vi.waitFor(() =>
    expect(document.activeElement!.textContent).toBe('Open')
  );
  expect((await command()).value).toBe('gpu01:5006');
  manager.ask(prompt({ tries: 2 }, 'bbbbbbbbbbbb'));
  await shows(PASSWORD);
  manager.ask();
  await shows(ADD);
  press('Cancel');
  expect(await added).toBeNull();
  expect(manager.asked.map(([method]) => method)).toEqual(['open', 'close']);
  answer.reject(new TunnelError({ code: 'closed', message: 'Closed.' }));
});

it('comes back with what was typed and why it was in vain', async () => {
  manager.ask(prompt());
  await shows(PASSWORD);
  press('Cancel');
  await vi.waitFor(() =>
    expect(manager.asked[1]).toEqual(['giveUp', 'aaaaaaaaaaaa'])
  );
  const message = 'The login to gw was cancelled.';
  answer.reject(new TunnelError({ code: 'needs_user', message }));
  await shows(ADD);
  expect((await command()).value).toBe('gpu01:5006');
  expect(document.querySelector('[role="alert"]')!.textContent).toBe(message);
  expect(document.querySelector('.jp-RemoteTunnel-link')).toBeNull();
  await vi.waitFor(async () =>
    expect(document.activeElement).toBe(await command())
  );
  press('Cancel');
  expect(await added).toBeNull();
});

it('goes where somebody would rather know why it failed', async () => {
  const [, request] = manager.asked[0]!;
  const { id } = request as { id: string };
  manager.tunnels = [tunnel({ id, state: 'failed' })];
  answer.reject(new TunnelError({ code: 'connect_failed', message: 'No.' }));
  const link = await vi.waitFor(() => {
    const found = document.querySelector<HTMLElement>('.jp-RemoteTunnel-link');
    expect(found?.textContent).toBe('Diagnose…');
    return found!;
  });
  link.click();
  expect(await added).toBeNull();
  expect(diagnosed).toEqual([id]);
  expect(shown()).toEqual([]);
  // Its row stays: it has what was typed, for another look.
  expect(manager.asked.map(([method]) => method)).toEqual(['open']);
});

it('comes back to the field that is wrong', async () => {
  manager.ask(prompt());
  await shows(PASSWORD);
  manager.ask();
  const where = { text: 'gpu01:5006', start: 6, end: 10 };
  const message = 'No.';
  answer.reject(new TunnelError({ code: 'bad_input', message, where }));
  await shows(ADD);
  await vi.waitFor(async () =>
    expect(document.activeElement).toBe(await command())
  );
  expect((await command()).selectionStart).toBe(6);
  press('Cancel');
  await added;
});

it('waits for nobody while it is only typed into', async () => {
  answer.reject(new TunnelError({ code: 'http', message: 'No.' }));
  await vi.waitFor(() =>
    expect(document.querySelector('[role="alert"]')).not.toBeNull()
  );
  manager.ask(prompt());
  await shows(ADD);
  press('Cancel');
  await added;
  await shows(PASSWORD);
});

it('offers the aliases where a host is typed', async () => {
  answer.reject(new TunnelError({ code: 'http', message: 'No.' }));
  await vi.waitFor(() =>
    expect(document.querySelector('[role="alert"]')).not.toBeNull()
  );
  const [, parts] = document.querySelectorAll<HTMLElement>('[type="radio"]');
  parts!.click();
  const fields = await vi.waitFor(() => {
    const found = document.querySelectorAll<HTMLInputElement>('input[list]');
    expect(found).toHaveLength(2);
    return found;
  });
  for (const { list } of fields) {
    const options = [...list!.options];
    expect(options.map(({ value, label }) => [value, label])).toEqual([
      ['gpu01', 'ann@gpu01']
    ]);
  }
  press('Cancel');
  await added;
});
