import { Dialog, WidgetTracker } from '@jupyterlab/apputils';
import { JupyterFrontEnd } from '@jupyterlab/application';
import { nullTranslator } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import { Widget } from '@lumino/widgets';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { CommandIDs } from '../src/commands';
import { addHostCommands } from '../src/hostcommands';
import { HostBook } from '../src/hosts';
import { TunnelAPI, TunnelError } from '../src/restapi';
import { ApplicationTab, ViewChooser } from '../src/view';
import { alias, diagnosis, step, tunnel, walked } from './samples';
import { Answer, TestServer } from './server';
import { ListedTunnels } from './tunnels';

const trans = nullTranslator.load('jupyter_remote_tunnel');

let answer: Answer | Promise<Answer>;
let server: TestServer;
let manager: ListedTunnels;
let commands: CommandRegistry;
let tabs: Widget[];
let areas: (string | undefined)[];
let activated: string[];

beforeEach(() => begin(true));

async function begin(hasTabs: boolean): Promise<void> {
  answer = { body: walked(diagnosis()) };
  server = new TestServer(seen =>
    seen.url.pathname.endsWith('/hosts')
      ? { body: { hosts: [alias('gpu01')], problem: null } }
      : answer
  );
  manager = new ListedTunnels();
  commands = new CommandRegistry();
  [tabs, areas, activated] = [[], [], []];
  const shell = {
    add: (widget: Widget, area?: string) => {
      Widget.attach(widget, document.body);
      tabs.push(widget);
      areas.push(area);
    },
    activateById: (id: string) => activated.push(id)
  } as unknown as JupyterFrontEnd.IShell;
  const api = new TunnelAPI(await server.start(), trans);
  addHostCommands({
    app: { commands, shell },
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
  tabs.forEach(tab => tab.dispose());
  Dialog.flush();
  await server.stop();
});

/** What the requests for a diagnosis asked for. */
function asked(): unknown[] {
  return server.seen
    .filter(({ method }) => method === 'POST')
    .map(({ body }) => body);
}

function texts(selector: string): (string | null)[] {
  return [...tabs[0]!.node.querySelectorAll(selector)].map(
    node => node.textContent
  );
}

function button(label: string): HTMLButtonElement {
  const found = [...tabs[0]!.node.querySelectorAll('button')].find(
    ({ textContent }) => textContent === label
  );
  expect(found, label).toBeDefined();
  return found!;
}

/** Wait until the tab says so at its top. */
async function says(text: string): Promise<void> {
  await vi.waitFor(() => expect(texts('[role="status"]')).toEqual([text]));
}

const FAILED = '1 of 4 steps failed: TCP forwards.';

describe('a diagnosis', () => {
  it('stands in a tab, step by step', async () => {
    await commands.execute(CommandIDs.diagnose, { host: 'gpu01' });
    await says(FAILED);
    expect(tabs[0]!.title.label).toBe('Diagnosis of gpu01');
    expect([areas, activated]).toEqual([['main'], [tabs[0]!.id]]);
    expect(texts('h3')).toEqual([
      'gpu01',
      'gw (hop 1 of 2)',
      'gpu01 (hop 2 of 2)'
    ]);
    const last = [
      ...['FAILED', 'TCP forwards', '12\u00a0ms', 'gpu01 does not connect.'],
      ...['It says “open failed”.', '→ Ask who runs it.']
    ];
    expect(texts('ol:last-of-type li')).toEqual([last.join('')]);
    expect(texts('li')).toHaveLength(4);
    expect(asked()).toEqual([{ host: 'gpu01', gateway_ports: false }]);
  });

  it('is in the same tab again', async () => {
    await commands.execute(CommandIDs.diagnose, { host: 'gpu01' });
    await says(FAILED);
    answer = { body: walked(diagnosis({ ok: true, steps: [step()] })) };
    await commands.execute(CommandIDs.diagnose, { host: 'gpu01' });
    await says('Nothing failed.');
    expect(tabs).toHaveLength(1);
    expect(activated).toEqual([tabs[0]!.id, tabs[0]!.id]);
    tabs[0]!.dispose();
    await commands.execute(CommandIDs.diagnose, { host: 'gpu01' });
    expect(tabs).toHaveLength(2);
  });

  it('can be done again, with more of it', async () => {
    await commands.execute(CommandIDs.diagnose, { host: 'gpu01' });
    await says(FAILED);
    tabs[0]!.node.querySelector<HTMLElement>('[type="checkbox"]')!.click();
    button('Again').click();
    await vi.waitFor(() => expect(asked()).toHaveLength(2));
    expect(asked()[1]).toEqual({ host: 'gpu01', gateway_ports: true });
    await says(FAILED);
  });

  it('can be cancelled, and is when its tab is closed', async () => {
    answer = new Promise(() => undefined);
    await commands.execute(CommandIDs.diagnose, { host: 'gpu01' });
    await vi.waitFor(() =>
      expect(texts('[role="status"]')[0]).toContain('Looking…')
    );
    expect(button('Copy').disabled).toBe(true);
    const cancel = button('Cancel');
    cancel.focus();
    cancel.click();
    await vi.waitFor(() =>
      expect(texts('[role="status"]')[0]).toContain('cancelled')
    );
    // The focus stays where it was.
    expect(document.activeElement).toBe(button('Again'));
    button('Again').click();
    await vi.waitFor(() => expect(manager.watching).toBe(1));
    tabs[0]!.dispose();
    await vi.waitFor(() => expect(manager.watching).toBe(0));
  });

  it('shows what hosts say as text, whatever it holds', async () => {
    const says = '<img src=x onerror=alert(1)><b>bold</b>';
    const one = step({ says, hop: says, advice: says, details: [says] });
    answer = { body: walked(diagnosis({ steps: [one], route: [says, says] })) };
    await commands.execute(CommandIDs.diagnose, { host: says });
    await vi.waitFor(() => expect(texts('h3')).toEqual([says]));
    expect(tabs[0]!.node.querySelector('img, b')).toBeNull();
  });

  it('is refused, and says why', async () => {
    const body = { code: 'not_allowed', message: 'No.', hint: 'Ask.' };
    answer = { status: 403, body };
    await commands.execute(CommandIDs.diagnose, { host: 'gpu01' });
    await vi.waitFor(() =>
      expect(texts('[role="alert"] p')).toEqual(['No.', 'Ask.'])
    );
    expect(texts('[role="status"]')).toEqual(['']);
  });

  it('stands at the side where there is no room for tabs', async () => {
    await server.stop();
    await begin(false);
    await commands.execute(CommandIDs.diagnose, { host: 'gpu01' });
    await says(FAILED);
    expect(areas).toEqual(['right']);
  });
});

it('a diagnosis for a tunnel is of its way', async () => {
  manager.tunnels = [tunnel({ host: 'gpu01' })];
  const { id } = manager.tunnels[0]!;
  await commands.execute(CommandIDs.diagnose, { tunnel: id });
  await says(FAILED);
  expect(asked()).toEqual([{ tunnel: id, gateway_ports: false }]);
});

describe('without a host', () => {
  async function dialog(): Promise<HTMLInputElement> {
    return vi.waitFor(() => {
      const found =
        document.querySelector<HTMLInputElement>('.jp-Dialog input');
      expect(found?.list?.options).toHaveLength(1);
      return found!;
    });
  }

  function press(label: string): void {
    [...document.querySelectorAll<HTMLElement>('.jp-Dialog-button')]
      .find(({ textContent }) => textContent === label)!
      .click();
  }

  it('one is asked for', async () => {
    const done = commands.execute(CommandIDs.diagnose);
    const input = await dialog();
    expect(input.list!.options[0]!.value).toBe('gpu01');
    input.value = ' me@other ';
    input.dispatchEvent(new Event('input', { bubbles: true }));
    press('Diagnose');
    await done;
    await says(FAILED);
    expect(asked()).toEqual([{ host: 'me@other', gateway_ports: false }]);
  });

  it('nothing is done if nobody names one', async () => {
    const done = commands.execute(CommandIDs.diagnose);
    await dialog();
    press('Cancel');
    await done;
    expect(tabs).toEqual([]);
  });
});

describe('an offer', () => {
  const args = { host: 'gpu01', forward: '-D 1080' };

  it('is opened as it stands in the configuration', async () => {
    const opened = { tunnel: tunnel(), created: true, understood: '' };
    manager.answers.push(opened);
    expect(await commands.execute(CommandIDs.openOffer, args)).toBe(
      tunnel().id
    );
    expect(manager.asked).toEqual([
      [
        'open',
        {
          host: 'gpu01',
          forwards: ['-D 1080'],
          id: expect.stringMatching(/^[0-9a-f]{12}$/)
        }
      ]
    ]);
  });

  it('that is refused says why', async () => {
    manager.answers.push(new TunnelError({ code: 'x', message: 'Taken.' }));
    const done = commands.execute(CommandIDs.openOffer, args);
    const found = await vi.waitFor(() => {
      const dialog = document.querySelector('.jp-Dialog');
      expect(dialog?.querySelector('[role="alert"]')?.textContent).toBe(
        'Taken.'
      );
      return dialog!;
    });
    expect(found.querySelector('.jp-Dialog-header')!.textContent).toBe(
      '-D 1080 could not be opened'
    );
    found.querySelector<HTMLElement>('.jp-Dialog-button')!.click();
    expect(await done).toBeNull();
  });

  it('that fails has a row, which tells', async () => {
    manager.open = async ({ id }) => {
      manager.tunnels = [tunnel({ id: id!, state: 'failed' })];
      throw new TunnelError({ code: 'x', message: 'Failed.' });
    };
    expect(await commands.execute(CommandIDs.openOffer, args)).toBe(
      manager.tunnels[0]!.id
    );
    expect(document.querySelector('.jp-Dialog')).toBeNull();
  });
});
