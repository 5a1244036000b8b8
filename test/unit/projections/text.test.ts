import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { analyse } from '../../../shared/projections/src/text/analyse.ts';
import { fold } from '../../../shared/projections/src/text/fold.ts';
import { languageOf } from '../../../shared/projections/src/text/languages.ts';
import { textOf, words } from '../../../shared/projections/src/text/words.ts';

const lexemes = (text: string, language?: string): string[] =>
  analyse(text, language)
    .lexemes.split(/[ .]+/)
    .filter((lexeme) => lexeme !== '');

describe('folding', () => {
  test.each([
    ['CAFÉ', 'cafe'],
    ['cafe\u0301', 'cafe'],
    ['ＴＰ－Ｌｉｎｋ', 'tp-link'],
    ['ﬁancée', 'fiancee'],
    ['Straße', 'strasse'],
    ['Ærø', 'aero'],
    ['Łódź', 'lodz'],
    ['İstanbul', 'istanbul'],
    ['ısı', 'isi'],
    ['ﾊﾟﾝ', 'パン'],
    ['が', 'が'],
    ['й', 'й'],
    ['ёлка', 'елка'],
    ['ΣΊΣΥΦΟΣ', 'σισυφοσ'],
    ['أَحْمَد', 'احمد'],
    ['مدرســـة', 'مدرسة'],
    ['שָׁלוֹם', 'שלום'],
    ['한글', '한글'],
    ['ไทย', 'ไทย'],
  ])('%s → %s', (written, folded) => {
    expect(fold(written)).toBe(folded);
  });

  test('folded text stays unchanged', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(fold(fold(text))).toBe(fold(text));
      }),
    );
  });
});

describe('words', () => {
  test.each([
    ["don't, O'Brien’s x-ray 3.5", ["don't", "o'brien’s", 'x', 'ray', '3', '5']],
    ['a_b c@d.org', ['a', 'b', 'c', 'd', 'org']],
    ['tea🍵 and ❤️', ['tea', '🍵', 'and', '❤']],
    ['東京タワーへ2回', ['東京', 'タワー', 'へ', '2', '回']],
    ['iPhoneを買った', ['iphone', 'を', '買', 'った']],
    ['고양이가 잔다', ['고양이가', '잔다']],
    ['ผมชอบกาแฟ 2 แก้ว', ['ผมชอบกาแฟ', '2', 'แก้ว']],
    ['', []],
    ['?!', []],
  ])('%s', (text, expected) => {
    expect(words(fold(text)).map(textOf)).toEqual(expected);
  });
});

describe('lexemes', () => {
  test.each([
    ['running to the cities', 'en', ['run', 'citi']],
    ["Mel's dogs weren't O'Brien's", 'en', ['mel', 'dog', 'weren', 'brien']],
    ['die Häuser der Freundinnen', 'de', ['haus', 'freundinn']],
    ["l'amour d'Italie", 'fr', ['amour', 'ital']],
    ['книги и собаки', 'ru', ['книг', 'собак']],
    ['القاهرة والكتاب شاي الشاي', 'ar', ['قاهر', 'كتاب', 'شا', 'شا']],
    ['unknown words running', 'xx', ['unknown', 'words', 'running']],
    ['東京都', 'ja', ['東', '東京', '京', '京都', '都']],
    ['カメラを', 'ja', ['カメ', 'メラ']],
    ['고양이가', 'ko', ['고', '고양', '양이', '이가']],
    ['개', 'ko', ['개']],
    ['กาแฟ', 'th', ['กา', 'กาแ', 'าแ', 'าแฟ', 'แฟ']],
  ])('%s (%s)', (text, language, expected) => {
    expect(lexemes(text, language)).toEqual(expected);
  });

  test('a phrase is a part of the text that has it, in every script', () => {
    for (const [text, part] of [
      ['She drinks green tea with milk.', 'green tea with milk'],
      ['東京都に住んでいます', '京都'],
      ['เมื่อวานผมดื่มกาแฟ', 'ดื่มกาแฟ'],
      ['우리 고양이가 잔다', '고양이'],
      ['책을 샀어요', '책'],
      ['ฉันชอบชามาก', 'ชา'],
    ] as const) {
      const whole = analyse(text);
      expect(whole.lexemes).toContain(analyse(part, whole.language).lexemes);
    }
  });

  test('total: any text is indexed, its length is the number of its lexemes, and no dot is in them', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.option(fc.constantFrom('de', 'zz')),
        (text, tag) => {
          const { lexemes: indexed, length } = analyse(text, tag ?? undefined);
          const parts = indexed
            .replaceAll('.', '')
            .split('  ')
            .filter((part) => part.trim() !== '');
          expect(parts).toHaveLength(length);
          for (const part of parts) expect(part.trim()).not.toMatch(/[\s.]/);
        },
      ),
    );
  });
});

describe('languages', () => {
  test.each([
    ['en', 'Ada prefers tea to coffee.'],
    ['en', 'Wow, cool! Thanks'],
    ['de', 'Meine Schwester wohnt in Hamburg.'],
    ['de', 'Der Hund schläft auf dem Sofa.'],
    ['fr', "J'habite à Paris depuis trois ans."],
    ['es', 'Mi hermana vive en Madrid.'],
    ['it', 'Mia sorella abita a Roma con il suo cane.'],
    ['pt', 'Minha irmã mora em Lisboa.'],
    ['nl', 'Mijn zus woont in Amsterdam.'],
    ['sv', 'Min syster bor i Stockholm och har en hund.'],
    ['fi', 'Siskoni asuu Helsingissä.'],
    ['tr', "Kız kardeşim İstanbul'da yaşıyor ve çok mutlu."],
    ['ru', 'Моя сестра живёт в Москве.'],
    ['uk', 'Моя сестра живе у Києві.'],
    ['ar', 'أختي تعيش في القاهرة'],
    ['el', 'Η αδελφή μου μένει στην Αθήνα.'],
    ['und', '妹は東京に住んでいます。'],
    ['und', '我的妹妹住在北京。'],
    ['und', 'น้องสาวของฉันอยู่ที่กรุงเทพ'],
    ['und', '내 여동생은 서울에 산다.'],
    ['und', 'خواهر من در تهران زندگی می‌کند'],
    ['und', 'אחותי גרה בתל אביב'],
    ['und', '🍵'],
    ['und', ''],
  ])('%s: %s', (language, text) => {
    expect(analyse(text).language).toBe(language);
  });

  test('a declared language is used without detection', () => {
    expect(analyse('Gift', 'de').language).toBe('de');
    expect(languageOf('pt-BR')).toBe('pt');
    expect(languageOf('NB')).toBe('no');
    expect(languageOf('ja')).toBe('und');
    expect(languageOf('constructor')).toBe('und');
  });
});
