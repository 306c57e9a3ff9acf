/** The sidebar as its tests have it: with lists and commands of their own. */

import { nullTranslator } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { Widget } from '@lumino/widgets';
import { afterEach, beforeEach, expect, vi } from 'vitest';

import { HostList, TunnelStatus } from '../src/api';
import { CommandIDs } from '../src/commands';
import { HostBook } from '../src/hosts';
import { TunnelSidebar } from '../src/sidebar';
import { ListedPublications } from './publications';
import { ListedTunnels } from './tunnels';

export const trans = nullTranslator.load('jupyter_remote_tunnel');

export let manager: ListedTunnels;
export let publications: ListedPublications;
/** What the next looks at the configuration see. */
export let list: HostList;
export let looks: number;
export let hosts: HostBook;
export let executed: [string, ReadonlyPartialJSONObject][];
/** What the next commands give back. */
export let answers: unknown[];
/** Whether this Jupyter may be published. */
let mayPublish: boolean;
export let sidebar: TunnelSidebar;

/** Have each test of this file begin with a sidebar of its own, which shows nothing yet. */
export function withSidebar(): void {
  beforeEach(() => {
    manager = new ListedTunnels();
    publications = new ListedPublications();
    list = { hosts: [], problem: null };
    looks = 0;
    hosts = new HostBook({
      hosts: async () => {
        looks += 1;
        return list;
      }
    });
    executed = [];
    mayPublish = false;
    answers = [];
    const commands = new CommandRegistry();
    for (const id of Object.values(CommandIDs)) {
      commands.addCommand(id, {
        isEnabled: () => id !== CommandIDs.publish || mayPublish,
        execute: args => {
          executed.push([id, args]);
          return answers.shift();
        }
      });
    }
    sidebar = new TunnelSidebar({
      manager,
      publications,
      hosts,
      commands,
      trans
    });
    Widget.attach(sidebar, document.body);
  });

  afterEach(() => sidebar.dispose());
}

/** What the next looks at the configuration see. */
export function setList(next: HostList): void {
  list = next;
}

/** This Jupyter may be published. */
export function mayBePublished(): void {
  mayPublish = true;
}

/** Show these tunnels, and wait until they are painted. */
export async function show(...tunnels: TunnelStatus[]): Promise<void> {
  manager.tunnels = tunnels;
  manager.changed.emit();
  await vi.waitFor(() => {
    expect(texts('.jp-RemoteTunnel-name')).toEqual(
      tunnels.map(({ name }) => name)
    );
    const isEmpty = tunnels.length === 0;
    const notice = '.jp-RemoteTunnel-empty, .jp-SidePanel-content > * > [role]';
    expect(texts(notice)).toHaveLength(isEmpty ? 1 : 0);
  });
}

/** The text of each. */
export function texts(selector: string): (string | null)[] {
  return [...sidebar.node.querySelectorAll(selector)].map(
    node => node.textContent
  );
}

/** The button that is called so. */
export function button(label: string): HTMLButtonElement {
  const found = sidebar.node.querySelector<HTMLButtonElement>(
    `button[aria-label="${label}"]`
  );
  expect(found, label).not.toBeNull();
  return found!;
}

/** Type into a field. */
export function enter(input: HTMLInputElement, text: string): void {
  // React listens to the prototype's setter.
  Object.getOwnPropertyDescriptor(
    HTMLInputElement.prototype,
    'value'
  )!.set!.call(input, text);
  input.dispatchEvent(new Event('input', { bubbles: true }));
}
