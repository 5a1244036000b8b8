import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { analyse, ANALYSIS_VERSION } from '../../../shared/projections/src/text/analyse.ts';
import { SENTENCES } from '../../integration/recall/sentences.ts';

const TEXTS = [
  ...SENTENCES.flatMap(({ answers, who, what }) => [answers.flat(), who, what].flat()),
  "Don't forget: l'amour, naïve cafés, 3.5 km, ＴＰ－Ｌｉｎｋ, x-ray, O'Brien’s, 東京タワー, 책, ชา 🍵",
];

/**
 * The rows of the projection are made by this code and by libraries, whatever their versions. When this
 * fails, texts are analysed differently: raise ANALYSIS_VERSION, so that the projection is rebuilt, and then
 * change the digest here.
 */
test('texts are analysed as this version did before', () => {
  const analysed = JSON.stringify(TEXTS.map((text) => analyse(text)));
  const digest = createHash('sha256').update(analysed).digest('hex').slice(0, 16);
  expect([ANALYSIS_VERSION, digest]).toEqual([2, '6f64b090943dc0cb']);
});
