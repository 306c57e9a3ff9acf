import { Notification, WidgetTracker } from '@jupyterlab/apputils';
import { JupyterFrontEnd } from '@jupyterlab/application';
import { ServerConnection } from '@jupyterlab/services';
import { nullTranslator } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import { PromiseDelegate } from '@lumino/coreutils';
import { Widget } from '@lumino/widgets';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { OpenedTunnel, TunnelRequest, TunnelStatus } from '../src/api';
import { addCommands, CommandIDs, ConfirmClose } from '../src/commands';
import { HostBook } from '../src/hosts';
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
let shown: number;

beforeEach(() => {
  manager = new ListedTunnels();
  commands = new CommandRegistry();
  confirmClose = 'in-use';
  tabs = [];
  activated = [];
  shown = 0;
  const shell = {
    add: (widget: Widget) => tabs.push(widget),
    activateById: (id: string) => activated.push(id)
  } as unknown as JupyterFrontEnd.IShell;
  addCommands({
    app: { commands, shell },
    api: new TunnelAPI(ServerConnection.makeSettings(), trans),
    manager,
    hosts: new HostBook({ hosts: async () => ({ hosts: [], problem: null }) }),
    views: new ViewChooser(),
    tracker: new WidgetTracker<ApplicationTab>({ namespace: 'test' }),
    hasTabs: true,
    confirmClose: () => confirmClose,
    show: () => {
      shown += 1;
    },
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
  enter(input, text);
}

/** Type into a field. */
function enter(input: HTMLInputElement, text: string): void {
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

/** What `open` is to be asked for: the command, under an id of its own. */
function asking(command: string): unknown {
  return { command, id: expect.stringMatching(/^[0-9a-f]{12}$/) };
}

/** The id in a request to open. */
function idOf(asked: [string, unknown] | undefined): string {
  return (asked![1] as TunnelRequest).id!;
}

describe('add', () => {
  const opened = { tunnel: tunnel(), created: true, understood: '' };

  function input(form: HTMLElement): HTMLInputElement {
    return form.querySelector<HTMLInputElement>('[data-first-field]')!;
  }

  function openButton(form: HTMLElement): HTMLButtonElement {
    return form.querySelector<HTMLButtonElement>('.jp-mod-accept')!;
  }

  /** Wait until the dialog says so. */
  async function explained(form: HTMLElement, text: string): Promise<void> {
    await vi.waitFor(() =>
      expect(form.querySelector('[role="alert"]')?.textContent).toBe(text)
    );
  }

  it('sends what was typed', async () => {
    manager.answers.push(opened);
    const done = commands.execute(CommandIDs.add);
    const form = await dialog('Add an SSH Tunnel');
    await type(form, 'gpu01:5006');
    press(form, 'Open');
    await done;
    expect(manager.asked).toEqual([['open', asking('gpu01:5006')]]);
    expect(form.isConnected).toBe(false);
    expect(shown).toBe(1);
  });

  it.each(['bad_input', 'host_key_unknown', 'connect_failed', 'conflict'])(
    'keeps what was typed and says why not: %s',
    async code => {
      manager.answers.push(error(code), opened);
      const done = commands.execute(CommandIDs.add);
      const form = await dialog('Add an SSH Tunnel');
      await type(form, 'gpu01:');
      press(form, 'Open');
      await explained(form, `It is ${code}.Do this.`);
      expect(input(form).value).toBe('gpu01:');
      await type(form, 'gpu01:5006');
      press(form, 'Open');
      await done;
      expect(manager.asked.at(-1)).toEqual(['open', asking('gpu01:5006')]);
    }
  );

  it('points at the wrong part until that is corrected', async () => {
    manager.answers.push(
      new TunnelError({
        code: 'bad_input',
        message: 'No port.',
        where: { text: '-L 1:localhost:x', start: 15, end: 16 }
      })
    );
    const done = commands.execute(CommandIDs.add);
    const form = await dialog('Add an SSH Tunnel');
    await type(form, 'ssh -NL 1:localhost:x gpu01');
    press(form, 'Open');
    await vi.waitFor(() =>
      expect(form.querySelector('mark')?.textContent).toBe('x')
    );
    const field = input(form);
    expect(field.getAttribute('aria-invalid')).toBe('true');
    const described = field.getAttribute('aria-describedby')!.split(' ');
    expect(
      described.map(id => document.getElementById(id)!.textContent)
    ).toEqual(['No port.', 'ssh -NL 1:localhost:x gpu01']);
    expect(document.activeElement).toBe(field);
    expect(field.value.slice(field.selectionStart!, field.selectionEnd!)).toBe(
      'x'
    );
    await type(form, 'ssh -NL 1:localhost:80 gpu01');
    await vi.waitFor(() => expect(form.querySelector('mark')).toBeNull());
    expect(field.getAttribute('aria-invalid')).toBe('false');
    press(form, 'Cancel');
    await done;
  });

  it('takes a command that was broken into lines', async () => {
    manager.answers.push(opened);
    const done = commands.execute(CommandIDs.add);
    const form = await dialog('Add an SSH Tunnel');
    await type(form, 'ssh ');
    const paste = new Event('paste', { bubbles: true, cancelable: true });
    const text = '-NL 5006:localhost:5006 \\\n  gpu01\n';
    Object.assign(paste, { clipboardData: { getData: () => text } });
    const field = input(form);
    field.setSelectionRange(4, 4);
    field.dispatchEvent(paste);
    await vi.waitFor(() =>
      expect(field.value).toBe('ssh -NL 5006:localhost:5006 gpu01')
    );
    press(form, 'Open');
    await done;
    expect(manager.asked[0]).toEqual(['open', asking(field.value)]);
  });

  it('has nothing to open until what is needed is filled in', async () => {
    const done = commands.execute(CommandIDs.add);
    const form = await dialog('Add an SSH Tunnel');
    const isOff = (wanted: boolean): Promise<void> =>
      vi.waitFor(() => expect(openButton(form).disabled).toBe(wanted));
    await isOff(true);
    await type(form, '  ');
    await isOff(true);
    await type(form, 'gpu01:5006');
    await isOff(false);
    form.querySelectorAll<HTMLElement>('[type="radio"]')[1]!.click();
    await isOff(true);
    form.querySelectorAll<HTMLElement>('[type="radio"]')[0]!.click();
    await isOff(false);
    press(form, 'Cancel');
    await done;
    expect(manager.asked).toEqual([]);
  });

  /** Try to open what cannot be reached, whose row is in the list then. */
  async function fail(form: HTMLElement): Promise<TunnelStatus> {
    await type(form, 'gpu02:5006');
    manager.answers.push(error('connect_failed'));
    press(form, 'Open');
    await explained(form, 'It is connect_failed.Do this.');
    const failed = tunnel({ id: idOf(manager.asked[0]), state: 'failed' });
    manager.tunnels = [tunnel({ id: 'another one' }), failed];
    // There until it is clear that it is not wanted.
    expect(manager.asked).toHaveLength(1);
    return failed;
  }

  it('leaves no row of a try before', async () => {
    const done = commands.execute(CommandIDs.add);
    const form = await dialog('Add an SSH Tunnel');
    await fail(form);
    await type(form, 'gpu01:5006');
    manager.answers.push(undefined, opened);
    press(form, 'Open');
    await done;
    expect(manager.asked.slice(1)).toEqual([
      ['close', idOf(manager.asked[0])],
      ['open', asking('gpu01:5006')]
    ]);
  });

  it('leaves no row when it is cancelled after a failure', async () => {
    const done = commands.execute(CommandIDs.add);
    const form = await dialog('Add an SSH Tunnel');
    const failed = await fail(form);
    press(form, 'Cancel');
    await done;
    expect(manager.asked.slice(1)).toEqual([['close', failed.id]]);
    expect(shown).toBe(0);
  });

  it('leaves what somebody else has opened since', async () => {
    const done = commands.execute(CommandIDs.add);
    const form = await dialog('Add an SSH Tunnel');
    const failed = await fail(form);
    manager.tunnels = [{ ...failed, state: 'open' }];
    press(form, 'Cancel');
    await done;
    expect(manager.asked).toHaveLength(1);
  });

  describe('with fields', () => {
    /** Fill in the parts of a tunnel, as labels and texts. */
    async function fill(
      form: HTMLElement,
      parts: Record<string, string>
    ): Promise<void> {
      form.querySelectorAll<HTMLElement>('[type="radio"]')[1]!.click();
      for (const [label, text] of Object.entries(parts)) {
        enter(await field(form, label), text);
      }
    }

    async function field(
      form: HTMLElement,
      label: string
    ): Promise<HTMLInputElement> {
      return vi.waitFor(() => {
        const found = [...form.querySelectorAll('label')].find(
          node => node.textContent === label
        );
        expect(found, label).toBeDefined();
        return found!.querySelector('input')!;
      });
    }

    const wrong = {
      'Remote host': 'gpu01',
      'Port on the remote host': ' db:x'
    };
    const refusal = new TunnelError({
      code: 'bad_input',
      message: '“x” is not a port number.',
      hint: '-L [bind_address:]port:host:hostport',
      where: { text: '-L private:db:x', start: 14, end: 15 }
    });

    it('marks the field, in words of the form', async () => {
      manager.answers.push(refusal);
      const done = commands.execute(CommandIDs.add);
      const form = await dialog('Add an SSH Tunnel');
      await fill(form, wrong);
      press(form, 'Open');
      await explained(
        form,
        'Port on the remote host: “x” is not a port number.' +
          'A port, such as 5006, a host and its port, such as db:5432, ' +
          'or the path of a socket.'
      );
      const marked = await field(form, 'Port on the remote host');
      expect(marked.getAttribute('aria-invalid')).toBe('true');
      const [message] = marked.getAttribute('aria-describedby')!.split(' ');
      expect(document.getElementById(message!)!.textContent).toContain('“x”');
      expect(document.activeElement).toBe(marked);
      expect(form.querySelector('mark')?.textContent).toBe('x');
      press(form, 'Cancel');
      await done;
    });

    it.each([
      ['the field', 'Port on the remote host', true],
      ['another field', 'Remote host', false]
    ])('has a message until %s changes', async (_, label, isGone) => {
      manager.answers.push(refusal);
      const done = commands.execute(CommandIDs.add);
      const form = await dialog('Add an SSH Tunnel');
      await fill(form, wrong);
      press(form, 'Open');
      await vi.waitFor(() =>
        expect(form.querySelector('[role="alert"]')).not.toBeNull()
      );
      enter(await field(form, label), 'gpu02');
      await vi.waitFor(() =>
        expect(form.querySelector('[role="alert"]') === null).toBe(isGone)
      );
      press(form, 'Cancel');
      await done;
    });

    it.each([
      ['kind', 'select'],
      ['way to type', '[type="radio"]'],
      ['choice of another port', '[type="checkbox"]']
    ])('has no message of another %s', async (_, selector) => {
      manager.answers.push(refusal);
      const done = commands.execute(CommandIDs.add);
      const form = await dialog('Add an SSH Tunnel');
      await fill(form, wrong);
      press(form, 'Open');
      await vi.waitFor(() =>
        expect(form.querySelector('[role="alert"]')).not.toBeNull()
      );
      const other = form.querySelector<HTMLElement>(selector)!;
      if (other instanceof HTMLSelectElement) {
        other.value = 'local';
        other.dispatchEvent(new Event('change', { bubbles: true }));
      } else {
        other.click();
      }
      await vi.waitFor(() =>
        expect(form.querySelector('[role="alert"]')).toBeNull()
      );
      press(form, 'Cancel');
      await done;
    });

    it('asks for nothing that would mean something else', async () => {
      const done = commands.execute(CommandIDs.add);
      const form = await dialog('Add an SSH Tunnel');
      await fill(form, {
        'Remote host': 'gpu01:2222',
        'Port on the remote host': '80'
      });
      press(form, 'Open');
      await explained(
        form,
        'No port belongs behind the remote host here.' +
          'Each port has a field of its own.'
      );
      expect(form.querySelector('mark')?.textContent).toBe(':2222');
      press(form, 'Cancel');
      await done;
      expect(manager.asked).toEqual([]);
    });
  });

  it('can be given up', async () => {
    const answer = new PromiseDelegate<OpenedTunnel>();
    manager.answers.push(answer.promise);
    const done = commands.execute(CommandIDs.add);
    const form = await dialog('Add an SSH Tunnel');
    await type(form, 'gpu01:5006');
    press(form, 'Open');
    await vi.waitFor(() =>
      expect(form.querySelector('[role="status"]')!.textContent).toContain(
        'Cancel gives up'
      )
    );
    expect(openButton(form).getAttribute('aria-disabled')).toBe('true');
    press(form, 'Open');
    expect(manager.asked).toHaveLength(1);
    press(form, 'Cancel');
    await done;
    await vi.waitFor(() => expect(manager.asked).toHaveLength(2));
    expect(manager.asked[1]).toEqual(['close', idOf(manager.asked[0])]);
    answer.reject(error('closed'));
    expect(shown).toBe(0);
  });

  it('knows the host of its section, and starts with what is missing', async () => {
    const done = commands.execute(CommandIDs.add, { host: 'me@gpu01' });
    const form = await dialog('Add an SSH Tunnel');
    await vi.waitFor(() => expect(document.activeElement).toBe(input(form)));
    const [host, first] =
      form.querySelectorAll<HTMLInputElement>('[type=text]');
    expect(host!.value).toBe('me@gpu01');
    expect(first).toBe(input(form));
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

  it('asks where a server ends with it, idle as it may be', async () => {
    manager.tunnels = [tunnel({ forwards: [idle], ends_server: true })];
    const done = commands.execute(CommandIDs.close, { tunnel: tunnel().id });
    const question = await dialog('Close the tunnel gpu01:5006?');
    expect(question.textContent).toContain('ends with it');
    expect(document.activeElement!.textContent).toBe('Cancel');
    press(question, 'Close');
    await done;
    expect(manager.asked).toEqual([['close', tunnel().id]]);
  });

  it('knows that a server ends with the last tunnel that leads there', async () => {
    const one = tunnel({ forwards: [idle], ends_server: true });
    const other = tunnel({ ...one, id: 'other', name: 'other' });
    manager.tunnels = [one, other];
    await commands.execute(CommandIDs.close, { tunnel: one.id });
    expect(manager.asked).toEqual([['close', one.id]]);
    manager.tunnels = [one, other];
    const done = commands.execute(CommandIDs.closeAll);
    const question = await dialog('Close 2 tunnels?');
    expect(question.textContent).toContain('The Jupyter that was started');
    press(question, 'Cancel');
    await done;
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

  it.each([
    ['never', [idle], 'No stream is open through them now.'],
    ['in-use', [forward()], '2 streams are open through them']
  ] as [ConfirmClose, [typeof idle], string][])(
    'asks once before several are closed: %s',
    async (policy, forwards, words) => {
      confirmClose = policy;
      manager.tunnels = ['1', '2'].map(id => tunnel({ id, forwards }));
      const done = commands.execute(CommandIDs.closeAll);
      const question = await dialog('Close 2 tunnels?');
      expect(question.textContent).toContain(words);
      press(question, 'Cancel');
      await done;
      expect(manager.asked).toEqual([]);
    }
  );

  it('closes all after one question', async () => {
    manager.tunnels = [tunnel({ id: '1' }), tunnel({ id: '2' })];
    const done = commands.execute(CommandIDs.closeAll);
    press(await dialog('Close 2 tunnels?'), 'Close');
    await done;
    expect(manager.asked).toEqual([
      ['close', '1'],
      ['close', '2']
    ]);
  });

  it('does not ask for all where all is one that is idle', async () => {
    manager.tunnels = [tunnel({ id: '1', forwards: [idle] })];
    await commands.execute(CommandIDs.closeAll);
    expect(manager.asked).toEqual([['close', '1']]);
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

describe('restart', () => {
  it('makes little of a login that a person gave up', async () => {
    manager.tunnels = [tunnel()];
    manager.answers.push(error('needs_user'));
    await commands.execute(CommandIDs.restart, { tunnel: tunnel().id });
    const [told] = Notification.manager.notifications;
    expect(told!.message).toBe(
      'gpu01:5006 could not be restarted: It is needs_user.'
    );
    expect(told!.type).toBe('info');
    Notification.dismiss();
  });

  it('shows why it failed', async () => {
    manager.tunnels = [tunnel()];
    manager.answers.push(error('host_key_changed'));
    const done = commands.execute(CommandIDs.restart, { tunnel: tunnel().id });
    const message = await dialog('gpu01:5006 could not be restarted');
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

  it('a command that needs a kernel is off without one', () => {
    const kernel = tunnel({ kind: 'kernel', connection_file: '/k.json' });
    manager.tunnels = [tunnel(), { ...kernel, connection_file: null }];
    expect(commands.isEnabled(CommandIDs.copyConnectionFile)).toBe(false);
    manager.tunnels = [tunnel(), kernel];
    expect(commands.isEnabled(CommandIDs.copyConnectionFile)).toBe(true);
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

  it('asks for another tunnel where its own was closed, and shows that', async () => {
    const { id, name, host, destination } = application();
    manager.applications = [application()];
    await commands.execute(CommandIDs.openInTab, { app: id });
    const tab = tabs[0] as ApplicationTab;
    Widget.attach(tab, document.body);
    manager.applications = [];
    manager.changed.emit();
    const button = await vi.waitFor(() => {
      const found = tab.content.node.querySelector('button');
      expect(found).not.toBeNull();
      return found!;
    });
    button.click();
    const form = await dialog('Add an SSH Tunnel');
    const opened = { tunnel: tunnel({ id: '77' }), created: true };
    manager.answers.push({ ...opened, understood: '' });
    manager.applications = [application({ id: '77', tunnel: '77' })];
    await vi.waitFor(() =>
      expect(form.querySelector('[data-first-field]')).not.toBeNull()
    );
    press(form, 'Open');
    await vi.waitFor(() => expect(tab.isDisposed).toBe(true));
    expect(manager.asked[0]![1]).toMatchObject({
      name,
      host,
      forwards: [`-L private:${destination}`]
    });
    expect((tabs[1] as ApplicationTab).app.id).toBe('77');
  });

  it('comes back after a reload, before the list is known', async () => {
    await commands.execute(CommandIDs.openInTab, { app: 'x', name: 'plot' });
    expect(tabs.map(({ title }) => title.label)).toEqual(['plot']);
  });
});
