import { nullTranslator } from '@jupyterlab/translation';
import { expect, it } from 'vitest';

import { asText, conclusion, duration, stages } from '../src/steps';
import { diagnosis, step } from './samples';

const trans = nullTranslator.load('jupyter_remote_tunnel');

it('the text is what a shell prints', () => {
  expect(asText(diagnosis(), trans).split('\n')).toEqual([
    'gpu01:',
    'ok      configuration     12 ms  gpu01 is there.',
    'gw (hop 1 of 2):',
    'ok      connection        12 ms  10.0.0.1 takes a connection to port 22.',
    'note    login             1.2 s  10.0.0.1 takes a connection to port 22.',
    'gpu01 (hop 2 of 2):',
    'FAILED  TCP forwards      12 ms  gpu01 does not connect.',
    '        It says “open failed”.',
    '        → Ask who runs it.',
    '1 of 4 steps failed: TCP forwards.',
    ''
  ]);
});

it('all of it comes to something', () => {
  expect(conclusion(diagnosis({ steps: [step()] }), trans)).toBe(
    'Nothing failed.'
  );
  const twice = [step({ verdict: 'failed' }), step({ verdict: 'failed' })];
  expect(conclusion(diagnosis({ steps: twice }), trans)).toBe(
    '2 of 2 steps failed: connection.'
  );
});

it('steps stand at their hop, and a hop that comes again stands again', () => {
  const steps = ['a', 'a', 'b', 'a'].map(hop => step({ hop }));
  expect(stages(steps).map(stage => [stage.hop, stage.steps.length])).toEqual([
    ['a', 2],
    ['b', 1],
    ['a', 1]
  ]);
});

it.each([
  [0, '0\u00a0ms'],
  [0.0124, '12\u00a0ms'],
  [0.9994, '999\u00a0ms'],
  [0.9996, '1.0\u00a0s'],
  [12.34, '12.3\u00a0s']
])('%d seconds are “%s”', (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});
