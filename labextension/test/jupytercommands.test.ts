import { Dialog, Notification, WidgetTracker } from '@jupyterlab/apputils';
import { JupyterFrontEnd } from '@jupyterlab/application';
import { nullTranslator } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { ErrorStatus, JupyterServer } from '../src/api';
import { CommandIDs } from '../src/commands';
import { HostBook } from '../src/hosts';
import { addJupyterCommands } from '../src/jupytercommands';
import { TunnelAPI } from '../src/restapi';
import { ApplicationTab, ViewChooser } from '../src/view';
import { application, openedJupyter } from './samples';
import { Answer, TestServer } from './server';
import { ListedTunnels } from './tunnels';

const trans = nullTranslator.load('jupyter_remote_tunnel');

let server: TestServer;
let commands: CommandRegistry;
let opened: unknown[];
/** What the server says to the next requests that change something, before it says `answer`. */
let refusals: Answer[];
let shows: number;

async function begin(
  jupyters: JupyterServer[],
  answer: Answer = { status: 201, body: application() },
  hasTabs = true,
  problems: ErrorStatus[] = []
): Promise<void> {
  server = new TestServer(seen => {
    if (seen.url.pathname.endsWith('/jupyters/list')) {
      return { body: { jupyters, problems } };
    }
    if (/\/jupyters(\/start|\/stop|\/password)?$/.test(seen.url.pathname)) {
      return refusals.shift() ?? answer;
    }
    return { body: { hosts: [], problem: null } };
  });
  commands = new CommandRegistry();
  opened = [];
  refusals = [];
  shows = 0;
  const manager = new ListedTunnels();
  const api = new TunnelAPI(await server.start(), trans);
  for (const id of [CommandIDs.openInTab, CommandIDs.openInBrowser]) {
    commands.addCommand(id, { execute: args => opened.push([id, args]) });
  }
  addJupyterCommands({
    app: { commands, shell: {} as JupyterFrontEnd.IShell },
    api,
    manager,
    hosts: new HostBook(api),
    views: new ViewChooser(),
    tracker: new WidgetTracker<ApplicationTab>({ namespace: 'test' }),
    hasTabs,
    confirmClose: () => 'in-use',
    show: () => void (shows += 1),
    trans
  });
}

afterEach(async () => {
  Dialog.flush();
  Notification.dismiss();
  await server.stop();
});

function jupyter(port: number): JupyterServer {
  return {
    url: `http://127.0.0.1:${port}/`,
    destination: `127.0.0.1:${port}`,
    root_dir: `/home/ann/${port}`,
    version: '2.21.1',
    pid: port,
    protection: 'token',
    started: null,
    ends_with_tunnel: false
  };
}

/** What was asked for by POST to the route. */
function asked(route: string): unknown[] {
  return server.seen
    .filter(
      ({ method, url }) => method === 'POST' && url.pathname.endsWith(route)
    )
    .map(({ body }) => body);
}

/** The dialog, when it has come back with that complaint. */
function dialogThatSays(complaint: string): Promise<HTMLElement> {
  return vi.waitFor(() => {
    const found = document.querySelector<HTMLElement>('.jp-Dialog')!;
    expect(found?.querySelector('[role="alert"]')?.textContent).toBe(complaint);
    return found;
  });
}

async function dialog(title: string): Promise<HTMLElement> {
  return vi.waitFor(() => {
    const found = document.querySelector<HTMLElement>('.jp-Dialog');
    expect(found?.querySelector('.jp-Dialog-header')?.textContent).toBe(title);
    // React fills it in a task of its own.
    expect(found!.querySelector('.jp-Dialog-body')?.textContent).toBeTruthy();
    return found!;
  });
}

function press(node: HTMLElement, label: string): void {
  [...node.querySelectorAll<HTMLElement>('.jp-Dialog-button')]
    .find(({ textContent }) => textContent === label)!
    .click();
}

describe('open a Jupyter', () => {
  it.each([true, false])('opens the only one (tabs: %s)', async hasTabs => {
    await begin([jupyter(8888)], undefined, hasTabs);
    await commands.execute(CommandIDs.openJupyter, { host: 'gpu01' });
    expect(asked('/jupyters/list')).toEqual([{ host: 'gpu01' }]);
    expect(asked('/jupyters')).toEqual([
      { host: 'gpu01', destination: '127.0.0.1:8888' }
    ]);
    const { id, name } = application();
    const command = hasTabs ? CommandIDs.openInTab : CommandIDs.openInBrowser;
    expect(opened).toEqual([[command, { app: id, name }]]);
  });

  it('asks which of several', async () => {
    await begin([jupyter(8888), jupyter(8889)]);
    const running = commands.execute(CommandIDs.openJupyter, { host: 'gpu01' });
    const node = await dialog('Which Jupyter of gpu01?');
    const select = node.querySelector('select')!;
    select.selectedIndex = 1;
    expect(select.selectedOptions[0]!.textContent).toBe(
      '/home/ann/8889 at 127.0.0.1:8889'
    );
    expect(node.querySelector('input')).toBeNull();
    press(node, 'Choose');
    await running;
    expect(asked('/jupyters')).toEqual([
      { host: 'gpu01', destination: '127.0.0.1:8889' }
    ]);
  });

  it('opens none where a person chose none', async () => {
    await begin([jupyter(8888), jupyter(8889)]);
    const running = commands.execute(CommandIDs.openJupyter, { host: 'gpu01' });
    press(await dialog('Which Jupyter of gpu01?'), 'Cancel');
    await running;
    expect(asked('/jupyters')).toEqual([]);
    expect(opened).toEqual([]);
  });

  it('starts one where there is none', async () => {
    await begin([]);
    const running = commands.execute(CommandIDs.openJupyter, { host: 'gpu01' });
    const node = await dialog('Start a Jupyter on gpu01?');
    expect(node.textContent).toContain('No Jupyter server of yours runs');
    node.querySelector<HTMLInputElement>('[type="text"]')!.value = ' ~/work ';
    node.querySelector<HTMLElement>('[type="checkbox"]')!.click();
    press(node, 'Start');
    await running;
    expect(asked('/jupyters/start')).toEqual([
      { host: 'gpu01', folder: '~/work', keep: true }
    ]);
    const { id, name } = application();
    expect(opened).toEqual([[CommandIDs.openInTab, { app: id, name }]]);
    expect(Notification.manager.notifications).toEqual([]);
  });

  it('says what the server says of files that tell nothing', async () => {
    const problem = {
      code: 'unsupported',
      message: 'It is no file of one.',
      hint: 'Start that again.',
      hop: null
    };
    await begin([], { status: 501, body: problem }, true, [problem]);
    const running = commands.execute(CommandIDs.openJupyter, { host: 'gpu01' });
    const node = await dialog('No Jupyter of gpu01 could be opened');
    expect(node.textContent).toContain('It is no file of one.');
    press(node, 'Dismiss');
    await running;
    expect(asked('/jupyters')).toEqual([{ host: 'gpu01' }]);
  });

  it('starts none where a person does not want one', async () => {
    await begin([]);
    const running = commands.execute(CommandIDs.openJupyter, { host: 'gpu01' });
    press(await dialog('Start a Jupyter on gpu01?'), 'Cancel');
    await running;
    expect(asked('/jupyters/start')).toEqual([]);
    expect(opened).toEqual([]);
  });

  it('asks again, with what was typed, where it does not start', async () => {
    await begin([]);
    const body = {
      code: 'not_found',
      message: 'gpu01 has no folder /nope.',
      hint: 'Make it.'
    };
    refusals = [{ status: 404, body }];
    const running = commands.execute(CommandIDs.openJupyter, { host: 'gpu01' });
    const first = await dialog('Start a Jupyter on gpu01?');
    expect(first.querySelector('[role="alert"]')).toBeNull();
    type(first, FOLDER, '/nope');
    first.querySelector<HTMLElement>('[type="checkbox"]')!.click();
    press(first, 'Start');
    const node = await dialogThatSays('gpu01 has no folder /nope.Make it.');
    expect(field(node, FOLDER).value).toBe('/nope');
    expect(field(node, 'Keep it running').checked).toBe(true);
    await vi.waitFor(() =>
      expect(document.activeElement).toBe(field(node, FOLDER))
    );
    type(node, FOLDER, '/data');
    press(node, 'Start');
    await running;
    expect(asked('/jupyters/start')).toEqual([
      { host: 'gpu01', folder: '/nope', keep: true },
      { host: 'gpu01', folder: '/data', keep: true }
    ]);
    expect(opened).toHaveLength(1);
    expect(Notification.manager.notifications).toEqual([]);
  });

  it('asks no more where a person answered nothing to the host', async () => {
    await begin([]);
    const body = { code: 'needs_user', message: 'Cancelled.', hint: '' };
    refusals = [{ status: 409, body }];
    const running = commands.execute(CommandIDs.openJupyter, { host: 'gpu01' });
    press(await dialog('Start a Jupyter on gpu01?'), 'Start');
    await running;
    expect(document.querySelector('.jp-Dialog')).toBeNull();
    expect(asked('/jupyters/start')).toHaveLength(1);
    expect(opened).toEqual([]);
  });
});

const FOLDER = 'Its folder there';

function field(node: HTMLElement, label: string): HTMLInputElement {
  const found = [...node.querySelectorAll('label')].find(({ textContent }) =>
    textContent!.startsWith(label)
  );
  expect(found, label).toBeDefined();
  return found!.querySelector('input')!;
}

/** Type into a field. */
function type(node: HTMLElement, label: string, text: string): void {
  const input = field(node, label);
  input.value = text;
  input.dispatchEvent(new Event('input', { bubbles: true }));
}

const PORT = 'Port on this machine';
const HOST = { host: 'gpu01' };

describe('open a Jupyter at a port', () => {
  const answer = { status: 201, body: openedJupyter() };

  it('offers the one that it has there, and takes another', async () => {
    await begin([jupyter(8888), jupyter(8889)], answer);
    const running = commands.execute(CommandIDs.openJupyterAtPort, HOST);
    const node = await dialog('Open a Jupyter of gpu01 at a port');
    expect(field(node, PORT).value).toBe('8888');
    type(node, PORT, ' 9000 ');
    press(node, 'Open');
    const told = await dialog('The Jupyter on gpu01 is at a port here');
    expect(asked('/jupyters')).toEqual([
      { host: 'gpu01', destination: '127.0.0.1:8888', local_port: 9000 }
    ]);
    const link = told.querySelector('a')!;
    expect(link.href).toBe('http://127.43.7.1:9000/');
    expect(link.rel).toBe('noopener noreferrer');
    expect(told.textContent).toContain('leads to 127.0.0.1:8888 on gpu01');
    expect(told.textContent).toContain(
      'password or token. On gpu01, “jupyter server list” prints'
    );
    press(told, 'Done');
    await running;
    expect([opened, shows]).toEqual([[], 1]);
  });

  it('links to no page that would be sent the cookies of this one', async () => {
    const address = `http://${window.location.hostname}:9000/`;
    const body = openedJupyter({ address, protection: 'password' });
    await begin([jupyter(8888)], { status: 201, body });
    const running = commands.execute(CommandIDs.openJupyterAtPort, HOST);
    press(await dialog('Open a Jupyter of gpu01 at a port'), 'Open');
    const told = await dialog('The Jupyter on gpu01 is at a port here');
    expect(told.querySelector('a')).toBeNull();
    expect(told.querySelector('code')!.textContent).toBe(address);
    expect(told.textContent).toContain('the cookies of the other');
    expect(told.textContent).toContain('It asks for its password.');
    press(told, 'Done');
    await running;
  });

  it('links to no other machine', async () => {
    const address = 'http://evil.example/';
    const body = openedJupyter({ address });
    await begin([jupyter(8888)], { status: 201, body });
    const running = commands.execute(CommandIDs.openJupyterAtPort, HOST);
    press(await dialog('Open a Jupyter of gpu01 at a port'), 'Open');
    const told = await dialog('The Jupyter on gpu01 is at a port here');
    expect(told.querySelector('a')).toBeNull();
    expect(told.querySelector('code')!.textContent).toBe(address);
    press(told, 'Done');
    await running;
  });

  it('shows the row of one that listens nowhere', async () => {
    const body = openedJupyter({ address: null });
    await begin([jupyter(8888)], { status: 200, body });
    const running = commands.execute(CommandIDs.openJupyterAtPort, HOST);
    press(await dialog('Open a Jupyter of gpu01 at a port'), 'Open');
    await running;
    expect(shows).toBe(1);
    expect(document.querySelector('.jp-Dialog')).toBeNull();
  });

  it('asks again where the port is taken', async () => {
    await begin([jupyter(8888), jupyter(8889)], answer);
    const body = {
      code: 'port_in_use',
      message: 'Taken.',
      hint: 'Another; or give --on-conflict pick, which takes one.'
    };
    refusals = [{ status: 409, body }];
    const running = commands.execute(CommandIDs.openJupyterAtPort, HOST);
    const first = await dialog('Open a Jupyter of gpu01 at a port');
    const select = first.querySelector('select')!;
    select.selectedIndex = 1;
    select.dispatchEvent(new Event('change', { bubbles: true }));
    await vi.waitFor(() => expect(field(first, PORT).value).toBe('8889'));
    type(first, PORT, '9000');
    press(first, 'Open');
    const node = await dialogThatSays(
      'Taken.Choose another port, or 0 for any free one.'
    );
    await vi.waitFor(() =>
      expect(document.activeElement).toBe(field(node, PORT))
    );
    expect(node.querySelector('select')!.selectedIndex).toBe(1);
    expect(field(node, PORT).value).toBe('9000');
    type(node, PORT, '9001');
    await vi.waitFor(() =>
      expect(node.querySelector('[role="alert"]')).toBeNull()
    );
    press(node, 'Cancel');
    await running;
    expect([opened, shows]).toEqual([[], 0]);
  });

  it.each(['', 'x', '80a', '-1', '65536', '123456'])(
    'says that “%s” is no port',
    async text => {
      await begin([jupyter(8888)], answer);
      const running = commands.execute(CommandIDs.openJupyterAtPort, HOST);
      const node = await dialog('Open a Jupyter of gpu01 at a port');
      const range = 'A port from 1 to 65535, or 0 for any free one';
      const accept = node.querySelector<HTMLButtonElement>(
        'button.jp-mod-accept'
      )!;
      expect(node.textContent).not.toContain(range);
      type(node, PORT, text);
      await vi.waitFor(() => expect(node.textContent).toContain(range));
      expect(field(node, PORT).ariaInvalid).toBe('true');
      expect(accept.disabled).toBe(true);
      type(node, PORT, '65535');
      await vi.waitFor(() => expect(node.textContent).not.toContain(range));
      expect(accept.disabled).toBe(false);
      press(node, 'Cancel');
      await running;
    }
  );

  it('starts one where there is none', async () => {
    await begin([], answer);
    const running = commands.execute(CommandIDs.openJupyterAtPort, HOST);
    const node = await dialog('Start a Jupyter on gpu01?');
    expect(field(node, PORT).value).toBe('0');
    type(node, PORT, '9000');
    press(node, 'Start');
    press(await dialog('The Jupyter on gpu01 is at a port here'), 'Done');
    await running;
    expect(asked('/jupyters/start')).toEqual([
      { host: 'gpu01', local_port: 9000 }
    ]);
  });
});

describe('set the password of those there', () => {
  const TITLE = 'Set the password of the Jupyter servers on gpu01';
  const tools = ['jupyter server password'];
  const answer = { body: { tools, others: [] as string[] } };

  async function typed(first: string, second: string): Promise<void> {
    const node = await dialog(TITLE);
    const accept = node.querySelector<HTMLButtonElement>(
      'button.jp-mod-accept'
    )!;
    await vi.waitFor(() => expect(accept.disabled).toBe(true));
    type(node, 'New password', first);
    type(node, 'The same again', second);
    for (const input of node.querySelectorAll('input')) {
      expect([input.type, input.autocomplete]).toEqual([
        'password',
        'new-password'
      ]);
    }
    press(node, 'Set the Password');
    await vi.waitFor(() => expect(node.isConnected).toBe(false));
  }

  function said(): string[] {
    return Notification.manager.notifications.map(({ message }) => message);
  }

  it('is typed twice', async () => {
    await begin([], answer);
    const running = commands.execute(CommandIDs.setJupyterPassword, HOST);
    await typed('a long one', 'another one');
    const node = await dialog(TITLE);
    expect(node.querySelector('[role="alert"]')!.textContent).toBe(
      'The two differ.'
    );
    expect(asked('/jupyters/password')).toEqual([]);
    await typed('a long one', 'a long one');
    await running;
    expect(asked('/jupyters/password')).toEqual([
      { host: 'gpu01', password: 'a long one' }
    ]);
    expect(said()).toEqual([
      'The password is set on gpu01, by jupyter server password there. It counts for the Jupyter servers that are started from now on.'
    ]);
  });

  it('is asked for again where it is none', async () => {
    await begin([], answer);
    const body = { code: 'bad_input', message: 'Too short.', hint: '' };
    refusals = [{ status: 400, body }];
    const running = commands.execute(CommandIDs.setJupyterPassword, HOST);
    await typed('x', 'x');
    const node = await dialog(TITLE);
    expect(node.querySelector('[role="alert"]')!.textContent).toBe(
      'Too short.'
    );
    press(node, 'Cancel');
    await running;
    expect(asked('/jupyters/password')).toHaveLength(1);
    expect(said()).toEqual([]);
  });

  it('names the files that set another one', async () => {
    const others = ['jupyter_server_config.py'];
    await begin([], { body: { tools, others } });
    const running = commands.execute(CommandIDs.setJupyterPassword, HOST);
    await typed('a long one', 'a long one');
    await running;
    expect(said()[0]).toContain(
      'But jupyter_server_config.py there sets another one'
    );
  });

  it('says why it was not set', async () => {
    const body = { code: 'not_found', message: 'No Jupyter.', hint: 'Look.' };
    await begin([], { status: 404, body });
    const running = commands.execute(CommandIDs.setJupyterPassword, HOST);
    await typed('a long one', 'a long one');
    const node = await dialog('The password on gpu01 was not set');
    expect(node.textContent).toContain('No Jupyter.');
    press(node, 'Dismiss');
    await running;
    expect(said()).toEqual([]);
  });

  it('is offered where one of several is to be chosen', async () => {
    await begin([jupyter(8888), jupyter(8889)], answer);
    const running = commands.execute(CommandIDs.openJupyter, HOST);
    press(await dialog('Which Jupyter of gpu01?'), 'Set the Password…');
    press(await dialog(TITLE), 'Cancel');
    await running;
    expect(asked('/jupyters')).toEqual([]);
    expect(opened).toEqual([]);
  });
});

describe('end a Jupyter', () => {
  it('asks first', async () => {
    await begin([jupyter(8888)]);
    const running = commands.execute(CommandIDs.stopJupyter, { host: 'gpu01' });
    const node = await dialog('End the Jupyter on gpu01?');
    expect(node.textContent).toContain('127.0.0.1:8888 in /home/ann/8888');
    expect(document.activeElement!.textContent).toBe('Cancel');
    press(node, 'End');
    await running;
    expect(asked('/jupyters/stop')).toEqual([
      { host: 'gpu01', destination: '127.0.0.1:8888' }
    ]);
  });

  it('ends none where a person thinks better of it', async () => {
    await begin([jupyter(8888)]);
    const running = commands.execute(CommandIDs.stopJupyter, { host: 'gpu01' });
    press(await dialog('End the Jupyter on gpu01?'), 'Cancel');
    await running;
    expect(asked('/jupyters/stop')).toEqual([]);
  });

  it('ends none where the question is disposed of', async () => {
    await begin([jupyter(8888)]);
    const running = commands.execute(CommandIDs.stopJupyter, { host: 'gpu01' });
    await dialog('End the Jupyter on gpu01?');
    Dialog.flush();
    await running;
    expect(asked('/jupyters/stop')).toEqual([]);
  });

  it('says that there is none', async () => {
    await begin([]);
    await commands.execute(CommandIDs.stopJupyter, { host: 'gpu01' });
    const said = Notification.manager.notifications.map(
      ({ message }) => message
    );
    expect(said).toEqual(['No Jupyter of yours runs on gpu01']);
  });
});
