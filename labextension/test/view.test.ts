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

afterEach(() => tab?.dispose());

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
    ['http://gpu01.example.org:8888/lab', true],
    ['https://localhost:8888/lab', true],
    ['http://localhost.example.org/lab', true],
    ['http://localhost:8888/lab', false]
  ])('at %s, offered %s, is the path', async (address, offered) => {
    const location = new URL(address) as unknown as Location;
    expect(await new ViewChooser(location).choose(offered)).toBe('path');
  });

  it('is the path while the browser was not asked', () => {
    expect(new ViewChooser().best(true)).toBe('path');
  });
});
