import { WidgetTracker } from '@jupyterlab/apputils';
import { JupyterFrontEnd } from '@jupyterlab/application';
import { ServerConnection } from '@jupyterlab/services';
import { nullTranslator } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import { Widget } from '@lumino/widgets';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { addCommands, CommandIDs, ConfirmClose } from '../src/commands';
import { TunnelAPI, TunnelError } from '../src/restapi';
import { ApplicationTab, ViewChooser } from '../src/view';
import { application, forward, tunnel } from './samples';
import { ListedTunnels } from './tunnels';

const trans = nullTranslator.load('jupyter_remote_tunnel');

let manager: ListedTunnels;
let commands: CommandRegistry;
let confirmClose: ConfirmClose;
let tabs: Widget[];
let activated: string[];

beforeEach(() => {
  manager = new ListedTunnels();
  commands = new CommandRegistry();
  confirmClose = 'in-use';
  tabs = [];
  activated = [];
  const shell = {
    add: (widget: Widget) => tabs.push(widget),
    activateById: (id: string) => activated.push(id)
  } as unknown as JupyterFrontEnd.IShell;
  addCommands({
    app: { commands, shell },
    api: new TunnelAPI(ServerConnection.makeSettings(), trans),
    manager,
    views: new ViewChooser(),
    tracker: new WidgetTracker<ApplicationTab>({ namespace: 'test' }),
    hasTabs: true,
    confirmClose: () => confirmClose,
    show: () => undefined,
    trans
  });
});

/** The dialog that is open, once it is. */
async function dialog(title: string): Promise<HTMLElement> {
  return vi.waitFor(() => {
    const found = document.querySelector<HTMLElement>('.jp-Dialog');
    expect(found?.querySelector('.jp-Dialog-header')?.textContent).toBe(title);
    return found!;
  });
}

/** Press a button of a dialog. */
function press(node: HTMLElement, label: string): void {
  const buttons = [...node.querySelectorAll<HTMLElement>('.jp-Dialog-button')];
  const button = buttons.find(({ textContent }) => textContent === label);
  expect(button, label).toBeDefined();
  button!.click();
}

/** Type into the field that the dialog starts with. */
async function type(node: HTMLElement, text: string): Promise<void> {
  const input = await vi.waitFor(() => {
    const found = node.querySelector<HTMLInputElement>('[data-first-field]');
    expect(found).not.toBeNull();
    return found!;
  });
  // React listens to the prototype's setter.
  Object.getOwnPropertyDescriptor(
    HTMLInputElement.prototype,
    'value'
  )!.set!.call(input, text);
  input.dispatchEvent(new Event('input', { bubbles: true }));
}

function error(code: string): TunnelError {
  return new TunnelError({ code, message: `It is ${code}.`, hint: 'Do this.' });
}

describe('add', () => {
  it('sends what was typed', async () => {
    manager.answers.push({ tunnel: tunnel(), created: true, understood: '' });
    const done = commands.execute(CommandIDs.add);
    const form = await dialog('Add an SSH Tunnel');
    await type(form, 'gpu01:5006');
    press(form, 'Open');
    await done;
    expect(manager.asked).toEqual([['open', { command: 'gpu01:5006' }]]);
  });

  it('comes back with what was typed and what is wrong with it', async () => {
    manager.answers.push(error('bad_input'));
    const done = commands.execute(CommandIDs.add);
    const form = await dialog('Add an SSH Tunnel');
    await type(form, 'gpu01:');
    press(form, 'Open');
    const again = await vi.waitFor(async () => {
      const next = await dialog('Add an SSH Tunnel');
      expect(next.querySelector('[role="alert"]')?.textContent).toBe(
        'It is bad_input.Do this.'
      );
      return next;
    });
    const input = again.querySelector<HTMLInputElement>('[data-first-field]');
    expect(input!.value).toBe('gpu01:');
    press(again, 'Cancel');
    await done;
  });

  it('explains what cannot be mended by typing', async () => {
    manager.answers.push(error('host_key_changed'));
    const done = commands.execute(CommandIDs.add);
    const form = await dialog('Add an SSH Tunnel');
    await type(form, 'gpu01:5006');
    press(form, 'Open');
    const message = await dialog('The tunnel could not be opened');
    expect(message.textContent).toContain('It is host_key_changed.');
    press(message, 'Dismiss');
    await done;
  });

  it('starts with the host of its section', async () => {
    const done = commands.execute(CommandIDs.add, { host: 'me@gpu01' });
    const form = await dialog('Add an SSH Tunnel');
    await vi.waitFor(() =>
      expect(
        form.querySelector<HTMLInputElement>('[data-first-field]')?.value
      ).toBe('me@gpu01')
    );
    press(form, 'Cancel');
    await done;
    expect(manager.asked).toEqual([]);
  });
});

describe('close', () => {
  const idle = forward({ streams: { open: 0, total: 4 } });

  it('asks while something flows, and leaves it on Cancel', async () => {
    manager.tunnels = [tunnel()];
    const done = commands.execute(CommandIDs.close, { tunnel: tunnel().id });
    const question = await dialog('Close the tunnel gpu01:5006?');
    expect(question.textContent).toContain('1 stream is open');
    press(question, 'Cancel');
    await done;
    expect(manager.asked).toEqual([]);
  });

  it.each([
    ['in-use', [idle]],
    ['never', [forward()]]
  ] as [ConfirmClose, [typeof idle]][])(
    'does not ask when told so: %s',
    async (policy, forwards) => {
      confirmClose = policy;
      manager.tunnels = [tunnel({ forwards })];
      await commands.execute(CommandIDs.close, { tunnel: tunnel().id });
      expect(manager.asked).toEqual([['close', tunnel().id]]);
    }
  );

  it('closes all after one question', async () => {
    confirmClose = 'always';
    manager.tunnels = [tunnel({ id: '1' }), tunnel({ id: '2' })];
    const done = commands.execute(CommandIDs.closeAll);
    press(await dialog('Close 2 tunnels?'), 'Close');
    await done;
    expect(manager.asked).toEqual([
      ['close', '1'],
      ['close', '2']
    ]);
  });

  it('shows why it failed', async () => {
    manager.tunnels = [tunnel({ forwards: [idle] })];
    manager.answers.push(error('engine_unavailable'));
    const done = commands.execute(CommandIDs.close, { tunnel: tunnel().id });
    const message = await dialog('gpu01:5006 could not be closed');
    expect(message.textContent).toContain('Do this.');
    press(message, 'Dismiss');
    await done;
  });
});

describe('from the palette', () => {
  it('a command that needs a tunnel is off without one', () => {
    expect(commands.isEnabled(CommandIDs.restart)).toBe(false);
    manager.tunnels = [tunnel()];
    expect(commands.isEnabled(CommandIDs.restart)).toBe(true);
  });

  it('the only tunnel is the one that is meant', async () => {
    manager.tunnels = [tunnel({ id: '7' })];
    await commands.execute(CommandIDs.restart);
    expect(manager.asked).toEqual([['restart', '7']]);
  });

  it('one of several is asked for', async () => {
    manager.tunnels = [
      tunnel({ id: '1', name: 'one' }),
      tunnel({ id: '2', name: 'two' })
    ];
    const done = commands.execute(CommandIDs.restart);
    const question = await dialog('Which tunnel?');
    const select = question.querySelector('select')!;
    select.value = 'two';
    select.dispatchEvent(new Event('change', { bubbles: true }));
    press(question, 'Choose');
    await done;
    expect(manager.asked).toEqual([['restart', '2']]);
  });
});

describe('open in a tab', () => {
  it('shows each application once', async () => {
    manager.applications = [application()];
    await commands.execute(CommandIDs.openInTab, { app: application().id });
    await commands.execute(CommandIDs.openInTab, { app: application().id });
    expect(tabs.map(({ title }) => title.label)).toEqual(['gpu01:5006']);
    expect(activated).toEqual([tabs[0]!.id]);
  });

  it('comes back after a reload, before the list is known', async () => {
    await commands.execute(CommandIDs.openInTab, { app: 'x', name: 'plot' });
    expect(tabs.map(({ title }) => title.label)).toEqual(['plot']);
  });
});
