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
import { application } from './samples';
import { Answer, TestServer } from './server';
import { ListedTunnels } from './tunnels';

const trans = nullTranslator.load('jupyter_remote_tunnel');

let server: TestServer;
let commands: CommandRegistry;
let opened: unknown[];

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
    if (/\/jupyters(\/start|\/stop)?$/.test(seen.url.pathname)) {
      return answer;
    }
    return { body: { hosts: [], problem: null } };
  });
  commands = new CommandRegistry();
  opened = [];
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
    show: () => undefined,
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

async function dialog(title: string): Promise<HTMLElement> {
  return vi.waitFor(() => {
    const found = document.querySelector<HTMLElement>('.jp-Dialog');
    expect(found?.querySelector('.jp-Dialog-header')?.textContent).toBe(title);
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
    node.querySelector('select')!.selectedIndex = 1;
    expect(node.querySelector('select')!.value).toBe(
      '/home/ann/8889 at 127.0.0.1:8889'
    );
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

  it('says what the server says where it does not start', async () => {
    const body = {
      code: 'not_found',
      message: 'No Jupyter was found.',
      hint: 'Give a prelude.'
    };
    await begin([], { status: 404, body });
    const running = commands.execute(CommandIDs.openJupyter, { host: 'gpu01' });
    press(await dialog('Start a Jupyter on gpu01?'), 'Start');
    const node = await dialog('No Jupyter of gpu01 could be opened');
    expect(node.textContent).toContain('No Jupyter was found.');
    expect(node.textContent).toContain('Give a prelude.');
    press(node, 'Dismiss');
    await running;
    expect(asked('/jupyters/start')).toEqual([{ host: 'gpu01' }]);
    expect(opened).toEqual([]);
    expect(Notification.manager.notifications).toEqual([]);
  });
});

describe('end a Jupyter', () => {
  it('asks first', async () => {
    await begin([jupyter(8888)]);
    const running = commands.execute(CommandIDs.stopJupyter, { host: 'gpu01' });
    const node = await dialog('End the Jupyter on gpu01?');
    expect(node.textContent).toContain('127.0.0.1:8888 in /home/ann/8888');
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

  it('says that there is none', async () => {
    await begin([]);
    await commands.execute(CommandIDs.stopJupyter, { host: 'gpu01' });
    const said = Notification.manager.notifications.map(
      ({ message }) => message
    );
    expect(said).toEqual(['No Jupyter of yours runs on gpu01']);
  });
});
