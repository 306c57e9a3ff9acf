import { nullTranslator } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { TunnelError } from '../src/restapi';
import { ApplicationTab, View, ViewChooser } from '../src/view';
import { application } from './samples';
import { ListedTunnels } from './tunnels';

const trans = nullTranslator.load('jupyter_remote_tunnel');

let manager: ListedTunnels;
let tab: ApplicationTab;
let again: ApplicationTab[];

beforeEach(() => {
  manager = new ListedTunnels();
  manager.applications = [application({ id: '0123', name: 'plot <b>' })];
  again = [];
});

afterEach(() => {
  tab?.dispose();
  vi.restoreAllMocks();
});

function frame(view: View): HTMLIFrameElement {
  tab?.dispose();
  tab = new ApplicationTab({
    app: { id: '0123', name: 'plot <b>' },
    view,
    url: 'http://localhost:8888/remote-tunnel/open/0123',
    manager,
    trans,
    openInBrowser: () => undefined,
    openAgain: closed => again.push(closed)
  });
  return tab.content.node.querySelector('iframe')!;
}

function sandbox(view: View): Set<string> {
  return new Set(frame(view).getAttribute('sandbox')!.split(' '));
}

describe('the frame of an application', () => {
  it('has an origin only where that origin is its own', () => {
    expect(sandbox('origin')).toContain('allow-same-origin');
    expect(sandbox('path')).not.toContain('allow-same-origin');
  });

  it.each(['origin', 'path'] as View[])('never navigates the top: %s', view => {
    const allowed = [...sandbox(view)].join(' ');
    expect(allowed).not.toContain('top-navigation');
    expect(allowed).not.toContain('escape-sandbox');
  });

  it('tells nobody where it was opened, and has a name', () => {
    expect(frame('origin').getAttribute('referrerpolicy')).toBe('no-referrer');
    expect(frame('origin').title).toBe('plot <b>');
  });
});

describe('the tab of a closed tunnel', () => {
  function heading(): string | undefined {
    return tab.node.querySelector('h2')?.textContent ?? undefined;
  }

  function press(label: string): void {
    const buttons = [...tab.content.node.querySelectorAll('button')];
    buttons.find(({ textContent }) => textContent === label)!.click();
  }

  beforeEach(async () => {
    frame('origin');
    Widget.attach(tab, document.body);
    manager.applications = [];
    manager.changed.emit();
    await vi.waitFor(() =>
      expect(heading()).toBe('The tunnel to “plot <b>” was closed')
    );
  });

  it('shows nothing of the application', () => {
    expect(tab.node.querySelector('iframe')).toBeNull();
    expect(tab.toolbar.isHidden).toBe(true);
  });

  it('asks for another one, to where it led', () => {
    press('Open It Again…');
    expect(again).toEqual([tab]);
    expect(tab.app).toEqual(application({ id: '0123', name: 'plot <b>' }));
  });

  it('can be closed', () => {
    press('Close This Tab');
    expect(tab.isDisposed).toBe(true);
  });

  it('shows the application that comes back', () => {
    manager.applications = [application({ id: '0123' })];
    manager.changed.emit();
    expect(tab.node.querySelector('iframe')).not.toBeNull();
    expect(heading()).toBeUndefined();
    expect(tab.toolbar.isHidden).toBe(false);
  });

  it('is not one whose server does not answer', () => {
    frame('path');
    manager.problem = new TunnelError({ code: 'http', message: 'No.' });
    manager.applications = [];
    manager.changed.emit();
    expect(tab.node.querySelector('iframe')).not.toBeNull();
  });
});

describe('the view', () => {
  it.each([
    ['http://gpu01.example.org:8888/lab', '{id}.localhost'],
    ['https://localhost:8888/lab', '{id}.localhost'],
    ['http://localhost.example.org/lab', '{id}.localhost'],
    ['http://jupyter.example.org/lab', '{id}.apps.example.net'],
    ['http://localhost:8888/lab', '']
  ])('at %s, offered “%s”, is the path', async (address, names) => {
    const asked = vi.spyOn(globalThis, 'fetch');
    const location = new URL(address) as unknown as Location;
    expect(await new ViewChooser(location).choose(names)).toBe('path');
    expect(asked).not.toHaveBeenCalled();
  });

  it.each([
    [
      'http://localhost:8888/lab',
      '{id}.localhost',
      /^http:..probe-\w{20}\.localhost:8888.$/
    ],
    [
      'https://jupyter.example.org/lab',
      'ann-{id}.apps.example.net',
      /^https:..ann-probe-\w{20}\.apps\.example\.net.$/
    ]
  ])(
    'at %s is the origin, if a name of “%s” leads there',
    async (address, names, url) => {
      const asked = vi.spyOn(globalThis, 'fetch');
      asked.mockResolvedValue(new Response(null, { status: 204 }));
      const chooser = new ViewChooser(new URL(address) as unknown as Location);
      expect(await chooser.choose(names)).toBe('origin');
      expect(chooser.best(names)).toBe('origin');
      expect(chooser.best('{id}.other.example.net')).toBe('path');
      expect(asked).toHaveBeenCalledOnce();
      expect(asked.mock.calls[0]![0]).toMatch(url);
      expect(asked.mock.calls[0]![1]).toMatchObject({
        mode: 'cors',
        credentials: 'omit'
      });
    }
  );

  it.each([
    [
      'leads elsewhere',
      () => Promise.resolve(new Response(null, { status: 404 }))
    ],
    ['leads nowhere', () => Promise.reject(new TypeError('Failed to fetch'))]
  ])('is the path where such a name %s', async (_, answer) => {
    vi.spyOn(globalThis, 'fetch').mockImplementation(answer);
    const location = new URL(
      'https://jupyter.example.org/lab'
    ) as unknown as Location;
    const chooser = new ViewChooser(location);
    expect(await chooser.choose('{id}.apps.example.net')).toBe('path');
    expect(chooser.best('{id}.apps.example.net')).toBe('path');
  });

  it('is the path while the browser was not asked', () => {
    expect(new ViewChooser().best('{id}.localhost')).toBe('path');
  });
});
